"""Receives events on a queue of its own, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from pamqp.common import FieldTable

from speechmq.broker.amqp.error_map import translated
from speechmq.errors import BrokerLost, LogMissing, QueueMissing
from speechmq_schemas import AmqpMessage

from .received import Received, receive

SETUP_SECONDS = 10.0
PREFETCH = 256

# A listener that stands still (a stopped terminal) is not to fill the broker: the oldest go first.
QUEUE_LIMIT = 100_000


class Subscription:
    """Events as they come, for one reader; made by ``subscribe`` or by ``replay``.

    Iterating never ends by itself. It raises ``BrokerLost`` when nothing can come any more. Events
    of others than ``stream_id`` are passed over.
    """

    def __init__(self, stream_id: str | None = None) -> None:
        self._stream_id = stream_id
        self._clock = asyncio.get_running_loop().time
        # Bounded by the prefetch: a message is acknowledged when it is taken out.
        self._arrived: asyncio.Queue[tuple[AbstractIncomingMessage, float] | None] = asyncio.Queue()

    async def take(self, message: AbstractIncomingMessage) -> None:
        """aio-pika runs a task per message: order holds because nothing is awaited here."""
        self._arrived.put_nowait((message, self._clock()))

    def close(self, *_: object) -> None:
        """The queue, the channel or the connection is gone."""
        self._arrived.put_nowait(None)

    def __aiter__(self) -> AsyncIterator[Received]:
        return self

    async def __anext__(self) -> Received:
        while True:
            received = await self._next()
            if self._stream_id in (None, received.stream_id):
                return received

    async def _next(self) -> Received:
        arrived = await self._arrived.get()
        if arrived is None:
            raise BrokerLost("the connection to RabbitMQ was lost while listening to events")
        message, at = arrived
        with translated("acknowledging an event"):
            await message.ack()
        return receive(from_aio_pika(message), at)


async def subscribe(
    connection: AbstractConnection, exchange: str, stream_id: str | None = None
) -> Subscription:
    """Listens to one stream or to all; from the return on, no event is missed.

    The queue goes with the connection. Raises ``ExchangeMissing``, ``BrokerError``.
    """
    subscription = Subscription()
    key = "#" if stream_id is None else f"#.{stream_id}"
    with translated("subscribing to events"):
        channel = await _channel(connection, subscription)
        source = await channel.get_exchange(exchange)
        queue = await channel.declare_queue(
            exclusive=True,
            auto_delete=True,
            arguments={"x-max-length": QUEUE_LIMIT},
            timeout=SETUP_SECONDS,
        )
        await queue.bind(source, key, timeout=SETUP_SECONDS)
        await queue.consume(subscription.take, timeout=SETUP_SECONDS)
    return subscription


async def replay(
    connection: AbstractConnection, log: str, stream_id: str | None = None
) -> Subscription:
    """Reads the transcript log from its first event on, and goes on with what is added to it.

    Raises ``LogMissing``, ``BrokerError``.
    """
    subscription = Subscription(stream_id)
    first: FieldTable = {"x-stream-offset": "first"}
    try:
        with translated("reading the transcript log"):
            channel = await _channel(connection, subscription)
            queue = await channel.get_queue(log)
            await queue.consume(subscription.take, arguments=first, timeout=SETUP_SECONDS)
    except QueueMissing as error:
        raise LogMissing(log) from error
    return subscription


async def _channel(connection: AbstractConnection, subscription: Subscription) -> AbstractChannel:
    channel = connection.channel()
    await channel.initialize(timeout=SETUP_SECONDS)
    channel.close_callbacks.add(subscription.close)
    (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(subscription.close)
    await channel.set_qos(prefetch_count=PREFETCH, timeout=SETUP_SECONDS)
    return channel


def from_aio_pika(message: AbstractIncomingMessage) -> AmqpMessage:
    """The message as the contract sees it."""
    return AmqpMessage(
        routing_key=message.routing_key or "",
        type=message.type or "",
        body=message.body,
        headers=message.headers,
        content_type=message.content_type or "",
        message_id=message.message_id,
        correlation_id=message.correlation_id,
    )
