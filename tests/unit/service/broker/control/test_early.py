"""The lane of early audio: who probes, who waits, and when all go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ConnectionInternalError, PublishError
from pamqp import commands as spec
from pamqp.header import ContentHeader

from speechmq.broker.control.early import MOST_LOSSES, REST, SINCE, EarlyAudio, Lane
from speechmq.errors import QueueUnavailable
from speechmq_schemas import AmqpMessage, Names


class ChannelWithoutQueue:
    """Returns what is published until ``open``; then every publish waits for ``confirm``."""

    def __init__(self) -> None:
        self.is_open = False
        self.returned = 0
        self.under_way: list[bytes] = []
        self.confirm = asyncio.Event()
        self.changed = asyncio.Condition()

    async def channel(self) -> ChannelWithoutQueue:
        return self

    async def basic_publish(self, body: bytes, *, routing_key: str, **_: Any) -> None:
        async with self.changed:
            if self.is_open:
                self.under_way.append(body)
            else:
                self.returned += 1
            self.changed.notify_all()
        if not self.is_open:
            raise returned(routing_key)
        await self.confirm.wait()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10.0), self.changed:
            await self.changed.wait_for(lambda: len(self.under_way) >= count)


def returned(routing_key: str) -> PublishError:
    frame = spec.Basic.Return(312, "NO_ROUTE", "", routing_key)
    message = DeliveredMessage(frame, ContentHeader(), b"", None)  # type: ignore[arg-type]
    return PublishError(message, frame)


async def gone(_queue: str) -> int | None:
    return None


def early_audio(
    channel: Any,
    *,
    wait: float,
    clock: Callable[[], float],
    look: Callable[[str], Awaitable[int | None]] = gone,
) -> EarlyAudio:
    return EarlyAudio(channel, Names(), wait=wait, clock=clock, max_bytes=1000, look=look)


def chunk(number: int) -> AmqpMessage:
    return AmqpMessage("stream.s", "AudioChunk", bytes([number]), {"seq": number})


async def test_all_that_wait_go_at_once_when_the_stream_has_its_queue() -> None:
    channel: Any = ChannelWithoutQueue()
    early = early_audio(channel, wait=30.0, clock=lambda: 0.0)
    async with asyncio.TaskGroup() as tasks:
        for number in range(1, 51):
            tasks.create_task(early.forward(chunk(number)))
        async with asyncio.timeout(10.0), channel.changed:
            await channel.changed.wait_for(lambda: channel.returned)
        assert channel.returned == 1
        channel.is_open = True
        await channel.until(1)
        channel.confirm.set()
        await channel.until(50)
    assert sorted(channel.under_way) == [bytes([number]) for number in range(1, 51)]


async def test_those_behind_the_first_do_not_wait_for_each_others_confirms() -> None:
    channel: Any = ChannelWithoutQueue()
    channel.is_open = True
    early = early_audio(channel, wait=30.0, clock=lambda: 0.0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(early.forward(chunk(1)))
        await channel.until(1)
        for number in range(2, 51):
            tasks.create_task(early.forward(chunk(number)))
        channel.confirm.set()
        channel.confirm = asyncio.Event()
        await channel.until(50)
        channel.confirm.set()


async def test_old_message_is_not_given_up_without_a_look_whether_the_stream_has_its_queue() -> (
    None
):
    channel: Any = ChannelWithoutQueue()
    early = early_audio(channel, wait=0.01, clock=lambda: 1000.0)
    lane = early._lanes.setdefault("s", Lane())
    channel.is_open = True
    channel.confirm.set()
    async with lane.lock:  # the others of its stream are slow
        await early.forward(replace(chunk(7), headers={"seq": 7, SINCE: 0}))
    assert channel.under_way == [bytes([7])]


async def test_old_message_whose_queue_is_on_a_node_that_is_down_is_not_given_up() -> None:
    """RabbitMQ returns it as if there were no queue; only a look tells."""

    async def look(queue: str) -> int | None:
        raise QueueUnavailable("its node is down", reply_code=404, reply_text="", queue=queue)

    channel: Any = ChannelWithoutQueue()
    channel.confirm.set()
    early = early_audio(channel, wait=0.01, clock=lambda: 1000.0, look=look)
    lane = early._lanes.setdefault("s", Lane())
    async with lane.lock:
        with pytest.raises(QueueUnavailable):
            await early.forward(replace(chunk(7), headers={"seq": 7, SINCE: 0}))


class DeadlyQueue:
    """A connection that is lost whenever something is published to the queue of stream ``bad``."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []

    async def channel(self) -> DeadlyQueue:
        return self

    async def basic_publish(self, body: bytes, *, routing_key: str, **_: Any) -> None:
        if routing_key == "speechmq.stream.bad":
            raise ConnectionInternalError("INTERNAL_ERROR")
        self.published.append((routing_key, body))


async def test_stream_whose_queue_costs_the_connection_again_and_again_rests() -> None:
    """The first loss blames nobody: others may have been under way. Others go on meanwhile."""
    side: Any = DeadlyQueue()
    now = 100.0
    early = early_audio(side, wait=0.01, clock=lambda: now)
    bad, good = AmqpMessage("stream.bad", "AudioChunk", b"bad"), chunk(1)
    for _ in range(1 + MOST_LOSSES):
        with pytest.raises(QueueUnavailable):
            await early.forward(bad)
        await early.forward(good)
    await early.forward(bad)
    assert side.published == [
        *[("speechmq.stream.s", good.body)] * (1 + MOST_LOSSES),
        ("stream.bad", b"bad"),
    ]
    now += REST
    with pytest.raises(QueueUnavailable):  # which is tried again, and rests again
        await early.forward(bad)
    await early.forward(bad)
    assert side.published[-1] == ("stream.bad", b"bad")
    assert len(side.published) == 3 + MOST_LOSSES
