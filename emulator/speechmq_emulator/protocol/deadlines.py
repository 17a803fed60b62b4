"""When a session must be warned or ended for taking too long, and in which words."""

from dataclasses import dataclass, replace

from speechmq_emulator.protocol import replies
from speechmq_emulator.protocol.errors import ErrorType, Refusal, WarningType
from speechmq_emulator.protocol.limits import (
    IDLE_WARNINGS,
    SESSION_WARNINGS,
    Countdown,
    Limits,
)
from speechmq_emulator.protocol.replies import Message


class Deadlines:
    """The limits on a session's length, on time without audio and on time without contact.

    ``listening`` tells whether audio is expected: the client has not ended its stream, and
    the engine has taken all that came. A client that waits for room is not idle.
    """

    def __init__(self, limits: Limits) -> None:
        scale = limits.time_scale
        self._session = Countdown(limits.session, SESSION_WARNINGS, time_scale=scale)
        self._idle = Countdown(limits.idle, IDLE_WARNINGS, time_scale=scale)
        self._contact = Countdown(limits.contact, time_scale=scale)

    def started(self, now: float) -> None:
        self._session.restart(now)
        self.audio(now)

    def audio(self, now: float) -> None:
        """Audio came, or the engine took it."""
        self._idle.restart(now)
        self._contact.restart(now)

    def contact(self, now: float) -> None:
        """A ping or a pong came."""
        if self._contact.deadline is not None:
            self._contact.restart(now)

    def next(self, *, listening: bool) -> float | None:
        running = [self._session, self._idle, self._contact] if listening else [self._session]
        deadlines = [one.deadline for one in running if one.deadline is not None]
        return min(deadlines, default=None)

    def due(self, now: float, *, listening: bool) -> list[Message | Refusal]:
        """The warnings whose time has come, and behind them the end if a limit is reached."""
        told = _told(self._session, now, _SESSION)
        if listening:
            told += _told(self._idle, now, _IDLE) + _told(self._contact, now, _CONTACT)
        ends = [index for index, one in enumerate(told) if isinstance(one, Refusal)]
        return told[: ends[0] + 1] if ends else told


@dataclass(frozen=True, slots=True)
class _Words:
    """``cause`` is followed by the minutes that have passed."""

    warning: WarningType
    error: ErrorType
    cause: str


_SESSION = _Words(
    WarningType.SESSION_TIMEOUT,
    ErrorType.SESSION_TIMEOUT,
    "max duration, session has been active for",
)
_IDLE = _Words(
    WarningType.IDLE_TIMEOUT,
    ErrorType.IDLE_TIMEOUT,
    "inactivity, no audio sent within the last",
)
_CONTACT = replace(_IDLE, cause="inactivity, no audio or ping sent within the last")


def _told(countdown: Countdown, now: float, words: _Words) -> list[Message | Refusal]:
    told: list[Message | Refusal] = []
    for left in countdown.passed(now):
        cause = f"due to {words.cause} {countdown.elapsed(left)}m"
        if left:
            reason = f"Session will timeout in {left}m {cause}"
            told.append(replies.warning(words.warning, reason))
        else:
            told.append(Refusal(words.error, f"Session timed out {cause}"))
    return told
