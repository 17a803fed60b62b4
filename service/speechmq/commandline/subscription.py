"""Receives events on a queue of its own, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from speechmq.errors import BrokerLost
from speechmq_schemas import AmqpMessage

from .connection import broker_errors, declared_exchange
from .received import Received, receive

SETUP_SECONDS = 10.0
PREFETCH = 256

# A listener that stands still (a stopped terminal) is not to fill the broker: the oldest go first.
QUEUE_LIMIT = 100_000


class Subscription:
    """Events as they come, for one reader; made by ``subscribe``.

    Iterating never ends by itself. It raises ``BrokerLost`` when nothing can come any more.
    """

    def __init__(self) -> None:
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
        arrived = await self._arrived.get()
        if arrived is None:
            raise BrokerLost("the connection to RabbitMQ was lost while listening to events")
        message, at = arrived
        with broker_errors("acknowledging an event"):
            await message.ack()
        return receive(_from_aio_pika(message), at)


async def subscribe(
    connection: AbstractConnection, exchange: str, stream_id: str | None = None
) -> Subscription:
    """Listens to one stream or to all; from the return on, no event is missed.

    The queue goes with the connection. Raises ``ExchangeMissing``, ``BrokerLost``.
    """
    subscription = Subscription()
    key = "#" if stream_id is None else f"#.{stream_id}"
    with broker_errors("subscribing to events"):
        channel = connection.channel()
        await channel.initialize(timeout=SETUP_SECONDS)
        channel.close_callbacks.add(subscription.close)
        (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(subscription.close)
        await channel.set_qos(prefetch_count=PREFETCH, timeout=SETUP_SECONDS)
        source = await declared_exchange(channel, exchange)
        queue = await channel.declare_queue(
            exclusive=True,
            auto_delete=True,
            arguments={"x-max-length": QUEUE_LIMIT},
            timeout=SETUP_SECONDS,
        )
        await queue.bind(source, key, timeout=SETUP_SECONDS)
        await queue.consume(subscription.take, timeout=SETUP_SECONDS)
    return subscription


def _from_aio_pika(message: AbstractIncomingMessage) -> AmqpMessage:
    return AmqpMessage(
        routing_key=message.routing_key or "",
        type=message.type or "",
        body=message.body,
        headers=message.headers,
        content_type=message.content_type or "",
        message_id=message.message_id,
        correlation_id=message.correlation_id,
    )
