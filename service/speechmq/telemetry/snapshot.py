"""The worker's numbers at one moment, in one value: whoever reads it may be in another thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .reading import Reading
from .totals import Totals


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``lag``, in seconds of audio, and ``unacknowledged_age``, in seconds, are those of the stream
    that is worst off. ``quotas`` are the sessions of each account,
    in use and at most. What is not known is nothing."""

    totals: Totals = field(default_factory=Totals)
    states: Mapping[str, int] = field(default_factory=dict)
    lag: float = 0.0
    unacknowledged_bytes: int = 0
    unacknowledged_age: float = 0.0
    waiting: int | None = None
    quotas: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    is_ready: bool = False
    dead_letters: Mapping[str, int] = field(default_factory=dict)


def sum_up(past: Totals, readings: Iterable[Reading], **known: Any) -> Snapshot:
    """``past`` is of streams that are gone; ``known`` are the other fields of the snapshot."""
    now = tuple(readings)
    totals = past
    for reading in now:
        totals = totals.plus(reading)
    return Snapshot(
        totals,
        Counter(reading.state for reading in now),
        max((reading.lag for reading in now), default=0.0),
        sum(reading.unacknowledged_bytes for reading in now),
        max((reading.unacknowledged_age for reading in now), default=0.0),
        **known,
    )
