"""The control plane: FastStream subscribers for starts, early audio and requests for keys.

They take messages off their queues and settle them; what is done with a message is for admission,
the early lane and the key requests to say. Audio on its way to a recogniser never passes here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, cast

from aio_pika import IncomingMessage
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import AMQPError
from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from yarl import URL

from speechmq_schemas import AmqpMessage, Names
from speechmq_schemas.dead_letters import DROPPED

from ...errors import BrokerError, BrokerLost
from ...settings import Settings
from ...telemetry.logs import describe, get_logger
from ..amqp.error_map import answered, translated
from ..amqp.plane import disconnect, fail_when_closed
from ..amqp.side_channel import SideChannel
from ..dead_letters import RejectedMessage, dead_letter
from .admission import Admission
from .early import EarlyAudio
from .key_requests import KeyRequests
from .status import UnownedStatus, is_status_question

log = get_logger(__name__)

STARTS_AT_ONCE = 16
KEY_REQUESTS_AT_ONCE = 16
# Between a failure of the data plane and the next try, so that a start does not spin.
PAUSE = 0.5


async def _as_it_came(message: StreamMessage[IncomingMessage]) -> IncomingMessage:
    """The client's own. FastStream's keeps what a decoder makes of it: returned itself, it and its
    body would stay until somebody looks for garbage."""
    return message.raw_message


class ControlPlane:
    """Delivers starts to ``admission``, early audio to ``early``, requests to ``keys``, and to
    ``unowned`` what is asked about streams that no worker has.

    ``url`` is the address that let the data plane in.
    """

    def __init__(
        self,
        settings: Settings,
        admission: Admission,
        early: EarlyAudio,
        unowned: UnownedStatus,
        keys: KeyRequests,
        *,
        side: SideChannel,
        url: URL,
    ) -> None:
        self._connect_timeout = settings.broker.connect_timeout
        self._side = side
        self._admission = admission
        self._early = early
        self._unowned = unowned
        self._keys = keys
        names = self._names = Names(settings.broker.namespace)
        # Without types and with the client's message for a body, FastStream runs a handler right in
        # the delivery's task; resolving parameters would hop through a thread and lose the order.
        self._broker = RabbitBroker(
            # A frozen worker must not keep starts and early audio for longer than its streams.
            str(url),
            apply_types=False,
            decoder=_as_it_came,
            ack_policy=AckPolicy.MANUAL,
            logger=None,
            on_close=[self._on_close],
        )
        self._connection: AbstractConnection | None = None
        self._closed = asyncio.Event()
        self._in_hand: set[asyncio.Task[Any]] = set()
        self._is_giving_back = False
        self._subscribe(names.start, STARTS_AT_ONCE, self._on_start)
        self._subscribe(names.early, settings.worker.early_prefetch, self._on_early)
        self._subscribe(names.temporary_key, KEY_REQUESTS_AT_ONCE, self._on_key_request)

    def _subscribe(
        self, queue: str, prefetch: int, receive: Callable[[IncomingMessage], Any]
    ) -> None:
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
            async with answered(self._connect_timeout):
                self._connection = await self._broker.connect()
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

    async def fail_when_deserted(self) -> NoReturn:
        """Raises ``BrokerLost`` when the broker takes a consumer of ours away, of which FastStream
        says nothing. To be called once it has started."""
        async with asyncio.TaskGroup() as tasks:
            for subscriber in self._broker.subscribers:
                queue = subscriber._queue_obj  # type: ignore[attr-defined]  # noqa: SLF001
                channel = await queue.channel.get_underlay_channel()
                tasks.create_task(fail_when_closed(channel, f"the consumer of {queue.name}"))
        raise BrokerLost("the control plane has no consumers")

    async def stop(self) -> None:
        """Takes no more messages. Those in hand stay unsettled, for the broker to deliver again.

        Not by FastStream's own stop: that waits for them, while the streams of a lost plane wait
        for a new one; and where the connection went first it raises before it has closed it, so
        that a robust connection may come back to hold starts that nobody reads.
        """
        if self._connection is not None:
            await disconnect(self._connection)
        for task in self._in_hand:
            task.cancel()
        if self._in_hand:
            await asyncio.wait(self._in_hand)

    async def _on_start(self, message: IncomingMessage) -> None:
        await self._settle(message, self._names.start, self._admission.admit)

    async def _on_early(self, message: IncomingMessage) -> None:
        """Audio of a stream without a queue, or a question about one without an owner."""
        is_question = is_status_question(message.routing_key or "")
        work = self._unowned.answer if is_question else self._early.forward
        await self._settle(message, self._names.early, work)

    async def _on_key_request(self, message: IncomingMessage) -> None:
        await self._settle(message, self._names.temporary_key, self._keys.answer)

    async def _settle(
        self,
        message: IncomingMessage,
        queue: str,
        work: Callable[[AmqpMessage, bool], Awaitable[None]],
    ) -> None:
        """Gives the message back when the data plane cannot take it now."""
        with self._owned():
            try:
                await self._work_on(message, queue, work)
                with translated("acknowledging a message of the control plane"):
                    await message.ack()
                self._is_giving_back = False
            except BrokerError as error:
                self._tell_of(error, message)
                await asyncio.sleep(PAUSE)
                with suppress(BrokerError), translated("giving a message back"):
                    await message.nack()

    @contextmanager
    def _owned(self) -> Iterator[None]:
        """The client runs a task for each delivery, and would let it outlive the plane."""
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._in_hand.add(task)
        try:
            yield
        finally:
            self._in_hand.discard(task)

    def _tell_of(self, error: BrokerError, message: IncomingMessage) -> None:
        """Aloud for the first message only: thousands may wait for the same broker."""
        if self._is_giving_back:
            log.debug("message_given_back", type=message.type, **describe(error))
        else:
            log.warning("message_given_back", type=message.type, **describe(error))
        self._is_giving_back = True

    async def _work_on(
        self,
        message: IncomingMessage,
        queue: str,
        work: Callable[[AmqpMessage, bool], Awaitable[None]],
    ) -> None:
        """A message that nobody foresaw is none that may stay: unsettled it would take a place of
        the prefetch for ever, in one worker after another."""
        try:
            await work(read_message(message), bool(message.redelivered))
        except BrokerError:
            raise
        except Exception as error:
            log.exception("message_unusable", queue=queue)
            # Whatever it was that could not be used, it is not among these.
            rejected = RejectedMessage(queue, message.body, "", {DROPPED: len(message.headers)})
            channel = await self._side.channel()
            reason = f"the worker failed over it: {error!r}"
            await dead_letter(
                channel, self._names.dead, rejected, code="internal_error", reason=reason
            )


def read_message(message: IncomingMessage) -> AmqpMessage:
    """The message as the contract sees it."""
    return AmqpMessage(
        routing_key=message.routing_key or "",
        type=message.type or "",
        body=message.body,
        headers=dict(message.headers),
        content_type=message.content_type or "",
        correlation_id=message.correlation_id,
        reply_to=message.reply_to,
        user_id=message.user_id,
        content_encoding=message.content_encoding,
    )
