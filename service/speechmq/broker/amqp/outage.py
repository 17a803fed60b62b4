"""How often a loss that lasts is told of: at once, then seldomer and seldomer. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ...backoff import backoff

# Seconds from the first telling to the next, doubled each time.
FIRST_SILENCE, LONGEST_SILENCE = 5.0, 300.0


class Outage:
    """One thing that is there or lost."""

    def __init__(self) -> None:
        self._silences: Iterator[float] = iter(())
        self._quiet_until: float | None = None

    def is_news(self, now: float) -> bool:
        """Whether to tell that it is lost, or is still lost; ``now`` is any clock's, in seconds."""
        if self._quiet_until is None:
            self._silences = backoff(FIRST_SILENCE, LONGEST_SILENCE)
        elif now < self._quiet_until:
            return False
        self._quiet_until = now + next(self._silences)
        return True

    def over(self) -> None:
        """It is back; the next loss is news."""
        self._quiet_until = None
