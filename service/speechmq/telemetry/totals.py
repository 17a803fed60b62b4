"""Sums over streams that only ever grow."""

from __future__ import annotations

from dataclasses import dataclass

from .reading import Reading


@dataclass(frozen=True, slots=True)
class Totals:
    """Seconds of audio, and counts."""

    received: float = 0.0
    sent: float = 0.0
    replayed: float = 0.0
    finalised: float = 0.0
    gaps: float = 0.0
    duplicates: int = 0
    retries: int = 0

    def plus(self, reading: Reading) -> Totals:
        return Totals(
            self.received + reading.received,
            self.sent + reading.sent,
            self.replayed + reading.replayed,
            self.finalised + reading.finalised,
            self.gaps + reading.gaps,
            self.duplicates + reading.duplicates,
            self.retries + reading.retries,
        )
