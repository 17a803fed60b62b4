"""Frames come whole, in order, and once, however the stream is cut."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from aiormq.connection import FrameReceiver
from aiormq.exceptions import AMQPConnectionError, InvalidFrameError, ProtocolSyntaxError
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.frame import FrameTypes, marshal
from pamqp.header import ContentHeader, ProtocolHeader
from pamqp.heartbeat import Heartbeat

from speechmq.broker.amqp.frame_reader import PIECE, SIGN_OF_LIFE, FrameReader
from speechmq.broker.amqp.read_batching import BATCH_PER_BYTE, BUSY, LONGEST_BATCH, WINDOW

PROPERTIES = spec.Basic.Properties(message_type="AudioChunk", headers={"seq": 7})
UNCOMMON = spec.Basic.Properties(priority=3)
MESSAGE: list[FrameTypes] = [
    spec.Basic.Deliver("tag", 3, redelivered=False, exchange="in", routing_key="stream.one"),
    ContentHeader(properties=PROPERTIES, body_size=70_001),
    ContentBody(b"\xce" * 70_000),
    ContentBody(b"\x00"),
]
CONFIRM = spec.Basic.Ack(delivery_tag=9, multiple=True)
DECLARED = spec.Queue.DeclareOk("queue", 1, 2)
UNREADABLE = ContentHeader(properties=UNCOMMON, body_size=4)
FRAMES: list[FrameTypes] = [*MESSAGE, Heartbeat(), CONFIRM, DECLARED, UNREADABLE]
WIRE = b"".join(marshal(frame, 5) for frame in FRAMES)


@dataclass
class Wire(asyncio.Transport):
    """What passes between the broker and a reader: its time goes on while the reader sleeps.

    ``seen`` are frames in the order in which they came out, from ``take`` or from the client's own
    receiver, which has the latter in ``clients``, too.
    """

    takes: bool = True
    reader: asyncio.StreamReader = field(default_factory=asyncio.StreamReader)
    now: float = 100.0
    is_paused: bool = False
    slept: list[float] = field(default_factory=list)
    comes_meanwhile: bytes = b""
    seen: list[FrameTypes] = field(default_factory=list)
    clients: list[FrameTypes] = field(default_factory=list)

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False
        self.reader.feed_data(self.comes_meanwhile)

    async def sleep(self, seconds: float) -> None:
        assert self.is_paused
        self.slept.append(round(seconds, 6))
        self.now += seconds

    def take(self, channel: int, frame: FrameTypes) -> bool:
        assert channel == 5
        if self.takes:
            self.seen.append(frame)
        return self.takes

    def receiver(self) -> FrameReceiver:
        reader: Any = FrameReader(
            self.reader, self, self.take, clock=lambda: self.now, sleep=self.sleep
        )
        return FrameReceiver(reader)

    async def receive(self, receiver: FrameReceiver) -> None:
        _, _, frame = await receiver.get_frame()
        self.seen.append(frame)
        self.clients.append(frame)


def marshalled(frames: Sequence[FrameTypes]) -> list[bytes]:
    return [marshal(frame, 5) for frame in frames]


async def read(wire: Wire, pieces: list[bytes]) -> None:
    """All frames of ``pieces``, until the stream ends."""
    receiver = wire.receiver()

    async def feed() -> None:
        for piece in pieces:
            wire.reader.feed_data(piece)
            await asyncio.sleep(0)
        wire.reader.feed_eof()

    feeding = asyncio.create_task(feed())
    try:
        while True:
            await wire.receive(receiver)
    finally:
        await feeding


@given(st.lists(st.integers(0, len(WIRE)), max_size=12), st.booleans())
def test_frames_are_the_same_however_the_stream_is_cut(cuts: list[int], takes: bool) -> None:
    places = [0, *sorted(cuts), len(WIRE)]
    pieces = [WIRE[start:end] for start, end in pairwise(places)]

    async def run() -> Wire:
        wire = Wire(takes=takes)
        with pytest.raises(AMQPConnectionError):
            await read(wire, pieces)
        return wire

    wire = asyncio.run(run())
    assert marshalled(wire.seen) == marshalled(FRAMES)
    left: list[FrameTypes] = [Heartbeat(), DECLARED, UNREADABLE] if takes else FRAMES
    assert marshalled(wire.clients) == marshalled(left)


async def test_frames_that_are_taken_count_as_a_heartbeat_once_a_second() -> None:
    """The client would take a broker that sends nothing else for dead."""
    wire = Wire()
    receiver = wire.receiver()
    confirm = marshal(CONFIRM, 5)
    wire.reader.feed_data(confirm)
    receiving = asyncio.create_task(wire.receive(receiver))
    await asyncio.sleep(0)
    assert (marshalled(wire.seen), wire.clients) == ([confirm], [])
    wire.now += SIGN_OF_LIFE
    wire.reader.feed_data(confirm * 2)
    await receiving
    assert marshalled(wire.seen) == [confirm] * 3 + [marshal(Heartbeat(), 0)]
    assert marshalled(wire.clients) == [marshal(Heartbeat(), 0)]


@pytest.mark.parametrize(("properties", "is_left"), [(PROPERTIES, False), (UNCOMMON, True)])
async def test_busy_connection_is_read_in_batches_while_its_transport_pauses(
    properties: spec.Basic.Properties, is_left: bool
) -> None:
    """Also where the header of each message is left to the client."""
    count, step, body = int(1.2 * BUSY * WINDOW), 1.01 * WINDOW, bytes(800)
    header = ContentHeader(properties=properties, body_size=len(body))
    message = b"".join(marshal(frame, 5) for frame in (MESSAGE[0], header, ContentBody(body)))
    declared = marshal(DECLARED, 5)
    assert count * len(message) + len(declared) < PIECE
    wire = Wire(comes_meanwhile=declared)
    receiver = wire.receiver()
    # The second read counts the messages of the first.
    frames_left = count if is_left else 0
    for piece, left in ((message * count + declared, frames_left), (declared, 0)):
        wire.now += step
        wire.reader.feed_data(piece)
        for _ in range(left + 1):
            await wire.receive(receiver)
        assert wire.slept == []
    await wire.receive(receiver)
    assert wire.slept == pytest.approx([BATCH_PER_BYTE * len(body)])
    assert not wire.is_paused


async def test_reader_that_is_cancelled_while_it_waits_leaves_its_transport_as_it_was() -> None:
    async def cancelled(_seconds: float) -> None:
        raise asyncio.CancelledError

    wire = Wire()
    reader = FrameReader(wire.reader, wire, wire.take, clock=lambda: wire.now, sleep=cancelled)
    with pytest.raises(asyncio.CancelledError):
        await reader._hold_back(LONGEST_BATCH)
    assert not wire.is_paused


async def test_end_of_the_stream_is_a_lost_connection_also_within_a_frame() -> None:
    for piece in (b"", WIRE[:100]):
        with pytest.raises(AMQPConnectionError, match="unexpectedly closed"):
            await read(Wire(), [piece])


async def test_broker_of_another_protocol_is_named_so() -> None:
    with pytest.raises(ProtocolSyntaxError):
        await read(Wire(), [ProtocolHeader(0, 9, 1).marshal()])


@pytest.mark.parametrize("kind", [2, 3], ids=["header", "body"])
async def test_frame_without_its_end_is_refused(kind: int) -> None:
    with pytest.raises(InvalidFrameError):
        await read(
            Wire(), [bytes([kind]) + (5).to_bytes(2, "big") + (4).to_bytes(4, "big") + b"abcdX"]
        )
