"""AMQP frames from a TCP stream, as many as have come, with one wait.

The client waits three times for each frame, and has three frames for each message. What a frame
means is pamqp's to read.
"""

from __future__ import annotations

import asyncio
import struct

import aiormq.connection
from aiormq.connection import FrameReceiver, ReceivedFrame
from aiormq.exceptions import AMQPConnectionError, InvalidFrameError, ProtocolSyntaxError
from pamqp import frame as pamqp_frame
from pamqp.body import ContentBody
from pamqp.constants import FRAME_BODY, FRAME_END
from pamqp.exceptions import PAMQPException

PIECE = 65_536
"""Bytes that are read at once, at most."""
HEADER = struct.Struct(">BHI")
OVERHEAD = HEADER.size + 1
# A broker that does not speak our version answers with its own protocol header.
OTHER_PROTOCOL = ord("A")


def install() -> None:
    """Replaces the client's way in this process; to be called once, before any connection."""
    aiormq.connection.FrameReceiver = BufferedReceiver  # type: ignore[misc]


class BufferedReceiver(FrameReceiver):
    """Raises what the client's own raises."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self._buffer = b""
        self._at = 0

    async def get_frame(self) -> ReceivedFrame:
        while (frame := self._next()) is None:
            await self._read()
        return frame

    async def _read(self) -> None:
        try:
            piece = await self.reader.read(PIECE)
        except OSError as error:
            raise AMQPConnectionError(f"Server connection lost: {error!r}") from error
        if not piece:
            raise AMQPConnectionError("Server connection unexpectedly closed")
        self._buffer = self._buffer[self._at :] + piece
        self._at = 0

    def _next(self) -> ReceivedFrame | None:
        """Nothing before a whole frame has come."""
        buffer, at = self._buffer, self._at
        if len(buffer) < at + OVERHEAD:
            return None
        kind, channel, size = HEADER.unpack_from(buffer, at)
        if kind == OTHER_PROTOCOL:
            raise ProtocolSyntaxError("Unexpected AMQP protocol header")
        end = at + OVERHEAD + size
        if len(buffer) < end:
            return None
        self._at = end
        if kind == FRAME_BODY and buffer[end - 1] == FRAME_END:
            return end - at, channel, ContentBody(buffer[at + HEADER.size : end - 1])
        try:
            return pamqp_frame.unmarshal(buffer[at:end])
        except PAMQPException as error:
            raise InvalidFrameError(str(error)) from error
