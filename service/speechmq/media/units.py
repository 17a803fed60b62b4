"""What decoding gives, and where in a file it can begin again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """``skip`` bytes into chunk ``seq``, which is byte ``offset`` of the stream. The first sample
    belongs ``lead`` samples after the place where the unit's audio is put, and the packet before
    gave ``before``.

    ``head`` is the number of the head that describes the file there; without one a file begins
    there. ``clock`` and ``audio_end`` are those of the unit's first packet.
    """

    seq: int
    skip: int = 0
    lead: int = 0
    offset: int = 0
    before: int = 0
    head: int | None = None
    clock: int = 0
    audio_end: int | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """Samples, ``pcm_s16le``; who needs them again has to begin with ``unit``. Without any it is
    only a pause."""

    audio: bytes
    unit: Unit | None
