"""What is known of an account's sessions: how many it may have, how many it has. Pure.

Upstream tells both at the start of each session, and refuses what is too many. While the account is
full, another try would only cost a connection. A limit of our own holds for this worker alone.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import AccountFull

HOLD = 5.0
"""Seconds for which a full account is believed to stay full, unless a session of ours ends."""


class Account:
    """``usage`` and ``quota`` count sessions, ours and others'; nothing until upstream tells.

    ``sessions`` are this worker's own, from before they connect to behind their end; ``limit`` is
    how many it may have.
    """

    def __init__(
        self, clock: Callable[[], float], *, name: str = "default", limit: int | None = None
    ) -> None:
        self._clock = clock
        self._full_until = float("-inf")
        self.name = name
        self.limit = limit
        self.sessions = 0
        self.usage: float | None = None
        self.quota: float | None = None

    @property
    def is_full(self) -> bool:
        return self._clock() < self._full_until or self._is_at_limit

    @property
    def _is_at_limit(self) -> bool:
        return self.limit is not None and self.sessions >= self.limit

    def enter(self) -> None:
        """A session is to be opened. Raises ``AccountFull`` if there is no room for it."""
        if self._is_at_limit:
            raise AccountFull(f"this worker's {self.limit} sessions of credential {self.name!r}")
        if self.is_full:
            known = "" if self.quota is None else f" ({self.usage:.0f} of {self.quota:.0f})"
            raise AccountFull(f"the concurrent sessions of credential {self.name!r}{known}")
        self.sessions += 1

    def told(self, usage: float, quota: float) -> None:
        """``usage`` counts the session in which it was told."""
        self.usage, self.quota = usage, quota
        if usage >= quota:
            self.refused()

    def refused(self) -> None:
        """Upstream took no further session."""
        self._full_until = self._clock() + HOLD

    def leave(self, *, began: bool) -> None:
        """One of our sessions is over. If it had begun, there is room for another now; one that
        never began leaves no room behind."""
        self.sessions -= 1
        if began:
            self._full_until = float("-inf")
