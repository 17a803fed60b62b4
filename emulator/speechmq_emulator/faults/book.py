"""The faults of a running server: those planned, the sessions that meet them, and what fired."""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Response

from speechmq_emulator.faults.course import Course
from speechmq_emulator.faults.fault import Fault, FaultError, Moment, Quota
from speechmq_emulator.faults.grammar import parse, write
from speechmq_emulator.faults.handshake import stand_in
from speechmq_emulator.faults.plan import Drawn, FaultPlan, Planned
from speechmq_emulator.faults.socket import FaultySocket

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Fired:
    """A fault that acted. ``at`` is a time of the book's clock, in seconds."""

    fault: int
    text: str
    session: int
    """The index of the connection: how many had been admitted before."""
    session_id: str | None
    """None at the handshake."""
    audio_seconds: float
    at: float


@dataclass(frozen=True, slots=True)
class LiveSession:
    id: str
    index: int
    language: str | None
    audio_seconds: float
    recognising: bool
    since: datetime


class FaultBook:
    """Used from the event loop that the server runs in.

    ``clock`` gives the times of ``fired``.
    """

    def __init__(
        self,
        faults: Iterable[str | Fault] = (),
        *,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = FaultPlan(map(_fault, faults), seed=seed)
        self._clock = clock
        self._connections = 0
        self._courses: WeakKeyDictionary[ServerConnection, Course] = WeakKeyDictionary()
        self._sockets: dict[str, FaultySocket] = {}
        self._stuck: set[ServerConnection] = set()
        self._fired: deque[Fired] = deque(maxlen=_REMEMBERED)

    @property
    def seed(self) -> int:
        return self._plan.seed

    @property
    def planned(self) -> list[Planned]:
        return self._plan.faults

    @property
    def fired(self) -> tuple[Fired, ...]:
        """The newest 10,000, oldest first."""
        return tuple(self._fired)

    @property
    def sessions(self) -> tuple[LiveSession, ...]:
        return tuple(_view(socket) for socket in self._sockets.values())

    @property
    def recognising(self) -> int:
        """Live sessions that have asked to start, and that no fault has ended."""
        return sum(socket.recognising for socket in self._sockets.values())

    @property
    def quota(self) -> int | None:
        """The smallest of the quotas that are planned."""
        actions = [planned.fault.action for planned in self._plan.faults]
        return min((a.sessions for a in actions if isinstance(a, Quota)), default=None)

    def add(self, fault: str | Fault) -> Planned:
        """Plan a fault for the sessions to come; one with ``now`` acts on those that live.

        Raises:
            FaultError: the text is no fault.
        """
        planned = self._plan.add(_fault(fault))
        if planned.fault.trigger is Moment.NOW:
            for socket in tuple(self._sockets.values()):
                self._strike(planned, socket)
        return planned

    def strike(self, session_id: str, fault: str | Fault) -> Planned:
        """Let one live session meet a fault: at once, unless it waits for something.

        Raises:
            FaultError: the text is no fault, or one that a live session can not meet.
            KeyError: no session of this id is live.
        """
        socket, struck = self._sockets[session_id], _fault(fault)
        if struck.trigger in (Moment.HANDSHAKE, Moment.RECOGNITION):
            raise FaultError(f"{write(struck)!r} comes too late for a session that is live")
        planned = self._plan.add_for_one(struck)
        if isinstance(struck.trigger, Moment):
            self._strike(planned, socket)
        elif (drawn := self._plan.draw_one(planned, socket.course.index)) is not None:
            socket.course.arm(drawn)
        return planned

    def remove(self, number: int) -> bool:
        """Withdraw a fault: it begins nowhere any more, but goes on where it has begun."""
        return self._plan.withdraw(number)

    def clear(self) -> None:
        """Withdraw all faults."""
        for planned in self._plan.faults:
            self._plan.withdraw(planned.number)

    async def admit(self, connection: ServerConnection, *, language: str | None) -> Response | None:
        """Do the faults of the handshake of a request that is in order; None lets it pass.

        Cancelled, the handshake is given up by who cancels.
        """
        course = self._courses[connection] = self._course(language)
        for drawn in course.handshake():
            if self.enter(drawn, course, None):
                with self.stuck(connection):
                    response = await stand_in(connection, drawn.fault.action)
                if response is not None:
                    return response
        return None

    @asynccontextmanager
    async def attend(
        self, connection: ServerConnection, session_id: str
    ) -> AsyncIterator[FaultySocket]:
        """The socket of a session whose handshake is done."""
        course = self._courses.pop(connection, None) or self._course(None)
        socket = FaultySocket(connection, course, self, session_id)
        self._sockets[session_id] = socket
        try:
            async with socket.attended():
                yield socket
        finally:
            del self._sockets[session_id]

    def end(self) -> None:
        """The server stops: reset the connections that would not notice."""
        for connection in self._stuck:
            connection.transport.abort()

    def enter(self, drawn: Drawn, course: Course, session_id: str | None) -> bool:
        if not drawn.planned.claim():
            return False
        fault, text = drawn.planned.number, write(drawn.fault)
        seconds, now = course.audio_seconds, self._clock()
        self._fired.append(Fired(fault, text, course.index, session_id, seconds, now))
        return True

    @contextmanager
    def stuck(self, connection: ServerConnection) -> Iterator[None]:
        """For as long as the connection takes no notice of anything."""
        self._stuck.add(connection)
        try:
            yield
        finally:
            self._stuck.discard(connection)

    def _course(self, language: str | None) -> Course:
        index, self._connections = self._connections, self._connections + 1
        return Course(index, self._plan.draw(index), language=language)

    def _strike(self, planned: Planned, socket: FaultySocket) -> None:
        drawn = self._plan.draw_one(planned, socket.course.index)
        wanted = planned.fault.selection.language
        if drawn is not None and wanted in (None, socket.course.language):
            socket.strike(drawn)


def _fault(fault: str | Fault) -> Fault:
    return parse(fault) if isinstance(fault, str) else fault


def _view(socket: FaultySocket) -> LiveSession:
    course = socket.course
    return LiveSession(
        socket.id,
        course.index,
        course.language,
        course.audio_seconds,
        socket.recognising,
        socket.since,
    )
