"""What decoding gives, and where in a file it can begin again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """``skip`` bytes into chunk ``seq``, which is byte ``offset`` of the file. The first sample
    belongs ``lead`` samples behind where the unit's audio is put, and the packet before gave
    ``before``."""

    seq: int
    skip: int = 0
    lead: int = 0
    offset: int = 0
    before: int = 0


@dataclass(frozen=True, slots=True)
class Decoded:
    """Samples, ``pcm_s16le``; who needs them again has to begin with ``unit``. Without any it is
    only a pause."""

    audio: bytes
    unit: Unit | None
