"""The man in the middle: offers what ``Connection`` uses of a socket, and does the faults.

Decides nothing: ``Course`` tells what is due, ``Backlog`` what is kept back. Without a fault
everything passes in order and at once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol, assert_never

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK
from websockets.http11 import Request

from speechmq_emulator.faults import wire
from speechmq_emulator.faults.backlog import END, Backlog
from speechmq_emulator.faults.course import Course, name_of
from speechmq_emulator.faults.fault import (
    Action,
    Close,
    Delay,
    Drop,
    Garbage,
    Hang,
    Oversize,
    Quota,
    Refuse,
    SendError,
    SendWarning,
    Silence,
    Slow,
    Unknown,
    Withhold,
)
from speechmq_emulator.faults.forgeries import error, forged, with_quota
from speechmq_emulator.faults.plan import Drawn
from speechmq_emulator.protocol.errors import CLOSE_NORMALLY, ErrorType, close_code

# Begun only where it is run: what is cancelled before that leaves nothing behind.
Work = Callable[[], Coroutine[Any, Any, None]]


class Books(Protocol):
    """What a socket asks of the ``FaultBook`` and tells it."""

    @property
    def recognising(self) -> int: ...
    @property
    def quota(self) -> int | None: ...
    def enter(self, drawn: Drawn, course: Course, session_id: str | None) -> bool:
        """Note that a fault acts; False: it may not any more."""

    def stuck(self, connection: ServerConnection) -> AbstractContextManager[None]: ...


class FaultySocket:
    """One session's socket, within ``attended``.

    Once a fault has ended the session, what comes is thrown away, and who wants to write
    waits for the close and gets ``ConnectionClosed``.
    """

    def __init__(
        self, socket: ServerConnection, course: Course, books: Books, session_id: str
    ) -> None:
        self.id = session_id
        self.course = course
        self.since = datetime.now(UTC)
        self._socket = socket
        self._books = books
        self._backlog = Backlog()
        self._offered = asyncio.Event()
        self._released = asyncio.Event()
        self._releasing = False
        self._speaking = asyncio.Event()
        """Not set while the connection is silent."""
        self._speaking.set()
        self._over = False
        self._slow: _Throttle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None

    @property
    def close_code(self) -> int | None:
        return self._socket.close_code

    @property
    def close_reason(self) -> str | None:
        return self._socket.close_reason

    @property
    def request(self) -> Request | None:
        return self._socket.request

    @property
    def recognising(self) -> bool:
        return self.course.started and not self._over

    @asynccontextmanager
    async def attended(self) -> AsyncIterator["FaultySocket"]:
        """Run what faults do on the side; leaving ends it. Cancelled, it leaves no task."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._spawn(self._release)
            try:
                with suppress(ConnectionClosed):
                    await self._perform(self.course.start())
                yield self
            finally:
                self._group = None
                for task in self._tasks:
                    task.cancel()

    def strike(self, drawn: Drawn) -> None:
        """Do a fault now, whatever its trigger."""
        self._spawn(partial(self._perform, [drawn]))

    def __aiter__(self) -> "FaultySocket":
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.recv()
        except ConnectionClosedOK:
            raise StopAsyncIteration from None

    async def recv(self) -> str | bytes:
        """The next message, as ``ServerConnection.recv``; cancelled, one may be lost."""
        while True:
            message = await self._socket.recv()
            await self._speaking.wait()
            if self._over:
                continue
            if self._slow is not None:
                await self._pause(self._slow.wait(len(message), _now()))
            await self._perform(self.course.receive(message))
            if not self._over:
                return message

    async def send(self, text: str) -> None:
        """As ``ServerConnection.send``; a message that is kept back counts as sent."""
        await self._perform(self.course.sending(text))
        await self._passable()
        name = name_of(text)
        if name == "Info" and (quota := self._books.quota) is not None:
            text = with_quota(text, quota)
        if name == END:
            await self._until(self._drained)
        await self._until(lambda: not self._backlog.full)
        if self._backlog.offer(name, text, _now()):
            self._offered.set()
        else:
            await self._transmit(text)

    async def close(self, code: int = CLOSE_NORMALLY, reason: str = "") -> None:
        """As ``ServerConnection.close``; a normal close is behind all that is kept back."""
        await self._passable()
        if code == CLOSE_NORMALLY:
            await self._until(self._drained)
            if self._backlog.ends_never:
                await self._socket.wait_closed()
        await self._socket.close(code, reason)

    async def wait_closed(self) -> None:
        await self._socket.wait_closed()

    async def _passable(self) -> None:
        await self._speaking.wait()
        if self._over:
            await self._socket.wait_closed()

    async def _transmit(self, text: str) -> None:
        await self._socket.send(text)
        await self._perform(self.course.sent(text))

    def _drained(self) -> bool:
        return not self._backlog and not self._releasing

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._released.clear()
            await self._released.wait()

    async def _release(self) -> None:
        """Send what was kept back, in its time."""
        while True:
            self._offered.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._backlog.release_at):
                    await self._offered.wait()
            self._releasing = True
            for text in self._backlog.due(_now()):
                await self._passable()
                await self._transmit(text)
            self._releasing = False
            self._released.set()

    async def _perform(self, due: Iterable[Drawn]) -> None:
        for drawn in due:
            action = drawn.fault.action
            if self._over or self._within_quota(action):
                continue
            if self._books.enter(drawn, self.course, self.id):
                await self._act(action)

    def _within_quota(self, action: Action) -> bool:
        # This session has asked to start, so it is among those that are recognising.
        return isinstance(action, Quota) and self._books.recognising <= action.sessions

    async def _act(self, action: Action) -> None:
        match action:
            case Drop():
                self._over = True
                wire.reset(self._socket)
            case Close(code, reason):
                self._end(code, reason)
            case SendError(type=kind, reason=reason):
                self._end(close_code(kind), kind.value, error(kind, reason))
            case Quota(sessions):
                self._exceed_quota(sessions)
            case Silence(lasting):
                await self._fall_silent(lasting)
            case Delay() | Withhold():
                self._backlog.keep(action, _now())
            case Slow():
                self._slow = _Throttle(action, _now())
            case Garbage() | Unknown() | Oversize() | SendWarning():
                await self._passable()
                await self._socket.send(forged(action))
            case Refuse() | Hang():
                raise ValueError(f"{action!r} is for the handshake, which is over")
            case _:
                assert_never(action)

    def _exceed_quota(self, sessions: int) -> None:
        reason = f"All {sessions} concurrent sessions are in use; try again in 5 to 10 seconds"
        kind = ErrorType.QUOTA_EXCEEDED
        self._end(close_code(kind), kind.value, error(kind, reason))

    def _end(self, code: int, reason: str, last_message: str | None = None) -> None:
        """Close on the side: the close is only answered while someone goes on reading."""
        self._over = True
        self._spawn(partial(self._finish, code, reason, last_message))

    async def _finish(self, code: int, reason: str, last_message: str | None) -> None:
        await self._speaking.wait()
        if last_message is not None:
            await self._socket.send(last_message)
        await self._socket.close(code, reason)

    async def _fall_silent(self, lasting: float | None) -> None:
        if not self._speaking.is_set():
            return
        self._speaking.clear()
        dead_end = wire.DeadEnd(self._socket, keep=lasting is not None)
        dead_end.begin()
        try:
            with self._books.stuck(self._socket):
                await self._pause(lasting)
        finally:
            dead_end.end()
            self._speaking.set()

    async def _pause(self, seconds: float | None) -> None:
        """Wait so long, or until the connection is gone."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._socket.wait_closed()

    def _spawn(self, work: Work) -> None:
        """What comes as the session ends is not done any more."""
        if self._group is None:
            return
        task = self._group.create_task(_until_closed(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Throttle:
    """When the next message may be taken in, so that ``rate`` is kept."""

    def __init__(self, slow: Slow, now: float) -> None:
        self._rate = slow.rate
        self._until = None if slow.lasting is None else now + slow.lasting
        self._next = now

    def wait(self, size: int, now: float) -> float:
        """Seconds to wait for a message of this size."""
        self._next = max(self._next, now) + size / self._rate
        end = self._next if self._until is None else min(self._next, self._until)
        return max(0.0, end - now)


async def _until_closed(work: Work) -> None:
    """What is done on the side ends with the connection, whoever closes it."""
    with suppress(ConnectionClosed):
        await work()


def _now() -> float:
    return asyncio.get_running_loop().time()
