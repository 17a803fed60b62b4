"""Publishes a stream's messages with confirms, several under way at once, in order."""

from __future__ import annotations

import asyncio

from aio_pika import Connection, DeliveryMode, Message
from aio_pika.abc import AbstractConnection, AbstractExchange

from speechmq.broker.amqp.error_map import translated
from speechmq.errors import MessageNacked, MessageRefused, MessageReturned
from speechmq_schemas import AmqpMessage

UNCONFIRMED = 64
CONFIRM_SECONDS = 10.0


class Publisher:
    """Made by ``open_publisher``. A refused message fails the task group that it was given."""

    def __init__(
        self, exchange: AbstractExchange, tasks: asyncio.TaskGroup, user: str | None = None
    ) -> None:
        self._exchange = exchange
        self._user = user
        self._tasks = tasks
        self._window = asyncio.Semaphore(UNCONFIRMED)

    async def post(self, message: AmqpMessage) -> None:
        """Puts a message on its way; returns when fewer than ``UNCONFIRMED`` are before it.

        Tasks start in the order of their making and aiormq's lock is fair, so the order holds.
        """
        await self._window.acquire()
        self._tasks.create_task(self._confirm(message))

    async def _confirm(self, message: AmqpMessage) -> None:
        try:
            await self.publish(message)
        finally:
            self._window.release()

    async def publish(self, message: AmqpMessage) -> None:
        """Returns when RabbitMQ has taken responsibility for the message.

        Raises ``MessageRefused`` for a nack or a return, ``BrokerError`` after
        ``CONFIRM_SECONDS``, ``BrokerError``.
        """
        name = _name(message)
        try:
            with translated(f"publishing {name}"):
                await self._exchange.publish(
                    to_aio_pika(message, self._user), message.routing_key, timeout=CONFIRM_SECONDS
                )
        except MessageReturned as error:
            raise MessageRefused(
                f"RabbitMQ returned {name}: no queue takes the key {message.routing_key!r} on "
                f"{self._exchange.name!r}. Has a worker declared its queues, and do all nodes of "
                "the broker run?"
            ) from error
        except MessageNacked as error:
            raise MessageRefused(
                f"RabbitMQ refused {name}: its queue is full, as it gets when no worker has "
                "room for the stream, or not available. Start another worker and send again"
            ) from error


async def open_publisher(
    connection: AbstractConnection, exchange: str, tasks: asyncio.TaskGroup
) -> Publisher:
    """A publisher to an exchange of the worker's; raises ``ExchangeMissing``, ``BrokerError``."""
    with translated("opening a channel"):
        channel = connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.initialize(timeout=CONFIRM_SECONDS)
        found = await channel.get_exchange(exchange)
        user = connection.url.user if isinstance(connection, Connection) else None
        return Publisher(found, tasks, user)


def to_aio_pika(message: AmqpMessage, user: str | None = None) -> Message:
    """``user`` is that of the connection: workers may count the streams of each."""
    return Message(
        message.body,
        type=message.type,
        headers=dict(message.headers),
        content_type=message.content_type,
        correlation_id=message.correlation_id,
        message_id=message.message_id,
        user_id=user,
        delivery_mode=DeliveryMode.PERSISTENT,
    )


def _name(message: AmqpMessage) -> str:
    seq = message.headers.get("seq")
    return message.type if seq is None else f"{message.type} {seq}"
