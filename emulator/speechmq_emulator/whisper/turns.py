"""Whose turn it is to decode: sessions share the cores. Pure; ``gate`` makes threads wait.

A decode for finals has a deadline on its session's own clock, which never runs behind the
wall and moves on by the audio that was decoded. A session in real time stays near now; one
that sends a file faster runs ahead, and gets what the others leave. Decodes for partials
wait for nothing: they take place while a core is free and no final waits.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

_STILL_WANTED = 0.5
"""A session that wants a partial asks again within so many seconds."""


@dataclass(slots=True)
class Turns:
    """``cores`` decodes at once. Times are seconds by the caller's clock."""

    cores: int
    _running: int = 0
    _clocks: dict[Hashable, float] = field(default_factory=dict)
    _waiting: dict[Hashable, float] = field(default_factory=dict)
    _shown: dict[Hashable, float] = field(default_factory=dict)
    _denied: dict[Hashable, float] = field(default_factory=dict)

    def ask(self, session: Hashable, audio: float, now: float) -> None:
        """The session wants a decode for finals, of ``audio`` seconds more than its last one."""
        deadline = max(self._clocks.get(session, now), now) + audio
        self._clocks[session] = deadline
        self._waiting[session] = deadline

    def take(self, session: Hashable) -> bool:
        """Whether the session's decode begins now; it holds a core until ``give_back``."""
        if self._running >= self.cores:
            return False
        ahead = sorted(self._waiting, key=self._waiting.__getitem__)
        if session not in ahead[: self.cores - self._running]:
            return False
        del self._waiting[session]
        self._running += 1
        return True

    def take_preview(self, session: Hashable, now: float) -> bool:
        """Whether a decode for partials begins now: the one shown longest ago comes first."""
        if self._running >= self.cores or self._waiting:
            self._denied[session] = now
            return False
        if self._longer_unshown(session, now) >= self.cores - self._running:
            self._denied[session] = now
            return False
        self._denied.pop(session, None)
        self._shown[session] = now
        self._running += 1
        return True

    def _longer_unshown(self, session: Hashable, now: float) -> int:
        """How many others were shown longer ago and were denied a moment ago."""
        mine = self._shown.get(session, 0.0)
        return sum(
            one != session and now - at <= _STILL_WANTED and self._shown.get(one, 0.0) < mine
            for one, at in self._denied.items()
        )

    def give_back(self) -> None:
        """A decode has ended."""
        self._running -= 1

    def leave(self, session: Hashable) -> None:
        """The session is over."""
        for known in (self._clocks, self._waiting, self._shown, self._denied):
            known.pop(session, None)
