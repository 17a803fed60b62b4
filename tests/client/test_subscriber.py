"""Subscribers against a real broker; the events are published by the tests themselves."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from tests.client.support import NAMES, exchanges, until
from tests.support.broker import Namespace
from tests.support.tcp_proxy import proxying, through

from speechmq_client import (
    ArgumentsDiffer,
    Delivery,
    EndOfUtterance,
    ExchangeMissing,
    FinalTranscript,
    Subscriber,
)
from speechmq_schemas import Event, from_event

pytestmark = pytest.mark.timeout(60)


def final(number: int, text: str = "word ") -> FinalTranscript:
    return FinalTranscript(
        stream_id="one",
        segment_id=number,
        start_time=number - 1.0,
        end_time=float(number),
        transcript=text,
        results=[],
    )


async def publish(channel: AbstractChannel, event: Event, seq: int) -> None:
    message = from_event(event, epoch=1, seq=seq)
    events = await channel.get_exchange(NAMES.events)
    await events.publish(
        aio_pika.Message(
            message.body,
            type=message.type,
            headers=dict(message.headers),
            message_id=message.message_id,
            delivery_mode=2,
        ),
        message.routing_key,
    )


async def test_events_come_in_order_with_their_transcript(namespace: Namespace) -> None:
    async with exchanges(namespace.url) as channel, Subscriber(namespace.url) as subscriber:
        for number in (1, 2, 2, 3):
            await publish(channel, final(number), seq=number)
        got: list[tuple[int, str]] = []
        async with asyncio.timeout(20.0):
            while len(got) < 3:
                delivery = await anext(subscriber)
                assert delivery.transcript is not None
                got.append((delivery.position.seq, delivery.transcript.text))
                await delivery.ack()
        assert subscriber.unacknowledged == 0
    assert got == [(1, "word"), (2, "word word"), (3, "word word word")]


async def test_only_what_is_asked_for_comes(namespace: Namespace) -> None:
    pause = EndOfUtterance(stream_id="one", start_time=1.0, end_time=1.0)
    async with (
        exchanges(namespace.url) as channel,
        Subscriber(
            namespace.url, stream_id="one", events=[FinalTranscript], skip_empty=True
        ) as subscriber,
    ):
        await publish(channel, pause, seq=1)
        await publish(channel, final(1, ""), seq=2)
        await publish(channel, final(2).model_copy(update={"stream_id": "two"}), seq=1)
        await publish(channel, final(2), seq=3)
        async with asyncio.timeout(20.0):
            delivery = await anext(subscriber)
    assert delivery.event == final(2)


async def test_connection_that_is_cut_repeats_nothing_and_loses_nothing(
    namespace: Namespace,
) -> None:
    parts = urlsplit(namespace.url)
    assert parts.hostname
    assert parts.port
    async with (
        exchanges(namespace.url) as channel,
        proxying((parts.hostname, parts.port)) as proxy,
        Subscriber(through(proxy, namespace.url), prefetch=8) as subscriber,
    ):
        in_hand: list[Delivery] = []
        seen: list[int] = []
        for number in range(1, 41):
            await publish(channel, final(number), seq=number)
            if number % 10 == 0:
                proxy.cut()
        async with asyncio.timeout(40.0):
            while len(seen) < 40:
                in_hand.append(await anext(subscriber))
                seen.append(in_hand[-1].position.seq)
                if len(in_hand) == 5:
                    proxy.cut()  # with five in hand
                    for delivery in in_hand:
                        await delivery.ack()
                    in_hand.clear()
        await until(lambda: subscriber.unacknowledged == 0)
    assert seen == list(range(1, 41))


async def test_unacknowledged_event_comes_again_to_the_next_subscriber(
    namespace: Namespace,
) -> None:
    async with exchanges(namespace.url) as channel:
        async with Subscriber(namespace.url, queue="consumer.captions") as first:
            for number in (1, 2, 3):
                await publish(channel, final(number), seq=number)
            await (await anext(first)).ack()
            await anext(first)
        handled: list[int] = []

        async def handle(delivery: Delivery) -> None:
            handled.append(delivery.position.seq)
            if len(handled) == 1:
                raise ConnectionError("the database is away")
            if len(handled) == 3:
                raise asyncio.CancelledError

        async with Subscriber(namespace.url, queue="consumer.captions") as second:
            with pytest.raises(ConnectionError):
                await second.run(handle)
            with pytest.raises(asyncio.CancelledError):
                await second.run(handle)
    assert sorted(set(handled)) == [2, 3]
    assert len(handled) == 3


async def test_unreadable_event_is_rejected_and_the_next_one_comes(namespace: Namespace) -> None:
    async with exchanges(namespace.url) as channel, Subscriber(namespace.url) as subscriber:
        events = await channel.get_exchange(NAMES.events)
        await events.publish(aio_pika.Message(b"?", type="Nonsense"), "transcript.final.one")
        await publish(channel, final(1), seq=1)
        async with asyncio.timeout(20.0):
            assert (await anext(subscriber)).event == final(1)
        assert subscriber.unreadable == 1


async def test_temporary_queue_goes_with_its_subscriber(namespace: Namespace) -> None:
    async with exchanges(namespace.url):
        async with Subscriber(namespace.url):
            queues = await namespace.wait_for_queues(lambda seen: len(seen) == 1)
            assert [name.startswith("consumer.temporary.") for name in queues] == [True]
        await namespace.wait_for_queues(lambda seen: not seen)


async def test_queue_with_other_arguments_is_refused(namespace: Namespace) -> None:
    async with exchanges(namespace.url) as channel:
        await channel.declare_queue("consumer.captions", durable=True)
        with pytest.raises(ArgumentsDiffer, match=r"consumer\.captions"):
            async with Subscriber(namespace.url, queue="consumer.captions"):
                pass


async def test_subscriber_says_that_no_worker_was_there(namespace: Namespace) -> None:
    with pytest.raises(ExchangeMissing):
        async with Subscriber(namespace.url, connect_timeout=1.0):
            pass
