"""The data plane's connection survives whatever the broker closes on it."""

from __future__ import annotations

import asyncio
import random
from urllib.parse import urlsplit

import pamqp.frame
import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelInvalidStateError, DeliveryError, PublishError
from pamqp import commands as spec
from pamqp.common import FieldValue
from pamqp.frame import FrameTypes
from tests.support.broker import Namespace
from tests.support.tcp_proxy import proxying, through

from speechmq.broker.amqp.plane import DataPlane, close_quietly, open_plane
from speechmq.settings import BrokerSettings
from speechmq_schemas import AudioChunk
from speechmq_schemas.amqp import from_command

STREAMS = 40
RANDOM = random.Random(8)
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


async def test_events_are_confirmed_refused_or_returned_as_the_client_would_tell(
    namespace: Namespace,
) -> None:
    """By the short way: also a body of several frames, and behind what nobody waits for."""
    properties = spec.Basic.Properties(message_id="one/1/1")
    large = bytes(range(256)) * 2000
    async with asyncio.timeout(30), open_plane(settings(namespace.url)) as plane:
        channel = await plane.channel()
        await channel.queue_declare("whole", exclusive=True)
        full: dict[str, FieldValue] = {"x-max-length": 0, "x-overflow": "reject-publish"}
        await channel.queue_declare("full", exclusive=True, arguments=full)
        channel.publish_unconfirmed(b"first", properties, exchange="", routing_key="whole")
        channel.publish_unconfirmed(b"lost", properties, exchange="", routing_key="missing")
        await channel.publish(large, properties, exchange="", routing_key="whole", mandatory=True)
        with pytest.raises(PublishError):
            await channel.publish(b"", properties, exchange="", routing_key="none", mandatory=True)
        with pytest.raises(DeliveryError):
            await channel.publish(b"", properties, exchange="", routing_key="full")
        await channel.publish(b"last", properties, exchange="", routing_key="whole")
        received: list[DeliveredMessage] = []
        has_all = asyncio.Event()

        def receive(message: DeliveredMessage) -> None:
            received.append(message)
            if message.body == b"last":
                channel.acknowledge(message.delivery_tag or 0)
                has_all.set()

        await channel.consume("whole", receive)
        await has_all.wait()
        await close_quietly(channel)
        with pytest.raises(ChannelInvalidStateError):
            channel.publish_unconfirmed(b"late", properties, exchange="", routing_key="whole")
        assert not plane.is_lost
    assert [message.body for message in received] == [b"first", large, b"last"]


async def test_chunks_and_confirms_reach_their_channel_past_the_client(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client would decode each of their frames, and wake a task for it."""
    decoded: list[str] = []
    unmarshal = pamqp.frame.unmarshal

    def unmarshal_and_note(data: bytes) -> tuple[int, int, FrameTypes]:
        result = unmarshal(data)
        decoded.append(result[2].name)
        return result

    monkeypatch.setattr(pamqp.frame, "unmarshal", unmarshal_and_note)
    count = 200
    received: list[bytes] = []
    async with asyncio.timeout(30), open_plane(settings(namespace.url)) as plane:
        channel = await plane.channel()
        await channel.queue_declare("audio", exclusive=True)
        has_all = asyncio.Event()

        def receive(message: DeliveredMessage) -> None:
            received.append(message.body)
            if len(received) == count:
                has_all.set()

        await channel.consume("audio", receive)
        for seq in range(count):
            chunk = from_command("one", AudioChunk(seq=seq + 1), bytes([seq]) * 640)
            properties = spec.Basic.Properties(
                content_type=chunk.content_type,
                message_type=chunk.type,
                headers=dict(chunk.headers),
                delivery_mode=2,
            )
            await channel.publish(chunk.body, properties, exchange="", routing_key="audio")
        await has_all.wait()
    assert received == [bytes([seq]) * 640 for seq in range(count)]
    of_messages = {"Basic.Deliver", "Basic.Ack", "ContentHeader", "ContentBody"}
    assert "Queue.DeclareOk" in decoded
    assert of_messages.isdisjoint(decoded)


async def test_each_of_many_events_at_once_has_its_own_answer(namespace: Namespace) -> None:
    """Confirms may be for several at once; what comes back does so before its confirm."""
    async with asyncio.timeout(60), open_plane(settings(namespace.url)) as plane:
        channel = await plane.channel()
        await channel.queue_declare("whole", exclusive=True)
        full: dict[str, FieldValue] = {"x-max-length": 0, "x-overflow": "reject-publish"}
        await channel.queue_declare("full", exclusive=True, arguments=full)

        async def publish(number: int, queue: str) -> str:
            properties = spec.Basic.Properties(message_id=f"one/1/{number}")
            try:
                await channel.publish(
                    b"event", properties, exchange="", routing_key=queue, mandatory=True
                )
            except (PublishError, DeliveryError) as error:
                return type(error).__name__
            return "confirmed"

        answers = {"whole": "confirmed", "full": "DeliveryError", "none": "PublishError"}
        queues = [RANDOM.choice(list(answers)) for _ in range(1000)]
        found = await asyncio.gather(*(publish(*one) for one in enumerate(queues)))
        assert found == [answers[queue] for queue in queues]
        assert channel.confirmations == {}
