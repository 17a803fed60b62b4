"""Audio bytes, raw or of a file, -> samples of one channel; samples -> another rate, and bytes."""

from speechmq_emulator.audio.errors import Undecodable
from speechmq_emulator.audio.file import FILE_RATE, FileReader
from speechmq_emulator.audio.raw import (
    MULAW,
    RawReader,
    Resampler,
    SampleReader,
    Samples,
    encode,
)

__all__ = [
    "FILE_RATE",
    "MULAW",
    "FileReader",
    "RawReader",
    "Resampler",
    "SampleReader",
    "Samples",
    "Undecodable",
    "encode",
]
