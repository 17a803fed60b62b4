"""The deadlines of a stream; the shell arms one timer for the earliest."""

from __future__ import annotations

from enum import Enum


class Timer(Enum):
    """What a deadline is about."""

    __hash__ = object.__hash__  # by identity, as they compare; that of Enum takes its time

    START = "start"
    RETRY = "retry"
    HOLE = "hole"
    IDLE = "idle"
    ANSWER = "answer"
    END = "end"
    ROLLOVER = "rollover"
    STANDBY = "standby"
    SWITCH = "switch"
    SUSPEND = "suspend"
    SPEAKERS = "speakers"
    COALESCE = "coalesce"
    DECODE = "decode"
    PACE = "pace"


# What a session is due for as long as it may hear more.
HEARING_TIMERS = (
    Timer.ROLLOVER,
    Timer.STANDBY,
    Timer.SWITCH,
    Timer.SUSPEND,
    Timer.SPEAKERS,
    Timer.COALESCE,
)
# What a session owes or is due for; they end with it.
SESSION_TIMERS = (Timer.START, Timer.ANSWER, Timer.END, *HEARING_TIMERS)


class Timers:
    """Each timer runs at most once at a time; setting it again moves it."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due: dict[Timer, float] = {}

    def __contains__(self, timer: Timer) -> bool:
        return timer in self._due

    @property
    def deadline(self) -> float | None:
        return min(self._due.values(), default=None)

    def set(self, timer: Timer, due: float) -> None:
        self._due[timer] = due

    def stop(self, *timers: Timer) -> None:
        for timer in timers:
            self._due.pop(timer, None)

    def clear(self) -> None:
        self._due.clear()

    def take_due(self, now: float) -> Timer | None:
        """The earliest timer that is due, which it stops."""
        timer = min(self._due, key=self._due.__getitem__, default=None)
        if timer is None or self._due[timer] > now:
            return None
        del self._due[timer]
        return timer
