"""The client library against a real broker, a real worker and the emulator's ledger engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.support.broker import Namespace
from tests.support.speaker import RATE, said
from tests.support.worker import running_worker

from speechmq_client import (
    Publisher,
    StreamState,
    Subscriber,
    Transcript,
)
from speechmq_emulator.ledger.codec import encode
from speechmq_emulator.server import serve

pytestmark = pytest.mark.timeout(120)

FRAME = RATE // 50 * 2  # bytes of 20 ms


@asynccontextmanager
async def backend(namespace: Namespace) -> AsyncIterator[None]:
    async with serve("ledger") as upstream, running_worker(namespace.url, upstream.url):
        yield


def frames(numbers: list[int]) -> list[bytes]:
    audio = encode(numbers, sample_rate=RATE, encoding="pcm_s16le")
    return [audio[at : at + FRAME] for at in range(0, len(audio), FRAME)]


async def until_ended(subscriber: Subscriber, stream_id: str) -> Transcript:
    """Acknowledges all events up to the last one of the stream."""
    async with asyncio.timeout(60.0):
        async for delivery in subscriber:
            await delivery.ack()
            assert delivery.transcript is not None
            if delivery.stream_id == stream_id and delivery.transcript.state != "live":
                return delivery.transcript
    raise AssertionError


async def test_every_word_comes_back_once(namespace: Namespace) -> None:
    numbers = list(range(100, 120))
    async with (
        backend(namespace),
        Subscriber(namespace.url) as subscriber,
        Publisher(namespace.url) as publisher,
    ):
        stream = await publisher.start_raw("one", sample_rate=RATE, max_delay=0.7)
        assert [one.stream_id for one in publisher.streams] == ["one"]
        for frame in frames(numbers):
            await stream.send(frame)
        await stream.end()
        transcript = await until_ended(subscriber, "one")
        ended = await stream.wait_ended()
        assert stream.state is StreamState.ENDED
    assert [word.content for word in transcript.words] == said(numbers)
    assert (ended.received_seconds, ended.chunks, ended.gap_seconds) == (4.0, 40, 0.0)
