"""``python -m bench.client``: what a chunk costs a publisher, by the client library and without it.

The same process publishes the same chunks in the same rhythm, in turns: with ``speechmq_client``,
and with plain aio-pika, which waits for the confirm of each chunk and keeps nothing. Prints the CPU
of the process a chunk (user and system), and the median of the paired ratios. Exit code 1 above
1.3.
"""

import argparse
import asyncio
import gc
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aio_pika
from bench.aside import aside, broker
from bench.machine import machine

from speechmq_client import Publisher
from speechmq_schemas import Names

ALLOWED = 1.3
NAMES = Names()
CHUNK = bytes(3200)  # 100 ms at 16 kHz

Send = Callable[[bytes], Awaitable[None]]
Way = Callable[[str, "Load"], AbstractAsyncContextManager[list[Send]]]


@dataclass(frozen=True, slots=True)
class Load:
    streams: int
    chunks: int
    every: float
    """Seconds between two chunks of a stream."""


@asynccontextmanager
async def by_client(url: str, load: Load) -> AsyncIterator[list[Send]]:
    async with Publisher(url, listen=False) as publisher:
        streams = [await publisher.start_raw(f"s{n}") for n in range(load.streams)]
        yield [stream.send for stream in streams]


@asynccontextmanager
async def plainly(url: str, load: Load) -> AsyncIterator[list[Send]]:
    """As the page of the contract shows it: a channel for each stream, a confirm for each chunk."""
    async with AsyncExitStack() as resources:
        connection = await resources.enter_async_context(await aio_pika.connect(url))
        yield [await _plain_stream(connection, f"s{n}") for n in range(load.streams)]


async def _plain_stream(connection: aio_pika.abc.AbstractConnection, stream_id: str) -> Send:
    channel = await connection.channel(on_return_raises=True)
    inbound = await channel.get_exchange(NAMES.inbound)
    seq = 0

    async def send(audio: bytes) -> None:
        nonlocal seq
        seq += 1
        message = aio_pika.Message(
            audio,
            type="AudioChunk",
            headers={"seq": seq},
            content_type="application/octet-stream",
            correlation_id=stream_id,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await inbound.publish(message, f"stream.{stream_id}")

    return send


async def declare(url: str, load: Load) -> None:
    """Queues that keep nothing, in the places of a worker's."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        inbound = await channel.declare_exchange(NAMES.inbound, "direct", durable=True)
        for n in range(load.streams):
            queue = await channel.declare_queue(f"s{n}", arguments={"x-max-length": 1})
            await queue.bind(inbound, f"stream.s{n}")
            await queue.bind(inbound, "start")


async def measure(way: Way, url: str, load: Load) -> float:
    """CPU seconds a chunk."""
    async with way(url, load) as sends:
        for send in sends:
            await send(CHUNK)
        gc.collect()
        began = time.process_time()
        await asyncio.gather(*[_paced(send, load, n) for n, send in enumerate(sends)])
        return (time.process_time() - began) / (load.streams * load.chunks)


async def _paced(send: Send, load: Load, number: int) -> None:
    loop = asyncio.get_running_loop()
    begin = loop.time() + load.every * number / load.streams
    for chunk in range(load.chunks):
        await asyncio.sleep(begin + chunk * load.every - loop.time())
        await send(CHUNK)


async def compare(url: str, load: Load, rounds: int) -> list[tuple[float, float]]:
    await declare(url, load)
    pairs: list[tuple[float, float]] = []
    for number in range(rounds):
        ways = [plainly, by_client] if number % 2 else [by_client, plainly]
        costs = {way: await measure(way, url, load) for way in ways}
        pairs.append((costs[plainly], costs[by_client]))
        plain, ours = (f"{cost * 1e6:.0f} µs" for cost in pairs[-1])
        print(f"round {number + 1}: {plain} a chunk with plain aio-pika, {ours} here", flush=True)
    return pairs


def main(rounds: int, load: Load) -> int:
    print(machine(["aio-pika", "aiormq", "pydantic"]))
    with broker() as address, aside(address) as url:
        pairs = asyncio.run(compare(url, load, rounds))
    plain, ours = (statistics.median(one) * 1e6 for one in zip(*pairs, strict=True))
    ratio = statistics.median(ours / plain for plain, ours in pairs)
    print(f"median: {plain:.0f} µs plain, {ours:.0f} µs with the client, ratio {ratio:.2f}")
    return 0 if ratio <= ALLOWED else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--chunks", type=int, default=100)
    asked = parser.parse_args()
    sys.exit(main(asked.rounds, Load(asked.streams, asked.chunks, every=0.1)))
