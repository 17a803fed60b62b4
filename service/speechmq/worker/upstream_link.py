"""One connection to upstream, from dialling to its end, told as inputs of the core.

Decides nothing. Cancelling its task closes the socket; what it told before that stays told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

from ..core.values.inputs import ConnectionFailed, ConnectionLost, ConnectionOpened, Input
from ..errors import (
    AccountFull,
    HandshakeRefused,
    KeyRefused,
    KeyUnavailable,
    UpstreamLost,
    UpstreamUnreachable,
)
from ..speechmatics.messages import MalformedMessage
from ..upstream.connection import ABNORMAL_CLOSURE, Connection

Deliver = Callable[["UpstreamLink", Input], None]


class UpstreamLink:
    """``room`` is set while what upstream says can be taken."""

    def __init__(self, deliver: Deliver, room: asyncio.Event) -> None:
        self._deliver = deliver
        self._room = room
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None

    def open(
        self, connect: AbstractAsyncContextManager[Connection], tasks: asyncio.TaskGroup
    ) -> None:
        self._task = tasks.create_task(self._hold(connect))

    def send(self, message: str | bytes) -> None:
        """Once ``ConnectionOpened`` was told; nothing once the connection is gone."""
        if self._connection is not None:
            self._connection.send(message)

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _hold(self, connect: AbstractAsyncContextManager[Connection]) -> None:
        """Holds the connection until it ends, and tells how it ended."""
        try:
            async with connect as connection:
                self._connection = connection
                self._deliver(self, ConnectionOpened())
                self._deliver(self, await self._listen(connection))
        except (HandshakeRefused, KeyRefused) as error:
            self._deliver(self, ConnectionFailed(str(error), error.status))
        except (AccountFull, KeyUnavailable) as error:
            self._deliver(self, ConnectionFailed(str(error), code=error.code))
        except UpstreamUnreachable as error:
            self._deliver(self, ConnectionFailed(str(error)))

    async def _listen(self, connection: Connection) -> ConnectionLost:
        """Returns at the end of the connection."""
        try:
            await connection.listen(partial(self._deliver, self), self._room)
        except UpstreamLost as error:
            return ConnectionLost(error.code, error.reason)
        except MalformedMessage as error:
            return ConnectionLost(ABNORMAL_CLOSURE, str(error))
        finally:
            self._connection = None
