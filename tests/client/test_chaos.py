"""Connections cut and the broker killed while a call goes on: nothing is lost, nothing repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from tests.chaos.node import Node, own_node
from tests.client.support import backend, frames, until
from tests.support.broker import Namespace
from tests.support.speaker import RATE, said
from tests.support.tcp_proxy import proxying, through

from speechmq_client import AudioGap, Pressure, Publisher, Subscriber, Transcript

pytestmark = pytest.mark.timeout(300, func_only=True)


@dataclass
class Heard:
    """Every event that a subscriber brought, and what it came to."""

    positions: list[tuple[int, int]] = field(default_factory=list)
    gaps: int = 0
    transcript: Transcript | None = None


async def listen(subscriber: Subscriber, heard: Heard) -> None:
    """Up to the end of the stream; acknowledges a little late, as one who writes it down does."""
    async for delivery in subscriber:
        heard.positions.append((delivery.position.epoch, delivery.position.seq))
        heard.gaps += isinstance(delivery.event, AudioGap)
        heard.transcript = delivery.transcript
        await asyncio.sleep(0.01)
        await delivery.ack()
        if heard.transcript is not None and heard.transcript.state != "live":
            return


async def speak(publisher: Publisher, numbers: list[int]) -> None:
    """In real time, in frames of 20 ms."""
    loop = asyncio.get_running_loop()
    stream = await publisher.start_raw("one", sample_rate=RATE, max_delay=0.7)
    began = loop.time()
    for number, frame in enumerate(frames(numbers)):
        await asyncio.sleep(began + number * 0.02 - loop.time())
        await stream.send(frame)
    await stream.end()
    await stream.wait_ended(120.0)


async def conversation(urls: str | list[str], seconds: int, heard: Heard) -> list[str]:
    """The words that were sent."""
    numbers = list(range(1000, 1000 + 5 * seconds))
    async with (
        Subscriber(urls, queue="consumer.chaos") as subscriber,
        Publisher(urls, connect_timeout=60.0) as publisher,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(listen(subscriber, heard))
        tasks.create_task(speak(publisher, numbers))
    return said(numbers)


def assert_whole(heard: Heard, words: list[str]) -> None:
    assert heard.transcript is not None
    assert heard.transcript.state == "ended"
    assert [word.content for word in heard.transcript.words] == words
    assert len(set(heard.positions)) == len(heard.positions)
    assert heard.gaps == 0


@asynccontextmanager
async def cutting(url: str, every: float) -> AsyncIterator[tuple[str, list[float]]]:
    """The URL of a proxy that resets all its connections so often, and when it did."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    cuts: list[float] = []
    async with proxying((parts.hostname, parts.port)) as proxy:

        async def cut() -> None:
            while True:
                await asyncio.sleep(every)
                proxy.cut()
                cuts.append(asyncio.get_running_loop().time())

        task = asyncio.create_task(cut())
        try:
            yield through(proxy, url), cuts
        finally:
            task.cancel()


async def test_connection_cut_every_two_seconds_for_a_minute_costs_no_word(
    namespace: Namespace,
) -> None:
    heard = Heard()
    async with backend(namespace.url), cutting(namespace.url, every=2.0) as (url, cuts):
        words = await conversation(url, 60, heard)
    assert len(cuts) >= 25
    assert_whole(heard, words)


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with own_node() as found:
        yield found


async def test_broker_that_is_killed_costs_no_word(node: Node) -> None:
    heard, url = Heard(), node.broker.url
    async with backend(url), asyncio.TaskGroup() as tasks:
        talking = tasks.create_task(conversation(["amqp://127.0.0.1:1/", url], 20, heard))
        await until(lambda: len(heard.positions) > 20, within=120.0)
        await asyncio.sleep(6.0)  # RabbitMQ 3.10 loses a queue that was declared just now
        await node.broker.kill()
        await node.broker.start()
    assert_whole(heard, await talking)


async def test_blocked_broker_is_reported_and_costs_no_word(node: Node) -> None:
    heard, url = Heard(), node.broker.url
    pressures: list[Pressure] = []
    numbers = list(range(100, 160))
    async with (
        backend(url),
        Subscriber(url) as subscriber,
        Publisher(url, on_pressure=lambda _, pressure: pressures.append(pressure)) as publisher,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(listen(subscriber, heard))
        talking = tasks.create_task(speak(publisher, numbers))
        await until(lambda: len(heard.positions) > 10, within=60.0)
        await node.raise_alarm()
        await until(lambda: Pressure.BLOCKED in pressures)
        await node.clear_alarm()
        await talking
    assert pressures.index(Pressure.BLOCKED) > pressures.index(Pressure.NONE)
    assert_whole(heard, said(numbers))
