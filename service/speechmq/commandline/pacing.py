"""When audio is sent, and when it was. Pure: times come in, times come out, in seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Times on events are rounded; a position a hair behind a chunk's end still belongs to that chunk.
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Schedule:
    """An absolute timetable: a chunk that was late makes no later one late."""

    start: float
    chunk_seconds: float
    speed: float = 1.0

    def due(self, n: int) -> float:
        """When chunk ``n`` (from 0) is to be sent."""
        return self.start + n * self.chunk_seconds / self.speed


class SendTimes:
    """When each chunk was really handed over, to be asked by the audio's position."""

    def __init__(self, chunk_seconds: float) -> None:
        self._chunk_seconds = chunk_seconds
        self._times: list[float] = []

    def __len__(self) -> int:
        return len(self._times)

    def note(self, at: float) -> None:
        """The next chunk was sent."""
        self._times.append(at)

    def sent_at(self, position: float) -> float | None:
        """When the audio just before ``position`` was sent; ``None`` before any was.

        A position behind the audio counts as its end: recognisers round up.
        """
        if not self._times:
            return None
        n = math.ceil(position / self._chunk_seconds - ROUNDING) - 1
        return self._times[min(max(n, 0), len(self._times) - 1)]
