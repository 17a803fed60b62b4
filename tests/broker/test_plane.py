"""The data plane's connection survives whatever the broker closes on it."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest
from aiormq.abc import AbstractChannel
from tests.support.broker import Namespace
from tests.support.tcp_proxy import proxying, through

from speechmq.broker.plane import DataPlane, close_quietly, open_plane
from speechmq.settings import BrokerSettings

STREAMS = 40
ROUNDS = 40


def settings(url: str, **more: float) -> BrokerSettings:
    return BrokerSettings.model_validate({"url": url, **more})


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


async def test_connection_survives_questions_that_are_cut_short(namespace: Namespace) -> None:
    """The client would say goodbye because nobody waits, while the broker says it because the
    queue is missing."""
    async with open_plane(settings(namespace.url)) as plane:
        for round_ in range(ROUNDS * 2):
            asking = [
                asyncio.create_task(plane.queue_exists(f"missing{number}"))
                for number in range(STREAMS)
            ]
            for _ in range(round_ % ROUNDS):
                await asyncio.sleep(0)
            for question in asking[::2]:
                question.cancel()
            answers = await asyncio.gather(*asking, return_exceptions=True)
            assert answers[1::2] == [None] * (STREAMS // 2)
        assert not plane.is_lost


async def test_goodbye_of_a_channel_is_said_once_however_slow_the_broker(
    namespace: Namespace, caplog: pytest.LogCaptureFixture
) -> None:
    """The client would say it again when a heartbeat has passed, for which it has this warning."""
    parts = urlsplit(namespace.url)
    async with (
        proxying((parts.hostname or "", parts.port or 5672)) as proxy,
        open_plane(settings(through(proxy, namespace.url), heartbeat=1)) as plane,
    ):
        channel, other = await plane.channel(), await plane.channel()
        proxy.swallow()
        closing = asyncio.create_task(close_quietly(channel))
        await asyncio.sleep(1.2)  # longer than the client's own patience
        proxy.heal()
        await closing
        await other.queue_declare(exclusive=True)
        assert not plane.is_lost
    assert [one.message for one in caplog.records if one.name == "aiormq.channel"] == []
