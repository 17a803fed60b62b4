"""Deliveries are put together from their frames; what is no delivery is the client's."""

from __future__ import annotations

from typing import Any

from aiormq.abc import DeliveredMessage
from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.frame import FrameTypes
from pamqp.header import ContentHeader

from speechmq.broker.amqp.channel import Inbox


def delivery(tag: int, consumer: str = "ours") -> spec.Basic.Deliver:
    return spec.Basic.Deliver(consumer, tag, exchange="in", routing_key="stream.one")


def header(size: int) -> ContentHeader:
    properties = spec.Basic.Properties(message_type="AudioChunk")
    return ContentHeader(properties=properties, body_size=size)


async def put(frames: list[FrameTypes]) -> tuple[list[tuple[int, bytes]], list[FrameTypes]]:
    """What was delivered, and what was left to the client."""
    delivered: list[tuple[int, bytes]] = []

    def receive(message: DeliveredMessage) -> None:
        delivered.append((message.delivery_tag or 0, message.body))

    channel: Any = None
    inbox = Inbox(channel, {"ours": receive})
    for frame in frames:
        await inbox.put((0, frame))
    return delivered, [inbox.get_nowait()[1] for _ in range(inbox.qsize())]


async def test_bodies_come_whole_whatever_they_were_cut_into() -> None:
    parts: list[FrameTypes] = [ContentBody(b"ab"), ContentBody(b"c"), ContentBody(b"def")]
    frames: list[FrameTypes] = [delivery(1), header(0), delivery(2), header(3)]
    frames += [ContentBody(b"one"), delivery(3)]
    delivered, left = await put([*frames, header(6), *parts])
    assert delivered == [(1, b""), (2, b"one"), (3, b"abcdef")]
    assert left == []


async def test_all_else_is_the_clients_in_its_order() -> None:
    answer, confirm = spec.Queue.DeclareOk("q", 1, 2), spec.Basic.Ack(delivery_tag=4)
    others: list[FrameTypes] = [delivery(7, "theirs"), header(2), ContentBody(b"xy")]
    got: list[FrameTypes] = [spec.Basic.GetOk(9), header(1), ContentBody(b"z")]
    ours: list[FrameTypes] = [delivery(1), header(1), ContentBody(b"a")]
    delivered, left = await put([answer, *others, *ours, confirm, *got])
    assert delivered == [(1, b"a")]
    assert left == [answer, *others, confirm, *got]


async def test_confirm_waits_for_what_came_before_it() -> None:
    """A message that came back is told by the client, from a task; its confirm says nothing."""
    confirmed: list[spec.Basic.Ack] = []

    class Channel:
        def confirm(self, confirm: spec.Basic.Ack) -> None:
            confirmed.append(confirm)

    channel: Any = Channel()
    inbox = Inbox(channel, {})
    first, second, third = (spec.Basic.Ack(delivery_tag=tag) for tag in (1, 2, 3))
    returned = spec.Basic.Return(312, "NO_ROUTE", "", "none")
    for frame in (first, returned, second):
        await inbox.put((0, frame))
    assert confirmed == [first]
    assert [inbox.get_nowait()[1] for _ in range(2)] == [returned, second]
    await inbox.put((0, third))
    assert confirmed == [first, third]
