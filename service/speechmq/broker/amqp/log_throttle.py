"""How often a loss that lasts is logged: at once, then at growing intervals. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ...backoff import backoff

# Seconds from the first log line to the next, doubled each time.
FIRST_SILENCE, LONGEST_SILENCE = 5.0, 300.0


class LogThrottle:
    """Of one thing that is there or lost."""

    def __init__(self) -> None:
        self._silences: Iterator[float] = iter(())
        self._quiet_until: float | None = None

    def allows(self, now: float) -> bool:
        """Whether to log that it is lost, or is still lost; ``now`` is any clock's, in seconds."""
        if self._quiet_until is None:
            self._silences = backoff(FIRST_SILENCE, LONGEST_SILENCE)
        elif now < self._quiet_until:
            return False
        self._quiet_until = now + next(self._silences)
        return True

    def reset(self) -> None:
        """It is back; the next loss is logged at once."""
        self._quiet_until = None
