"""Receives events, each once and in order, from a queue that outlives its connections."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from secrets import token_hex
from types import TracebackType
from typing import Any, Literal, Self

from aio_pika.abc import AbstractIncomingMessage

from speechmq_schemas import (
    AmqpMessage,
    ContractError,
    Event,
    FinalTranscript,
    FinalTranslation,
    Names,
    PartialTranslation,
    StreamEnded,
    StreamFailed,
    Transcript,
    UpstreamMessage,
    to_event,
)
from speechmq_schemas.routing import EVENT_ROUTES

from .amqp.consumer import Consumer, QueueSpec
from .amqp.link import Link
from .amqp.messages import from_aio_pika
from .errors import BrokerUnavailable, ClientError
from .folds import Transcripts
from .inbox import Inbox, Position, Verdict
from .tasks import task_group

log = logging.getLogger("speechmq_client")

TEMPORARY_EXPIRES_MILLISECONDS = 300_000
TEMPORARY_LIMIT = 100_000
"""Messages: a subscriber that stands still is not to fill the broker; the oldest go first."""

LAST_EVENTS = (StreamEnded, StreamFailed)

QueueType = Literal["quorum", "classic"]
Handler = Callable[["Delivery"], Awaitable[object]]


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """One event in the application's hands.

    ``position`` orders the events of a stream, by (epoch, seq). ``transcript`` is what the stream
    has said up to this event, if the subscriber folds; it goes on to change with later events.
    """

    event: Event
    position: Position
    message: AmqpMessage
    transcript: Transcript | None
    _subscriber: Subscriber

    @property
    def stream_id(self) -> str:
        return self.event.stream_id

    async def ack(self) -> None:
        """The event is dealt with and will not come again. Twice is no error; never raises for a
        lost connection: the acknowledgement follows when the event comes again."""
        await self._subscriber.settle(self)

    async def give_back(self) -> None:
        """The event is to come again, to this subscriber or another of the queue."""
        await self._subscriber.give_back(self)


class Subscriber:
    """Events of one stream or of all, as ``Delivery``, each to be acknowledged.

    An event comes at least once, and to one running subscriber exactly once: copies are dropped,
    also across lost connections. Events of a stream come in order; a partial that something newer
    has replaced is left out. An event that was not acknowledged comes again when the application
    is started again, if its queue is durable.

    An asynchronous context manager, and iterable: ``async for delivery in subscriber``. From
    entering on no event is missed.

    ``urls``, ``namespace``, ``connect_timeout``: as for ``Publisher``.
    ``queue``: the name of a durable queue that collects events also while nobody listens; several
    subscribers share its events out. SECURITY.md has users for names that begin with
    ``consumer.``. Without a name the queue is the subscriber's own and temporary: it is deleted on
    leaving, and five minutes after the connection was lost for good.
    ``queue_type``: of a durable queue. ``declare``: False for a queue that exists, with bindings.
    ``stream_id``: only this stream. ``events``: only these kinds, such as ``FinalTranscript``.
    ``prefetch``: how many events may be unacknowledged; without acknowledgements no more come.
    ``fold``: whether to keep a ``Transcript`` of each stream, until it is over.
    ``skip_empty``: whether finals without words are left out.
    """

    def __init__(  # noqa: PLR0913  # keywords with defaults, as its users read them
        self,
        urls: str | Sequence[str],
        *,
        queue: str | None = None,
        queue_type: QueueType = "quorum",
        declare: bool = True,
        stream_id: str | None = None,
        events: Iterable[type[Event]] = (),
        namespace: str = "speechmq",
        prefetch: int = 256,
        fold: bool = True,
        skip_empty: bool = False,
        connect_timeout: float = 30.0,
        name: str = "speechmq-client subscriber",
    ) -> None:
        self._link = Link(urls, name)
        self._connect_timeout = connect_timeout
        self._skip_empty = skip_empty
        self._inbox = Inbox()
        self._transcripts = Transcripts() if fold else None
        # Bounded by the prefetch: what is not settled counts.
        self._arrived: asyncio.Queue[tuple[Event, Position, AmqpMessage]] = asyncio.Queue()
        self._resources = AsyncExitStack()
        self._consumer = Consumer(
            self._link,
            queue_spec(queue, queue_type, declare=declare),
            Names(namespace).events,
            prefetch=prefetch,
            receive=self._receive,
            lost=self._inbox.lost,
        )
        self._keys = binding_keys(stream_id, events)
        self.unreadable = 0
        """Events that could not be read; they were rejected, and logged."""

    async def __aenter__(self) -> Self:
        """Raises ``BrokerUnavailable``, ``AccessRefused``, ``ExchangeMissing``,
        ``ArgumentsDiffer``."""
        async with AsyncExitStack() as resources:
            tasks = await resources.enter_async_context(task_group())
            await self._link.open(self._connect_timeout)
            for key in self._keys:
                await self._consumer.bind(key)
            for service in (self._link.run(), self._consumer.run()):
                resources.callback(tasks.create_task(service).cancel)
            await self._wait_until_ready()
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """What is not acknowledged stays in a durable queue."""
        try:
            with suppress(ClientError):  # it expires
                await self._consumer.delete()
        finally:
            await self._resources.__aexit__(None, None, None)

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        """The next event; never ends by itself. Cancelled, it has taken nothing."""
        event, position, message = await self._arrived.get()
        transcript = self._transcripts.fold(event, position) if self._transcripts else None
        return Delivery(event, position, message, transcript, self)

    async def run(self, handler: Handler) -> None:
        """Awaits ``handler`` for each event, one after another, and acknowledges it then.

        What ``handler`` raises ends this; its event is given back. Runs until it is cancelled.
        """
        async for delivery in self:
            try:
                await handler(delivery)
            except BaseException:
                await delivery.give_back()
                raise
            await delivery.ack()

    def transcript(self, stream_id: str) -> Transcript | None:
        """What a stream has said so far, while it goes on and the subscriber folds."""
        return self._transcripts.get(stream_id) if self._transcripts else None

    @property
    def unacknowledged(self) -> int:
        """Events that were received and not acknowledged."""
        return self._inbox.pending

    async def settle(self, delivery: Delivery) -> None:
        """``Delivery.ack`` calls this."""
        await self._consumer.acknowledge(self._inbox.settle(delivery.position))
        if self._transcripts and isinstance(delivery.event, LAST_EVENTS):
            self._transcripts.forget(delivery.stream_id)

    async def give_back(self, delivery: Delivery) -> None:
        """``Delivery.give_back`` calls this."""
        await self._consumer.give_back(self._inbox.give_back(delivery.position))

    async def _wait_until_ready(self) -> None:
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._consumer.ready()
        except TimeoutError as error:
            raise self._consumer.refusal or BrokerUnavailable(
                f"RabbitMQ at {self._link} gave no queue for events within "
                f"{self._connect_timeout:g} s"
            ) from error

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        heard, tag = from_aio_pika(message), message.delivery_tag
        if tag is None:
            return
        try:
            event = to_event(heard)
            position = _position(event, heard)
        except ContractError as error:
            self.unreadable += 1
            log.warning("an event cannot be read and is rejected: %s", error.reason)
            await self._consumer.reject(tag)
            return
        verdict = self._inbox.offer(event, position, tag)
        if verdict is Verdict.HAND_OUT and self._is_left_out(event):
            await self._consumer.acknowledge(self._inbox.settle(position))
        elif verdict is Verdict.HAND_OUT:
            self._arrived.put_nowait((event, position, heard))
        elif verdict is Verdict.ACKNOWLEDGE:
            await self._consumer.acknowledge(tag)

    def _is_left_out(self, event: Event) -> bool:
        if not self._skip_empty or not isinstance(event, FinalTranscript):
            return False
        return not event.transcript.strip()


def queue_spec(name: str | None, queue_type: QueueType, *, declare: bool) -> QueueSpec:
    if name is not None:
        return QueueSpec(name, {"x-queue-type": queue_type}, is_declared=declare)
    arguments: dict[str, Any] = {
        "x-expires": TEMPORARY_EXPIRES_MILLISECONDS,
        "x-max-length": TEMPORARY_LIMIT,
    }
    return QueueSpec(f"consumer.temporary.{token_hex(8)}", arguments, is_temporary=True)


def binding_keys(stream_id: str | None, events: Iterable[type[Event]]) -> list[str]:
    """The routing keys of some kinds of events, or of all, of one stream or of all."""
    last = stream_id or "*"
    kinds = list(events)
    if not kinds:
        return ["#" if stream_id is None else f"#.{stream_id}"]
    return [_key_of(kind, last) for kind in kinds]


def _key_of(kind: type[Event], last: str) -> str:
    if kind is UpstreamMessage:
        return f"upstream.*.{last}"
    route = EVENT_ROUTES[kind.__name__]
    is_translation = issubclass(kind, PartialTranslation | FinalTranslation)
    return f"{route}.*.{last}" if is_translation else f"{route}.{last}"


def _position(event: Event, message: AmqpMessage) -> Position:
    epoch, seq = message.headers.get("epoch"), message.headers.get("seq")
    if not isinstance(epoch, int) or not isinstance(seq, int):
        raise ContractError(
            "missing_position", f"{message.type} has no headers 'epoch' and 'seq' with numbers"
        )
    return Position(event.stream_id, epoch, seq)
