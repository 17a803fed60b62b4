"""How often a loss that lasts is told of: at once, then seldomer and seldomer. Pure."""

from __future__ import annotations

# Seconds from the first telling to the next, doubled each time.
FIRST_SILENCE, LONGEST_SILENCE = 5.0, 300.0


class Outage:
    """One thing that is there or lost."""

    def __init__(self) -> None:
        self._silence = 0.0
        self._told = 0.0

    def is_news(self, now: float) -> bool:
        """Whether to tell that it is lost, or is still lost; ``now`` is any clock's, in seconds."""
        if self._silence and now - self._told < self._silence:
            return False
        self._silence = min(LONGEST_SILENCE, self._silence * 2) or FIRST_SILENCE
        self._told = now
        return True

    def over(self) -> None:
        """It is back; the next loss is news."""
        self._silence = 0.0
