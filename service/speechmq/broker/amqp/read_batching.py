"""Decides when to read a connection again: at once, or a little later, many messages together.

A message that is read alone costs a wake-up, a system call and cold caches. Messages that are read
together share that cost. A batch of long chunks may wait longer than one of short chunks: a
publisher of 20 ms chunks asks for a shorter delay than a publisher of 100 ms chunks.

Gain, of the read path alone at 2,000 messages of 3,200 bytes a second: 57 us of CPU a message with
4 ms from one read to the next, 70 us with 0.8 ms, 89 us without batching (``bench/RESULTS.md``).
"""

from __future__ import annotations

WINDOW = 0.1
"""Seconds over which the rate of messages and their size are measured."""
BUSY, QUIET = 500.0, 400.0
"""Messages a second: batching begins above the first and ends below the second."""
BATCH_PER_BYTE = 1.25e-6
"""Seconds from one read to the next, for each byte of a message: 4 ms for 100 ms of audio."""
SHORTEST_BATCH, LONGEST_BATCH = 0.0008, 0.004
LEAST = 0.0005
"""A wait that is shorter is not worth its timer."""


class ReadBatching:
    """Of one connection. Times are seconds of one monotonic clock."""

    __slots__ = ("_batch", "_bytes", "_messages", "_next_at", "_since")

    def __init__(self, now: float) -> None:
        self._batch = 0.0
        self._next_at = self._since = now
        self._messages = self._bytes = 0

    def wait(self, now: float) -> float:
        """Seconds to wait before the next read."""
        wait = self._next_at - now
        return wait if wait > LEAST else 0.0

    def has_read(self, now: float, *, messages: int, size: int, is_full: bool) -> None:
        """``messages`` with bodies of ``size`` bytes in all have come since the last call.
        ``is_full``: there may be more to read."""
        self._messages += messages
        self._bytes += size
        if now - self._since >= WINDOW:
            self._batch = self._measured(now)
            self._since, self._messages, self._bytes = now, 0, 0
        self._next_at = now if is_full else now + self._batch

    def _measured(self, now: float) -> float:
        """Seconds from one read to the next; 0.0 while the connection is quiet."""
        rate = self._messages / (now - self._since)
        if rate <= (QUIET if self._batch else BUSY):
            return 0.0
        wanted = BATCH_PER_BYTE * self._bytes / self._messages
        return min(max(wanted, SHORTEST_BATCH), LONGEST_BATCH)
