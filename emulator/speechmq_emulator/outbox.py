"""Messages on their way to one client: written in the order of the protocol core, by one task."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

from speechmq_emulator.protocol.outputs import Close, Send

_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)


class Socket(Protocol):
    """What a session needs of a ``websockets`` connection."""

    @property
    def close_code(self) -> int | None: ...
    @property
    def request(self) -> Request | None: ...
    def __aiter__(self) -> AsyncIterator[str | bytes]: ...
    async def send(self, text: str, /) -> None: ...
    async def close(self, code: int = 1000, reason: str = "") -> None: ...


class Outbox:
    """Holds at most ``bound`` messages before ``room`` makes the reader of audio wait.

    ``put`` never waits: an engine's reports are bounded by the audio that it was fed, and
    no audio is fed while there is no room.
    """

    def __init__(self, socket: Socket, *, bound: int) -> None:
        self._socket = socket
        self._bound = bound
        self._waiting: deque[Send | Close] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def put(self, item: Send | Close) -> None:
        self._waiting.append(item)
        self._filled.set()
        if len(self._waiting) >= self._bound:
            self._room.clear()

    async def room(self) -> None:
        """Wait until the client has read enough that more may be written."""
        await self._room.wait()

    async def write(self) -> None:
        """Write until a ``Close`` has been carried out or the client is gone."""
        try:
            while not await self._write_waiting():
                self._filled.clear()
                await self._filled.wait()
        except ConnectionClosed:
            pass
        finally:
            self._room.set()

    async def _write_waiting(self) -> bool:
        while self._waiting:
            item = self._waiting.popleft()
            if len(self._waiting) < self._bound:
                self._room.set()
            if isinstance(item, Close):
                await self._socket.close(item.code, item.reason)
                return True
            await self._socket.send(_ENCODER.encode(item.message))
        return False
