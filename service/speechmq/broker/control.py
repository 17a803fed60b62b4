"""The control plane: FastStream subscribers for starts, early audio and requests for keys.

They take messages off their queues and settle them; what is done with a message is for admission,
the early lane and the key requests to say. Audio on its way to a recogniser never passes here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from aio_pika import IncomingMessage
from aiormq.exceptions import AMQPError
from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

from speechmq_schemas import AmqpMessage, Names

from ..errors import BrokerError, BrokerLost
from ..settings import Settings
from .admission import Admission
from .early import EarlyAudio
from .key_requests import KeyRequests
from .plane import broker_url
from .status import UnownedStatus, is_status_question

log = logging.getLogger(__name__)

STARTS_AT_ONCE = 16
EARLY_AT_ONCE = 2000
KEY_REQUESTS_AT_ONCE = 16
# Between a failure of the data plane and the next try, so that a start does not spin.
PAUSE = 0.5
# Longest wait, in seconds, for messages in hand when the plane stops.
GRACE = 5.0

Message = StreamMessage[IncomingMessage]


async def _as_it_came(message: Message) -> Message:
    return message


class ControlPlane:
    """Delivers starts to ``admission``, early audio to ``early``, requests to ``keys``, and to
    ``unowned`` what is asked about streams that no worker has."""

    def __init__(
        self,
        settings: Settings,
        admission: Admission,
        early: EarlyAudio,
        unowned: UnownedStatus,
        keys: KeyRequests,
    ) -> None:
        self._admission = admission
        self._early = early
        self._unowned = unowned
        self._keys = keys
        names = Names(settings.broker.namespace)
        # Without types and with the message for its own body, FastStream runs a handler right in
        # the delivery's task; resolving parameters would hop through a thread and lose the order.
        self._broker = RabbitBroker(
            # A frozen worker must not keep starts and early audio for longer than its streams.
            str(broker_url(settings.broker)),
            apply_types=False,
            decoder=_as_it_came,
            ack_policy=AckPolicy.MANUAL,
            graceful_timeout=GRACE,
            logger=None,
            on_close=[self._on_close],
        )
        self._closed = asyncio.Event()
        self._subscribe(names.start, STARTS_AT_ONCE, self._on_start)
        self._subscribe(names.early, EARLY_AT_ONCE, self._on_early)
        self._subscribe(names.temporary_key, KEY_REQUESTS_AT_ONCE, self._on_key_request)

    def _subscribe(self, queue: str, prefetch: int, receive: Callable[[Message], Any]) -> None:
        """The queue's arguments are the topology's to declare.

        FastStream would answer whatever bears a ``reply_to`` by itself, with nothing, and to any
        queue that a stranger names.
        """
        subscriber = self._broker.subscriber(
            RabbitQueue(queue, declare=False),
            channel=Channel(prefetch_count=prefetch),
            no_reply=True,
        )
        subscriber(receive)

    async def start(self) -> None:
        """Raises ``BrokerError`` when there is no broker to talk to."""
        try:
            await self._broker.start()
        except (AMQPError, OSError) as error:
            raise BrokerError(f"the control plane cannot reach RabbitMQ: {error}") from error

    def _on_close(self, *_: object) -> None:
        self._closed.set()

    async def fail_when_lost(self) -> NoReturn:
        """Raises ``BrokerLost``. FastStream would reconnect by itself, but may come back without
        its consumers; a control plane that was lost is made anew instead."""
        await self._closed.wait()
        raise BrokerLost("the connection of the control plane is gone")

    async def stop(self) -> None:
        """Takes no more messages, and waits for those in hand. A connection that is gone already
        makes FastStream raise here what nobody needs to know twice."""
        try:
            await self._broker.stop()
        except* (AMQPError, OSError, RuntimeError) as group:
            log.debug("the control plane was gone before it was stopped: %s", group)

    async def _on_start(self, message: Message) -> None:
        await self._settle(message, self._admission.admit)

    async def _on_early(self, message: Message) -> None:
        """Audio of a stream without a queue, or a question about one without an owner."""
        is_question = is_status_question(message.raw_message.routing_key or "")
        await self._settle(message, self._unowned.answer if is_question else self._early.forward)

    async def _on_key_request(self, message: Message) -> None:
        await self._settle(message, self._keys.answer)

    async def _settle(
        self, message: Message, work: Callable[[AmqpMessage, bool], Awaitable[None]]
    ) -> None:
        """Gives the message back when the data plane cannot take it now."""
        raw = message.raw_message
        try:
            await work(read_message(raw), bool(raw.redelivered))
        except BrokerLost as error:
            log.warning("a message goes back to its queue: %s", error)
            await asyncio.sleep(PAUSE)
            await message.nack()
        else:
            await message.ack()


def read_message(raw: IncomingMessage) -> AmqpMessage:
    """The message as the contract sees it."""
    return AmqpMessage(
        routing_key=raw.routing_key or "",
        type=raw.type or "",
        body=raw.body,
        headers=dict(raw.headers),
        content_type=raw.content_type or "",
        correlation_id=raw.correlation_id,
        reply_to=raw.reply_to,
    )
