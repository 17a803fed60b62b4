"""The data plane's connection survives whatever the broker closes on it."""

from __future__ import annotations

import asyncio

from aiormq.abc import AbstractChannel
from tests.support.broker import Namespace

from speechmq.broker.plane import DataPlane, open_plane
from speechmq.settings import BrokerSettings

STREAMS = 40
ROUNDS = 40


def settings(url: str) -> BrokerSettings:
    return BrokerSettings.model_validate({"url": url})


async def publish_on(channel: AbstractChannel, enough: asyncio.Event) -> None:
    while not enough.is_set():
        await channel.basic_publish(b"event" * 100, exchange="amq.topic", routing_key="any")


async def ask_for_missing_queues(plane: DataPlane, name: str) -> list[int | None]:
    return [await plane.queue_exists(f"{name}-{number}") for number in range(ROUNDS)]


async def test_connection_survives_channels_that_the_broker_closes_while_others_are_busy(
    namespace: Namespace,
) -> None:
    """A close that is not answered, or a number used again before it is, costs every stream."""
    async with open_plane(settings(namespace.url)) as plane:
        channels = [await plane.channel() for _ in range(STREAMS)]
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for channel in channels:
                tasks.create_task(publish_on(channel, enough))
            answers = await asyncio.gather(
                *(ask_for_missing_queues(plane, f"missing{number}") for number in range(STREAMS))
            )
            enough.set()
        assert answers == [[None] * ROUNDS] * STREAMS
        assert not plane.is_lost
