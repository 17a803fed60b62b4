"""What parsers make of a file: its head, and packets for a codec."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias

from .source import Source


@dataclass(frozen=True, slots=True)
class Head:
    """All that has to be known of a file to go on in the middle of it.

    ``priming`` counts the samples at its very beginning that are the encoder's, not the sound's.
    ``block`` is the bytes of one sample of PCM in all channels, ``audio_end`` where it ends in the
    file; ``track`` which of several is heard, ``sample_size`` what its fragments leave out.
    """

    container: str
    codec: str
    sample_rate: int = 0
    channels: int = 0
    extradata: bytes = b""
    priming: int = 0
    block: int = 0
    audio_end: int | None = None
    track: int = 0
    sample_size: int = 0


@dataclass(frozen=True, slots=True)
class Packet:
    """What a codec decodes at once; ``start`` is where in the file a parser has to begin to come
    by it again; ``missing`` how many samples were damaged beyond finding behind it."""

    start: int
    payload: bytes
    missing: int = 0


Parsing: TypeAlias = Generator[Head | Packet | None, None, None]


@dataclass(frozen=True, slots=True)
class Container:
    """How to read one kind of file.

    ``read`` reads from the first byte. ``resume`` goes on where a packet starts; with false for its
    third argument, somewhere: it has to find the next.
    """

    name: str
    read: Callable[[Source], Parsing]
    resume: Callable[[Source, Head, bool], Parsing]
