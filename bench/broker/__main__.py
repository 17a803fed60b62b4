"""What streams cost RabbitMQ before a word is said: the time and the memory of their queues.

python -m bench.broker [--streams 1000] [--queue-type quorum]

On a private node made for it, or on that of SPEECHMQ_AMQP_URL and SPEECHMQ_MANAGEMENT_URL.
Declares what admission declares for each stream, several at a time, and deletes it again.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import time
from typing import Any

import aiormq
from aiormq.abc import AbstractChannel
from bench.aside import broker
from tests.support.broker import BrokerAddress, new_namespace

from speechmq.broker.stream.stream_queue import delete_queues
from speechmq.broker.topology import QueueType, bind, declare, declare_queue, per_stream, shared
from speechmq_schemas import Names

AT_ONCE = 16
# Seconds for the node's figures to settle.
SETTLE = 10.0


async def admit(channel: AbstractChannel, stream_id: str, queue_type: QueueType) -> None:
    topology = per_stream(
        Names(), stream_id, b"", queue_type=queue_type, max_bytes=2**28, expires=3600.0
    )
    for queue in (topology.stream, topology.state):
        await declare_queue(channel, queue)
    await bind(channel, topology.inbound)


async def each(channels: list[AbstractChannel], ids: list[str], work: Any) -> float:
    """Seconds until all are done, one at a time on each channel."""
    waiting = iter(ids)

    async def one_by_one(channel: AbstractChannel) -> None:
        for stream_id in waiting:
            await work(channel, stream_id)

    began = time.monotonic()
    await asyncio.gather(*(one_by_one(channel) for channel in channels))
    return time.monotonic() - began


async def memory(broker: BrokerAddress) -> int:
    await asyncio.sleep(SETTLE)
    return await broker.management.memory()


async def measure(broker: BrokerAddress, streams: int, queue_type: QueueType) -> None:
    async with new_namespace(broker) as namespace:
        connection = await aiormq.connect(namespace.url)
        channels = [await connection.channel() for _ in range(AT_ONCE)]
        await declare(channels[0], shared(Names(), queue_type))
        ids = [f"{secrets.token_hex(6)}-{number}" for number in range(streams)]
        before = await memory(broker)
        took = await each(channels, ids, lambda c, one: admit(c, one, queue_type))
        grown = await memory(broker) - before
        gone = await each(channels, ids, lambda c, one: delete_queues(c, Names(), one))
        await connection.close()
    version = await broker.management.version()
    print(f"RabbitMQ {version}, {queue_type}, {streams} streams, {AT_ONCE} at a time")
    print(f"declared  {streams / took:8.0f} a second")
    print(f"deleted   {streams / gone:8.0f} a second")
    print(f"memory    {grown / streams / 1024:8.1f} KiB a stream")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--queue-type", choices=["quorum", "classic"], default="quorum")
    options = parser.parse_args()
    with broker() as address:
        asyncio.run(measure(address, options.streams, options.queue_type))


if __name__ == "__main__":
    main()
