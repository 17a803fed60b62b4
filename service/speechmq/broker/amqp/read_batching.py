"""Decides when to read a connection again: at once, or a little later, many messages together.

A message that is read alone costs a wake-up, a system call and cold caches. Messages that are read
together share that cost.
"""

from __future__ import annotations

WINDOW = 0.1
"""Seconds over which the rate of messages is measured."""
BUSY, QUIET = 500.0, 400.0
"""Messages a second: batching begins above the first and ends below the second."""
BATCH = 0.004
"""Seconds from one read to the next."""
LEAST = 0.0005
"""A wait that is shorter is not worth its timer."""


class ReadBatching:
    """Of one connection. Times are seconds of one monotonic clock."""

    __slots__ = ("_count", "_is_busy", "_next_at", "_since")

    def __init__(self, now: float) -> None:
        self._is_busy = False
        self._next_at = self._since = now
        self._count = 0

    def wait(self, now: float) -> float:
        """Seconds to wait before the next read."""
        wait = self._next_at - now
        return wait if wait > LEAST else 0.0

    def has_read(self, now: float, *, messages: int, is_full: bool) -> None:
        """``messages`` have come since the last call. ``is_full``: there may be more to read."""
        self._count += messages
        if now - self._since >= WINDOW:
            rate = self._count / (now - self._since)
            self._is_busy = rate > (QUIET if self._is_busy else BUSY)
            self._since, self._count = now, 0
        self._next_at = now + BATCH if self._is_busy and not is_full else now
