"""Builders of WAV files, proper and improper."""

from __future__ import annotations

import struct
from pathlib import Path

PCM, FLOAT, ALAW, MULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE


def riff(*chunks: bytes, magic: bytes = b"RIFF") -> bytes:
    """A whole file out of its chunks."""
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack("<I", min(len(body), 2**32 - 1)) + body


def chunk(name: bytes, body: bytes, stated_size: int | None = None) -> bytes:
    """One chunk, padded to an even length; its header may lie about the size."""
    size = len(body) if stated_size is None else stated_size
    return name + struct.pack("<I", size) + body + b"\0" * (len(body) % 2)


def fmt(
    code: int = PCM, *, channels: int = 1, rate: int = 16_000, bits: int = 16, extra: bytes = b""
) -> bytes:
    """A format chunk."""
    frame = channels * bits // 8
    numbers = struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, bits)
    return chunk(b"fmt ", numbers + extra)


def write_wav(path: Path, samples: bytes, *, rate: int = 16_000) -> Path:
    """A proper 16-bit mono file."""
    path.write_bytes(riff(fmt(rate=rate), chunk(b"data", samples)))
    return path
