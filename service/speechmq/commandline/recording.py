"""Reads a WAV file's header and cuts its samples into chunks.

Knows the four encodings of the contract. Never holds more than one chunk of a file in memory,
and trusts no length that a header states.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from speechmq.errors import RecordingError
from speechmq_schemas.config import BYTES_PER_SAMPLE, Encoding

ENCODINGS: dict[tuple[int, int], Encoding] = {
    (0x0001, 16): "pcm_s16le",
    (0x0003, 32): "pcm_f32le",
    (0x0006, 8): "alaw",
    (0x0007, 8): "mulaw",
}
FORMAT_NAMES = {0x0001: "PCM", 0x0002: "ADPCM", 0x0003: "float", 0x0006: "A-law", 0x0007: "µ-law"}
EXTENSIBLE = 0xFFFE

# A writer that cannot seek back states one of the largest lengths: sox 0x7FFFF000, others all ones.
UNKNOWN_LENGTH = 0x7FFFF000
CHUNKS_BEFORE_AUDIO = 1000
RATES = range(8_000, 48_001)


@dataclass(frozen=True, slots=True)
class Cut:
    """A recording's chunks, each of which lasts ``seconds``."""

    seconds: float
    chunks: Iterator[bytes]


class NotSamples(RecordingError):
    """It may be audio, but none whose samples can be sent as they are."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Mono samples in a file: ``size`` bytes from ``offset``."""

    path: Path
    encoding: Encoding
    sample_rate: int
    offset: int
    size: int

    @property
    def seconds(self) -> float:
        return self.size / self._bytes_per_second

    @property
    def _bytes_per_second(self) -> int:
        return self.sample_rate * BYTES_PER_SAMPLE[self.encoding]

    @property
    def audio_format(self) -> dict[str, Any]:
        return {"type": "raw", "encoding": self.encoding, "sample_rate": self.sample_rate}

    def cut(self, milliseconds: float) -> Cut:
        """In chunks of about that length."""
        samples = self.samples_per_chunk(milliseconds)
        return Cut(samples / self.sample_rate, self.chunks(samples))

    def samples_per_chunk(self, milliseconds: float) -> int:
        """At least one."""
        return max(1, round(self.sample_rate * milliseconds / 1000))

    def chunks(self, samples: int) -> Iterator[bytes]:
        """The audio in order, ``samples`` at a time, the last chunk as short as it is.

        Raises ``RecordingError`` when the file has become unreadable or shorter since.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                yield from self._cut(file, samples * BYTES_PER_SAMPLE[self.encoding])
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def _cut(self, file: BinaryIO, chunk_bytes: int) -> Iterator[bytes]:
        left = self.size
        while left:
            chunk = file.read(min(chunk_bytes, left))
            if not chunk:
                raise RecordingError(f"{self.path} became shorter while it was being sent")
            left -= len(chunk)
            yield chunk


@dataclass(frozen=True, slots=True)
class _Format:
    """What a ``fmt`` chunk says."""

    code: int
    channels: int
    sample_rate: int
    bits: int

    def __str__(self) -> str:
        return f"{self.bits}-bit {FORMAT_NAMES.get(self.code, f'format 0x{self.code:04x}')}"


def read_recording(path: Path) -> Recording:
    """What is in the WAV file; raises ``RecordingError`` that says what to do."""
    if path.exists() and not path.is_file():
        raise RecordingError(f"{path} is not a file")
    try:
        with path.open("rb") as file:
            return _read(path, file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> RecordingError:
    return RecordingError(f"{path} cannot be read: {error.strerror or error}")


def _read(path: Path, file: BinaryIO, file_size: int) -> Recording:
    _check_magic(path, file.read(12))
    found: _Format | None = None
    for _ in range(CHUNKS_BEFORE_AUDIO):
        name, size = _chunk_header(path, file)
        start = file.tell()
        if name == b"fmt ":
            found = _read_format(path, file.read(min(size, 40)))
        if name == b"data":
            if found is None:
                raise RecordingError(f"{path} is not a proper WAV file: no format before the audio")
            return _recording(path, found, start, _audio_size(path, size, file_size - start))
        file.seek(start + size + size % 2)
    raise RecordingError(f"{path} has no audio in its first {CHUNKS_BEFORE_AUDIO} chunks")


def _check_magic(path: Path, head: bytes) -> None:
    if head[:4] in {b"RF64", b"RIFX"}:
        kind = head[:4].decode()
        raise NotSamples(f"{path} is a WAV file of kind {kind}, not RIFF. {_advice(path)}")
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise NotSamples(f"{path} is not a WAV file. {_advice(path)}")


def _chunk_header(path: Path, file: BinaryIO) -> tuple[bytes, int]:
    header = file.read(8)
    if len(header) < 8:
        raise RecordingError(f"{path} is cut short: it ends before its audio begins")
    return header[:4], int.from_bytes(header[4:], "little")


def _read_format(path: Path, chunk: bytes) -> _Format:
    if len(chunk) < 16:
        raise RecordingError(f"{path} is not a proper WAV file: its format chunk is too short")
    code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if code == EXTENSIBLE and len(chunk) >= 26:
        code = int.from_bytes(chunk[24:26], "little")
    return _Format(code, channels, rate, bits)


def _audio_size(path: Path, stated: int, there: int) -> int:
    if stated <= there:
        return stated
    if stated >= UNKNOWN_LENGTH:
        return there
    raise RecordingError(
        f"{path} is cut short: its header promises {stated} bytes of audio, {there} are there"
    )


def _recording(path: Path, found: _Format, offset: int, size: int) -> Recording:
    encoding = ENCODINGS.get((found.code, found.bits))
    if encoding is None:
        raise NotSamples(
            f"{path} has {found} samples; 16-bit PCM, 32-bit float, 8-bit A-law and µ-law can be "
            "sent. " + _advice(path)
        )
    if found.channels != 1:
        raise NotSamples(
            f"{path} has {found.channels} channels; this version sends one. {_advice(path)}"
        )
    if found.sample_rate not in RATES:
        raise NotSamples(
            f"{path} has {found.sample_rate} samples a second; 8000 to 48000 can be sent. "
            + _advice(path, "-ar 16000 ")
        )
    size -= size % BYTES_PER_SAMPLE[encoding]
    if not size:
        raise RecordingError(f"{path} has no audio in it")
    return Recording(path, encoding, found.sample_rate, offset, size)


def _advice(path: Path, more: str = "") -> str:
    return f"Convert it: ffmpeg -i {path.name} -ac 1 {more}-c:a pcm_s16le mono.wav"
