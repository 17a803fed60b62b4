"""What is known of the account's sessions: how many it may have, how many it has. Pure.

Upstream tells both at the start of each session, and refuses what is too many. While the account is
full, another try would only cost a connection.
"""

from __future__ import annotations

from collections.abc import Callable

HOLD = 5.0
"""Seconds for which a full account is believed to stay full, unless a session of ours ends."""


class Account:
    """``usage`` and ``quota`` count sessions, ours and others'; nothing until upstream tells."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._full_until = float("-inf")
        self.usage: float | None = None
        self.quota: float | None = None

    @property
    def is_full(self) -> bool:
        return self._clock() < self._full_until

    def told(self, usage: float, quota: float) -> None:
        """``usage`` counts the session in which it was told."""
        self.usage, self.quota = usage, quota
        if usage >= quota:
            self.refused()

    def refused(self) -> None:
        """Upstream took no further session."""
        self._full_until = self._clock() + HOLD

    def left(self) -> None:
        """One of our sessions is over, so there is room for another."""
        self._full_until = float("-inf")
