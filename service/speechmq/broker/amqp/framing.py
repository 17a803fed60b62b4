"""AMQP frames from a TCP stream, as many as have come, with one wait.

The client waits three times for each frame, and has three frames for each message. What comes
with each message goes straight to its channel here; what all else means is pamqp's to read.
"""

from __future__ import annotations

import asyncio
import struct

import aiormq.connection
from aiormq.connection import FrameReceiver, ReceivedFrame
from aiormq.exceptions import AMQPConnectionError, InvalidFrameError, ProtocolSyntaxError
from pamqp import frame as pamqp_frame
from pamqp.body import ContentBody
from pamqp.constants import FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD
from pamqp.exceptions import PAMQPException
from pamqp.frame import FrameTypes
from pamqp.heartbeat import Heartbeat

from .content import ACK, DELIVER, read_ack, read_deliver, read_header
from .gathering import GatheringReader

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
        self._take = reader.take if isinstance(reader, GatheringReader) else _nobody
        self._has_taken = False

    async def get_frame(self) -> ReceivedFrame:
        """The next one that nobody takes. The client, which knows by them that the broker is alive,
        has a heartbeat for those that were taken."""
        while (frame := self._next()) is None:
            if self._has_taken:
                self._has_taken = False
                return OVERHEAD, 0, Heartbeat()
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
        while (place := self._whole()) is not None:
            kind, channel, begin, end = place
            frame = _read_content(kind, self._buffer[begin:end])
            if frame is None:
                return self._unmarshal(begin, end)
            if not self._take(channel, frame):
                return end - begin + OVERHEAD, channel, frame
            self._has_taken = True
        return None

    def _whole(self) -> tuple[int, int, int, int] | None:
        """Kind, channel and payload of the next frame, which is passed."""
        buffer, at = self._buffer, self._at
        begin = at + HEADER.size
        if len(buffer) <= begin:
            return None
        kind, channel, size = HEADER.unpack_from(buffer, at)
        if kind == OTHER_PROTOCOL:
            raise ProtocolSyntaxError("Unexpected AMQP protocol header")
        end = begin + size
        if len(buffer) <= end:
            return None
        self._at = end + 1
        if buffer[end] != FRAME_END:
            raise InvalidFrameError(f"a frame ends with {buffer[end]}")
        return kind, channel, begin, end

    def _unmarshal(self, begin: int, end: int) -> ReceivedFrame:
        try:
            return pamqp_frame.unmarshal(self._buffer[begin - HEADER.size : end + 1])
        except PAMQPException as error:
            raise InvalidFrameError(str(error)) from error


def _read_content(kind: int, payload: bytes) -> FrameTypes | None:
    """What belongs to a message, or confirms some; nothing for what is left to pamqp."""
    if kind == FRAME_BODY:
        return ContentBody(payload)
    if kind == FRAME_HEADER:
        return read_header(payload)
    if kind == FRAME_METHOD and payload.startswith(DELIVER):
        return read_deliver(payload)
    if kind == FRAME_METHOD and payload.startswith(ACK):
        return read_ack(payload)
    return None


def _nobody(_channel: int, _frame: FrameTypes) -> bool:
    return False
