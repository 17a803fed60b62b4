"""When a session must be warned or ended for taking too long, and in which words."""

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
        told = self._session_due(now)
        if listening:
            told += self._idle_due(now) + self._contact_due(now)
        ends = [index for index, one in enumerate(told) if isinstance(one, Refusal)]
        return told[: ends[0] + 1] if ends else told

    def _session_due(self, now: float) -> list[Message | Refusal]:
        told: list[Message | Refusal] = []
        for left in self._session.passed(now):
            active = f"session has been active for {self._session.elapsed(left)}m"
            if left:
                reason = f"Session will timeout in {left}m due to max duration, {active}"
                told.append(replies.warning(WarningType.SESSION_TIMEOUT, reason))
            else:
                reason = f"Session timed out due to max duration, {active}"
                told.append(Refusal(ErrorType.SESSION_TIMEOUT, reason))
        return told

    def _idle_due(self, now: float) -> list[Message | Refusal]:
        told: list[Message | Refusal] = []
        for left in self._idle.passed(now):
            quiet = f"no audio sent within the last {self._idle.elapsed(left)}m"
            if left:
                reason = f"Session will timeout in {left}m due to inactivity, {quiet}"
                told.append(replies.warning(WarningType.IDLE_TIMEOUT, reason))
            else:
                reason = f"Session timed out due to inactivity, {quiet}"
                told.append(Refusal(ErrorType.IDLE_TIMEOUT, reason))
        return told

    def _contact_due(self, now: float) -> list[Message | Refusal]:
        if not self._contact.passed(now):
            return []
        lost = f"no audio or ping sent within the last {self._contact.elapsed(0)}m"
        reason = f"Session timed out due to inactivity, {lost}"
        return [Refusal(ErrorType.IDLE_TIMEOUT, reason)]
