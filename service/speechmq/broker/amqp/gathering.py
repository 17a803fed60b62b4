"""Reads what the broker sends in strokes: under load a few messages at once, else each as it comes.

A chunk of audio that is read for itself costs a wake-up, a system call and cold caches; a few of
them together cost that once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiormq.connection import TransportFactory
from pamqp.frame import FrameTypes
from yarl import URL

STROKE = 0.004
"""Seconds from one read to the next, at least. It delays a chunk by half of that on average."""
LEAST = 0.0005
"""A wait that is shorter is not worth its timer."""

Take = Callable[[int, FrameTypes], bool]


class GatheringReader:
    """Has of ``asyncio.StreamReader`` what the client asks of one.

    ``take`` is offered each confirm and each part of a message, with its channel's number.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        transport: asyncio.Transport,
        take: Take,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reader = reader
        self._transport = transport
        self.take = take
        self._clock = clock
        self._sleep = sleep
        self._next_at = clock()
        # For the client's own way to read frames, which does not gather.
        self.at_eof = reader.at_eof
        self.readexactly = reader.readexactly

    async def read(self, most: int) -> bytes:
        """What has come, or the next that comes; nothing at the end of the stream.

        Where there is more than ``most``, the rest is next without a wait.
        """
        wait = self._next_at - self._clock()
        if wait > LEAST:
            await self._hold_back(wait)
        piece = await self._reader.read(most)
        if len(piece) < most:
            self._next_at = self._clock() + STROKE
        return piece

    async def _hold_back(self, seconds: float) -> None:
        """The kernel puts together what comes meanwhile."""
        self._transport.pause_reading()
        try:
            await self._sleep(seconds)
        finally:
            self._transport.resume_reading()


class Gathering(TransportFactory):
    """Another factory's transports, read in strokes."""

    def __init__(self, factory: TransportFactory, take: Take) -> None:
        self._factory = factory
        self._take = take

    async def create(
        self, url: URL, **options: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self._factory.create(url, **options)
        clock = asyncio.get_running_loop().time
        transport: Any = writer.transport
        gathering: Any = GatheringReader(reader, transport, self._take, clock=clock)
        return gathering, writer
