"""What the client's tests share: a worker to talk to, audio to send, and exchanges without one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aio_pika
from aio_pika.abc import AbstractChannel
from tests.support.speaker import RATE
from tests.support.worker import running_worker

from speechmq_client import Subscriber, Transcript
from speechmq_emulator.ledger.codec import encode
from speechmq_emulator.server import serve
from speechmq_schemas import Names

FRAME = RATE // 50 * 2  # bytes of 20 ms
NAMES = Names()


@asynccontextmanager
async def backend(url: str) -> AsyncIterator[None]:
    """A recogniser that reads words out of numbers, and a worker."""
    async with serve("ledger") as upstream, running_worker(url, upstream.url):
        yield


@asynccontextmanager
async def exchanges(url: str) -> AsyncIterator[AbstractChannel]:
    """The exchanges as a worker declares them, and a channel to go on with."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_exchange(NAMES.inbound, "direct", durable=True)
        await channel.declare_exchange(NAMES.events, "topic", durable=True)
        yield channel


def frames(numbers: list[int]) -> list[bytes]:
    """Ledger audio of a word every 200 ms, in frames of 20 ms."""
    audio = encode(numbers, sample_rate=RATE, encoding="pcm_s16le")
    return [audio[at : at + FRAME] for at in range(0, len(audio), FRAME)]


async def until_ended(subscriber: Subscriber, *stream_ids: str) -> dict[str, Transcript]:
    """Acknowledges every event up to the last one of each stream."""
    ended: dict[str, Transcript] = {}
    async with asyncio.timeout(90.0):
        while set(stream_ids) - set(ended):
            delivery = await anext(subscriber)
            await delivery.ack()
            assert delivery.transcript is not None
            if delivery.transcript.state != "live":
                ended[delivery.stream_id] = delivery.transcript
    return ended


async def until(wanted: Callable[[], bool], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not wanted():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
