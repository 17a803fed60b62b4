"""What readers make of a file: its head, and packets for a codec."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Head:
    """All that has to be known of a file to go on in the middle of it.

    ``opening`` holds the bytes that a demuxer reads before any packet. ``block`` is the bytes of
    one sample of PCM in all channels.
    """

    container: str
    codec: str
    sample_rate: int = 0
    channels: int = 0
    extradata: bytes = b""
    opening: bytes = b""
    block: int = 0


@dataclass(frozen=True, slots=True)
class Packet:
    """What a codec decodes at once.

    A reader that begins at byte ``start`` of the file finds it again; ``clock`` and ``audio_end``
    are what it has to know there: the container's own time, and where the samples end. ``time``
    counts samples from the container's own zero, where the container has a clock. ``missing``
    samples are lost before this packet. The first ``priming`` samples are the encoder's.
    """

    start: int
    payload: bytes
    missing: int = 0
    priming: int = 0
    time: int | None = None
    duration: int = 0
    clock: int = 0
    audio_end: int | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A reader is at work without a result yet; other streams may have their turn."""


Parsed: TypeAlias = Head | Packet | Pause
Parsing: TypeAlias = Generator[Parsed | None, None, None]
"""Nothing means that more bytes are needed."""
