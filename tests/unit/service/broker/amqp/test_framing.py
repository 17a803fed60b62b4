"""Frames come whole, in order, and once, however the stream is cut."""

from __future__ import annotations

import asyncio
import itertools
from itertools import pairwise
from typing import Any

import pytest
from aiormq.exceptions import AMQPConnectionError, InvalidFrameError, ProtocolSyntaxError
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.frame import FrameTypes, marshal
from pamqp.header import ContentHeader, ProtocolHeader
from pamqp.heartbeat import Heartbeat

from speechmq.broker.amqp.framing import BufferedReceiver
from speechmq.broker.amqp.gathering import GatheringReader

PROPERTIES = spec.Basic.Properties(message_type="AudioChunk", headers={"seq": 7})
FRAMES: list[FrameTypes] = [
    spec.Basic.Deliver("tag", 3, redelivered=False, exchange="in", routing_key="stream.one"),
    ContentHeader(properties=PROPERTIES, body_size=70_001),
    ContentBody(b"\xce" * 70_000),
    ContentBody(b"\x00"),
    Heartbeat(),
    spec.Basic.Ack(delivery_tag=9, multiple=True),
    spec.Queue.DeclareOk("queue", 1, 2),
]
WIRE = b"".join(marshal(frame, 5) for frame in FRAMES)


async def read(pieces: list[bytes], count: int) -> list[FrameTypes]:
    reader = asyncio.StreamReader()
    receiver = BufferedReceiver(reader)

    async def feed() -> None:
        for piece in pieces:
            reader.feed_data(piece)
            await asyncio.sleep(0)
        reader.feed_eof()

    feeding = asyncio.create_task(feed())
    try:
        return [(await receiver.get_frame())[2] for _ in range(count)]
    finally:
        await feeding


def told(frames: list[FrameTypes]) -> list[bytes]:
    return [marshal(frame, 5) for frame in frames]


@given(st.lists(st.integers(0, len(WIRE)), max_size=12))
def test_frames_are_the_same_however_the_stream_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(WIRE)]
    pieces = [WIRE[start:end] for start, end in pairwise(places)]
    assert told(asyncio.run(read(pieces, len(FRAMES)))) == told(FRAMES)


@pytest.mark.parametrize("size", [1, 7, 1000, len(WIRE)])
async def test_what_is_of_a_message_goes_to_its_channel_and_counts_as_a_heartbeat(
    size: int,
) -> None:
    """The client would take a broker that sends nothing else for dead."""
    taken: list[FrameTypes] = []

    def take(channel: int, frame: FrameTypes) -> bool:
        assert channel == 5
        taken.append(frame)
        return True

    stream = asyncio.StreamReader()
    unused: Any = None
    reader: Any = GatheringReader(stream, unused, take, clock=itertools.count().__next__)
    receiver = BufferedReceiver(reader)
    message = b"".join(marshal(frame, 5) for frame in FRAMES[:4])
    for at in range(0, len(message), size):
        stream.feed_data(message[at : at + size])
    assert isinstance((await receiver.get_frame())[2], Heartbeat)
    while len(taken) < 4:
        await receiver.get_frame()
    assert told(taken) == told(FRAMES[:4])
    stream.feed_data(marshal(FRAMES[5], 5) + marshal(FRAMES[6], 5))
    assert told([(await receiver.get_frame())[2], *taken[4:]]) == told([FRAMES[6], FRAMES[5]])


async def test_end_of_the_stream_is_a_lost_connection_also_within_a_frame() -> None:
    for wire in (b"", WIRE[:100]):
        with pytest.raises(AMQPConnectionError, match="unexpectedly closed"):
            await read([wire], len(FRAMES))


async def test_broker_of_another_protocol_is_named_so() -> None:
    with pytest.raises(ProtocolSyntaxError):
        await read([ProtocolHeader(0, 9, 1).marshal()], 1)


@pytest.mark.parametrize("kind", [2, 3], ids=["header", "body"])
async def test_frame_without_its_end_is_refused(kind: int) -> None:
    with pytest.raises(InvalidFrameError):
        await read([bytes([kind]) + (5).to_bytes(2, "big") + (4).to_bytes(4, "big") + b"abcdX"], 1)
