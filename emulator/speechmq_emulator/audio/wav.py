"""The head of a WAV file: what follows it, as a headerless format that libav knows.

libav's own WAV demuxer waits for 64 KiB (2 s at 16 kHz) to see whether the samples hide
another format; common WAV files are therefore read without it.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from speechmq_emulator.audio.bytesource import Readable, Scan

_RIFF = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_SUBFORMAT_AT = 24
_EXTENSIBLE = 0xFFFE
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)
"""What a writer that can not go back puts for the length of the samples."""

_RAW_FORMATS: Mapping[tuple[int, int], str] = MappingProxyType(
    {
        (1, 8): "u8",
        (1, 16): "s16le",
        (1, 24): "s24le",
        (1, 32): "s32le",
        (3, 32): "f32le",
        (3, 64): "f64le",
        (6, 8): "alaw",
        (7, 8): "mulaw",
    }
)
_LAYOUTS: Mapping[int, str] = MappingProxyType({1: "mono", 2: "stereo"})


@dataclass(frozen=True, slots=True)
class RawForm:
    """``length`` is the bytes of samples, None up to the end of the file."""

    format: str
    rate: int
    layout: str
    length: int | None


class Limited:
    """The first ``length`` bytes of a source: what follows the samples of a WAV file is text."""

    def __init__(self, source: Readable, length: int) -> None:
        self._source = source
        self._left = length

    def read(self, size: int, /) -> bytes:
        piece = self._source.read(min(size, self._left)) if self._left else b""
        self._left -= len(piece)
        return piece


def read_head(scan: Scan) -> RawForm | None:
    """Reads up to the first sample; None for a file that is better left to libav."""
    if len(scan.take(_RIFF.size)) < _RIFF.size:
        return None
    form: tuple[str, int, str] | None = None
    while len(header := scan.take(_CHUNK.size)) == _CHUNK.size:
        kind, size = _CHUNK.unpack(header)
        if kind == b"data":
            return form and RawForm(*form, None if size in _UNKNOWN_SIZES else size)
        body = scan.take(size + size % 2)
        if kind == b"fmt ":
            form = _form(body)
    return None


def _form(body: bytes) -> tuple[str, int, str] | None:
    if len(body) < _FORMAT.size:
        return None
    tag, channels, rate, _, _, bits = _FORMAT.unpack_from(body)
    if tag == _EXTENSIBLE and len(body) >= _SUBFORMAT_AT + 2:
        (tag,) = struct.unpack_from("<H", body, _SUBFORMAT_AT)
    name, layout = _RAW_FORMATS.get((tag, bits)), _LAYOUTS.get(channels)
    return (name, rate, layout) if name and layout and rate else None
