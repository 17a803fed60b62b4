"""Reads AMQP frames, as many as have come at once, and takes the frames of messages out.

The client waits three times for each frame, and each message has three frames. Frames of messages
and confirms go straight to their channel here. All other frames go to the client's own receiver.

It enters through the client's public ``transport_factory``.

Gain: 139 us of CPU a chunk become 78 with ``fast_decode``, without batching (``bench/RESULTS.md``).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.constants import FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD
from pamqp.frame import FrameTypes
from pamqp.heartbeat import Heartbeat
from yarl import URL

from .fast_decode import ACK, DELIVER, read_ack, read_deliver, read_header
from .read_batching import ReadBatching

PIECE = 65_536
"""Bytes that are read at once, at most."""
SIGN_OF_LIFE = 1.0
"""Seconds between two heartbeats that the client gets in place of the frames that it does not see.
Its shortest patience with a silent broker is six."""
HEADER = struct.Struct(">BHI")
HEARTBEAT = Heartbeat().marshal()
AMQP_KINDS = (FRAME_METHOD, FRAME_HEADER, FRAME_BODY, HEARTBEAT[0])

Take = Callable[[int, FrameTypes], bool]
"""Gets a channel's number and a frame; says whether the channel has dealt with the frame."""


class FrameReader:
    """Has of ``asyncio.StreamReader`` what the client's receiver calls.

    ``take`` is offered each confirm and each frame of a message, in order, and must neither block
    nor raise. The client's receiver gets every frame that is not taken, whole and in its place.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        transport: asyncio.ReadTransport,
        take: Take,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reader = reader
        self._transport = transport
        self._take = take
        self._clock = clock
        self._sleep = sleep
        self._batching = ReadBatching(clock())
        self._buffer = b""
        self._at = 0
        self._deliveries = self._body_bytes = 0
        self._handed_over = b""
        self._has_taken = False
        self._alive_at = clock()

    def at_eof(self) -> bool:
        """Never: the end of the stream is an error of the read, as it is within a frame."""
        return False

    async def readexactly(self, count: int) -> bytes:
        """The next bytes of a frame that is not taken. Takes frames until such a frame comes.

        Raises ``asyncio.IncompleteReadError`` at the end of the stream, and ``OSError``.
        Cancelling it loses nothing.
        """
        if not self._handed_over:
            self._handed_over = await self._next_for_client(count)
        piece, self._handed_over = self._handed_over[:count], self._handed_over[count:]
        return piece

    async def _next_for_client(self, count: int) -> bytes:
        while True:
            if (frame := self._take_frames()) is not None:
                return frame
            # The client takes a broker for dead from which it sees no frame.
            if self._has_taken and self._clock() - self._alive_at >= SIGN_OF_LIFE:
                self._has_taken = False
                self._alive_at = self._clock()
                return HEARTBEAT
            await self._read(count)

    async def _read(self, count: int) -> None:
        wait = self._batching.wait(self._clock())
        if wait:
            await self._hold_back(wait)
        piece = await self._reader.read(PIECE)
        if not piece:
            raise asyncio.IncompleteReadError(self._buffer[self._at :], count)
        self._batching.has_read(
            self._clock(),
            messages=self._deliveries,
            size=self._body_bytes,
            is_full=len(piece) == PIECE,
        )
        self._deliveries = self._body_bytes = 0
        self._buffer = self._buffer[self._at :] + piece
        self._at = 0

    async def _hold_back(self, seconds: float) -> None:
        """The kernel puts together what comes meanwhile."""
        self._transport.pause_reading()
        try:
            await self._sleep(seconds)
        finally:
            self._transport.resume_reading()

    def _take_frames(self) -> bytes | None:
        """The first frame that is not taken; nothing before a whole one has come."""
        buffer = self._buffer
        while len(buffer) - self._at > HEADER.size:
            at = self._at
            kind, channel, size = HEADER.unpack_from(buffer, at)
            begin = at + HEADER.size
            end = begin + size
            if kind not in AMQP_KINDS:
                # No AMQP: the client says so from the first bytes, and reads no further.
                self._at = len(buffer)
                return buffer[at:]
            if len(buffer) <= end:
                return None
            self._at = end + 1
            if buffer[end] != FRAME_END or not self._is_taken(kind, channel, buffer[begin:end]):
                return buffer[at : end + 1]
            self._has_taken = True
        return None

    def _is_taken(self, kind: int, channel: int, payload: bytes) -> bool:
        frame = _decoded(kind, payload)
        if frame is None:
            return False
        # By its first frame: a header with uncommon properties is left to the client.
        if isinstance(frame, Basic.Deliver):
            self._deliveries += 1
        elif kind == FRAME_BODY:
            self._body_bytes += len(payload)
        return self._take(channel, frame)


def _decoded(kind: int, payload: bytes) -> FrameTypes | None:
    """A frame of a message, or a confirm; nothing for what the client decodes."""
    if kind == FRAME_BODY:
        return ContentBody(payload)
    if kind == FRAME_HEADER:
        return read_header(payload)
    if kind == FRAME_METHOD and payload.startswith(DELIVER):
        return read_deliver(payload)
    if kind == FRAME_METHOD and payload.startswith(ACK):
        return read_ack(payload)
    return None


class FrameReaders(TransportFactory):
    """The client's transports for ``url``, each read by a ``FrameReader``."""

    def __init__(self, url: URL, take: Take) -> None:
        is_secure = url.scheme == "amqps"
        self._factory = TLSTransportFactory() if is_secure else TCPTransportFactory()
        self._take = take

    async def create(
        self, url: URL, **options: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self._factory.create(url, **options)
        clock = asyncio.get_running_loop().time
        transport = cast("asyncio.ReadTransport", writer.transport)
        frames = FrameReader(reader, transport, self._take, clock=clock)
        return cast("asyncio.StreamReader", frames), writer
