"""A queue of events that is consumed again after each loss of the connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aio_pika.abc import AbstractIncomingMessage, AbstractQueue
from aiormq.exceptions import AMQPError

from ..errors import BrokerRefused, ClientError, ExchangeMissing
from .error_map import translated
from .link import SETUP_SECONDS, Channel, Link

log = logging.getLogger("speechmq_client")

RETRY_SECONDS = 0.5

Receive = Callable[[AbstractIncomingMessage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A durable queue. One that ``is_temporary`` is deleted when its consumer closes."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    is_temporary: bool = False
    is_declared: bool = True
    """Whether the consumer declares and binds it; else it must exist."""


class Consumer:
    """``receive`` is called for each delivery; what it does before it awaits is done in order.
    ``lost`` is called when the channel of the deliveries is gone."""

    def __init__(
        self,
        link: Link,
        queue: QueueSpec,
        exchange: str,
        *,
        prefetch: int,
        receive: Receive,
        lost: Callable[[], None],
    ) -> None:
        self._link = link
        self._spec = queue
        self._exchange = exchange
        self._prefetch = prefetch
        self._receive = receive
        self._lost = lost
        self._keys: set[str] = set()
        self._channel: Channel | None = None
        self._queue: AbstractQueue | None = None
        self._changed = asyncio.Condition()
        self._refusal: BrokerRefused | None = None
        self._was_ready = False
        self._is_deleted = False

    @property
    def channel(self) -> Channel | None:
        """The one that deliveries come over now."""
        return self._channel

    async def ready(self) -> None:
        """Returns when the queue is consumed; raises ``BrokerRefused`` if it cannot be.

        Waits for an exchange that is missing: a worker may start later.
        """
        async with self._changed:
            await self._changed.wait_for(self._is_ready_or_refused)
        if self._channel is None and self._refusal is not None:
            raise self._refusal

    def _is_ready_or_refused(self) -> bool:
        refusal = self._refusal
        is_final = refusal is not None and not isinstance(refusal, ExchangeMissing)
        return self._channel is not None or is_final

    @property
    def refusal(self) -> BrokerRefused | None:
        """Why the last try failed, if RabbitMQ refused it."""
        return self._refusal

    async def bind(self, key: str) -> None:
        """Returns when the queue gets events of this key, or will after the next connect."""
        self._keys.add(key)
        if self._queue is not None:
            with translated(f"binding {self._spec.name} to {key}"):
                await self._queue.bind(self._exchange, key, timeout=SETUP_SECONDS)

    async def unbind(self, key: str) -> None:
        self._keys.discard(key)
        if self._queue is not None:
            with translated(f"unbinding {self._spec.name} from {key}"):
                await self._queue.unbind(self._exchange, key, timeout=SETUP_SECONDS)

    async def run(self) -> None:
        """Consumes until it is cancelled, or its queue was deleted by ``delete``."""
        while not self._is_deleted:
            connected = await self._link.connected()
            try:
                async with connected.channel() as channel:
                    await self._consume(channel)
                    await channel.closed.wait()
            except ClientError as error:
                await self._report(error)
            finally:
                self._queue = None
                if self._channel is not None:
                    self._channel = None
                    self._lost()
            await asyncio.sleep(RETRY_SECONDS)

    async def _consume(self, channel: Channel) -> None:
        with translated(f"consuming {self._spec.name}"):
            async with asyncio.timeout(SETUP_SECONDS):
                await channel.aio_pika.set_qos(prefetch_count=self._prefetch)
                queue = await self._declare(channel)
                await queue.consume(self._take)
        async with self._changed:
            self._channel, self._queue, self._refusal = channel, queue, None
            self._was_ready = True
            self._changed.notify_all()

    async def _declare(self, channel: Channel) -> AbstractQueue:
        spec = self._spec
        if not spec.is_declared:
            return await channel.aio_pika.declare_queue(spec.name, passive=True)
        queue = await channel.aio_pika.declare_queue(
            spec.name, durable=True, arguments=dict(spec.arguments)
        )
        for key in sorted(self._keys):
            await queue.bind(self._exchange, key)
        return queue

    async def _take(self, message: AbstractIncomingMessage) -> None:
        """aio-pika runs a task for each message: order holds up to the first thing awaited."""
        await self._receive(message)

    async def acknowledge(self, tag: int | None) -> None:
        """A delivery of this channel was dealt with; if the channel is lost, it comes again."""
        if self._channel is not None and tag is not None:
            with suppress(AMQPError, OSError, RuntimeError):
                await self._channel.underlay.basic_ack(tag, wait=False)

    async def give_back(self, tag: int | None) -> None:
        """A delivery of this channel is to be delivered again."""
        if self._channel is not None and tag is not None:
            with suppress(AMQPError, OSError, RuntimeError):
                await self._channel.underlay.basic_nack(tag, requeue=True, wait=False)

    async def reject(self, tag: int | None) -> None:
        """A delivery cannot be used: its queue's dead-letter exchange gets it, if there is one."""
        if self._channel is not None and tag is not None:
            with suppress(AMQPError, OSError, RuntimeError):
                await self._channel.underlay.basic_reject(tag, requeue=False, wait=False)

    async def _report(self, error: ClientError) -> None:
        if self._was_ready or not isinstance(error, BrokerRefused):
            log.warning("%s; another try follows", error)
        async with self._changed:
            self._refusal = error if isinstance(error, BrokerRefused) else None
            self._changed.notify_all()

    async def delete(self) -> None:
        """Deletes a temporary queue, with what is in it; without a connection it expires."""
        self._is_deleted = self._spec.is_temporary
        if self._is_deleted and self._queue is not None:
            with translated(f"deleting {self._spec.name}"):
                await self._queue.delete(if_unused=False, if_empty=False, timeout=SETUP_SECONDS)
