"""How fast a stream may be read. Pure.

A stream that sends more than its share is refused nothing: what it has sent is acknowledged later,
so that the broker, which has a bounded number of messages under way to a worker, brings the rest
more slowly. It costs no other stream more than the share.
"""

from __future__ import annotations

from ..values.spec import Limits

# Its copy in the dead-letter queue waits for a confirm of the broker, and a warning is published.
REFUSAL = 10
"""Messages that a refused one counts as."""

SHORTEST_WAIT = 0.001
"""Seconds. A stream that is overdrawn by less is not slowed, so it may be this much ahead of its
share. The bucket stays overdrawn meanwhile, so the excess does not add up."""


class Bucket:
    """Fills at ``rate`` a second up to what it gets in ``burst`` seconds, and may be overdrawn."""

    __slots__ = ("_at", "_level", "_most", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._most = self._level = rate * burst
        self._at = now

    def take(self, amount: float, now: float) -> None:
        # May be overdrawn: what has come has come, and only the next acknowledgement can wait.
        self._fill(now)
        self._level -= amount

    def wait(self, now: float) -> float:
        """Seconds until nothing is overdrawn; 0 below ``SHORTEST_WAIT``."""
        self._fill(now)
        wait = -self._level / self._rate
        # What only rounding leaves overdrawn would end at a time that is not later than now.
        return wait if wait > SHORTEST_WAIT else 0.0

    def _fill(self, now: float) -> None:
        self._level = min(self._most, self._level + (now - self._at) * self._rate)
        self._at = now


class Pace:
    """One stream's share: so many messages a second, and so many bytes."""

    __slots__ = ("_bytes", "_messages")

    def __init__(self, limits: Limits, now: float) -> None:
        self._messages = Bucket(limits.max_message_rate, limits.rate_burst, now)
        self._bytes = Bucket(limits.max_byte_rate, limits.rate_burst, now)

    def came(self, size: int, now: float) -> None:
        self._messages.take(1, now)
        self._bytes.take(size, now)

    def refused(self, now: float) -> None:
        """One that had come."""
        self._messages.take(REFUSAL - 1, now)

    def wait(self, now: float) -> float:
        """Seconds until the stream has not had more than its share."""
        return max(self._messages.wait(now), self._bytes.wait(now))
