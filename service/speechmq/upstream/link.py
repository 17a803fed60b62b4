"""One connection to upstream, from dialling to its end, told as inputs of the session core.

Decides nothing. Cancelling its task closes the socket; what it told before that stays told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NoReturn

from ..errors import (
    AccountFull,
    HandshakeRefused,
    KeyRefused,
    KeyUnavailable,
    UpstreamLost,
    UpstreamUnreachable,
    first_error,
)
from ..session.inputs import ConnectionFailed, ConnectionLost, ConnectionOpened, Input
from .connection import ABNORMAL_CLOSURE, Connection
from .messages import MalformedMessage

Deliver = Callable[["Link", Input], None]


class Link:
    """``room`` is set while what upstream says can be taken."""

    def __init__(self, deliver: Deliver, room: asyncio.Event) -> None:
        self._deliver = deliver
        self._room = room
        self._work: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def open(
        self, connect: AbstractAsyncContextManager[Connection], tasks: asyncio.TaskGroup
    ) -> None:
        self._task = tasks.create_task(self._hold(connect))

    def send(self, message: str | bytes) -> None:
        """In the order of the calls; bounded by the window that the core keeps to."""
        self._work.put_nowait(message)

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _hold(self, connect: AbstractAsyncContextManager[Connection]) -> None:
        """Holds the connection until it ends, and tells how it ended."""
        try:
            async with connect as connection:
                self._deliver(self, ConnectionOpened())
                self._deliver(self, await self._converse(connection))
        except (HandshakeRefused, KeyRefused) as error:
            self._deliver(self, ConnectionFailed(str(error), error.status))
        except (AccountFull, KeyUnavailable) as error:
            self._deliver(self, ConnectionFailed(str(error), code=error.code))
        except UpstreamUnreachable as error:
            self._deliver(self, ConnectionFailed(str(error)))

    async def _converse(self, connection: Connection) -> ConnectionLost:
        """Sends and receives at once, until either meets the end of the connection."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(connection))
                await self._receive(connection)
        except* (UpstreamLost, MalformedMessage) as group:
            ended = _how_lost(group)
        return ended

    async def _send(self, connection: Connection) -> NoReturn:
        while True:
            await connection.send(await self._work.get())

    async def _receive(self, connection: Connection) -> NoReturn:
        while True:
            await self._room.wait()
            self._deliver(self, await connection.receive())


def _how_lost(group: BaseExceptionGroup[UpstreamLost | MalformedMessage]) -> ConnectionLost:
    error = first_error(group)
    if isinstance(error, UpstreamLost):
        return ConnectionLost(error.code, error.reason)
    return ConnectionLost(ABNORMAL_CLOSURE, str(error))
