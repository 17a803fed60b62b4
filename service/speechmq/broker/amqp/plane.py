"""The data plane: one plain connection to RabbitMQ, and its channels.

Plain, not robust: a robust connection of a process that was frozen comes back to life and publishes
for streams that have long had another owner. When this one is lost, whoever uses it lets go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NoReturn, cast

import aio_pika.abc
import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPError
from pamqp.frame import FrameTypes
from yarl import URL

from ...errors import BrokerError, BrokerLost, QueueMissing
from ...settings import BrokerSettings
from ...speechmatics.regions import shown
from ...telemetry.logs import get_logger
from .channel import AmqpChannel
from .error_map import translated
from .frame_reader import FrameReaders
from .identity import WorkerUsers

log = get_logger(__name__)

# Seconds for which the broker may leave the close of a connection unanswered.
CONNECTION_CLOSE_TIMEOUT = 5.0
# Of a connection whose broker sets no bound.
MOST_CHANNELS = 65_535


class PlainConnection(aiormq.Connection):
    """Answers the broker whenever it closes a channel.

    ``patience`` and ``users`` are its channels'.

    The client drops that answer when ten frames wait to be written. The channel's next user then
    opens it a second time, for which the broker closes the connection. Without that bound what
    waits is still bounded by those who write: each waits for its own frames.
    """

    FRAME_BUFFER_SIZE = 0  # of the queue of frames to be written: no bound

    def __init__(self, url: URL, *, patience: float, users: WorkerUsers) -> None:
        super().__init__(url, transport_factory=FrameReaders(url, self._take))
        self._users = users
        self._patience = patience
        self._newest_number = 0
        self.closings: set[asyncio.Task[None]] = set()

    def _take(self, number: int, frame: FrameTypes) -> bool:
        """Whether its channel deals with it here and now: a confirm, or a part of a message."""
        channel = self.channels.get(number)
        return isinstance(channel, AmqpChannel) and channel.frames.take(frame)

    async def open_channel(self, *, confirms: bool) -> AmqpChannel:
        """Raises ``RuntimeError`` if the connection is closed, or has no room for another."""
        if self.is_closed:
            raise RuntimeError(f"{self!r} is closed")
        number = self._free_number()
        channel = AmqpChannel(
            self, number, users=self._users, confirms=confirms, patience=self._patience
        )
        self.channels[number] = channel
        await channel.open()
        return channel

    def _free_number(self) -> int:
        """One that was used longer ago than all others that are free.

        Used again at once, a number might meet what is still on its way to the channel before.
        """
        most = self.connection_tune.channel_max or MOST_CHANNELS
        for _ in range(most):
            self._newest_number = self._newest_number % most + 1
            if self._newest_number not in self.channels:
                return self._newest_number
        raise RuntimeError(f"all {most} channels of {self!r} are in use")


class DataPlane:
    """Claims, stream queues and events go over this connection alone."""

    def __init__(self, connection: PlainConnection) -> None:
        self._connection = connection

    async def channel(self, *, prefetch: int | None = None, confirms: bool = True) -> AmqpChannel:
        """A channel with publisher confirms, where a returned message is an error.

        One that nothing is published on needs no confirms, and is open a round trip sooner.
        Raises ``BrokerError``.
        """
        with translated("opening a channel"):
            channel = await self._connection.open_channel(confirms=confirms)
            if prefetch is not None:
                await channel.basic_qos(prefetch_count=prefetch)
            return channel

    @asynccontextmanager
    async def asking(self, *, confirms: bool = False) -> AsyncIterator[AmqpChannel]:
        """A channel for a few questions. Of its own, because the broker closes the one on which it
        refuses something.

        A caller that is cancelled does not wait for it to close: a broker that left the question
        unanswered may leave the close unanswered too. Raises ``BrokerError``.
        """
        channel = await self.channel(confirms=confirms)
        try:
            yield channel
        finally:
            closing_task = start_closing(channel)
            if not _is_cancelled():
                await asyncio.shield(closing_task)

    async def queue_exists(self, queue: str) -> int | None:
        """The queue's number of consumers, or nothing if there is no such queue.

        Raises ``QueueUnavailable`` for one that may be there, and ``BrokerError``.
        """
        try:
            async with self.asking() as channel:
                with translated(f"looking for the queue {queue}"):
                    declared = await channel.queue_declare(queue, passive=True)
                return declared.consumer_count or 0
        except QueueMissing:
            return None

    @property
    def url(self) -> URL:
        """The address that let this worker in. It holds the password."""
        return self._connection.url

    @property
    def is_lost(self) -> bool:
        return self._connection.is_closed

    async def wait_lost(self) -> None:
        """Returns when the connection is gone, for whatever reason."""
        await asyncio.wait([self._connection.closing])


async def fail_when_closed(channel: AbstractChannel, what: str) -> NoReturn:
    """Raises ``BrokerLost`` when ``channel`` is closed, or the broker cancels a consumer on it,
    as it does when the queue is deleted. A mere consumer learns of neither in another way."""
    cancelled = asyncio.get_running_loop().create_future()

    def on_cancel(_frame: object) -> None:
        if not cancelled.done():
            cancelled.set_result(None)

    channel.on_consumer_cancel_callbacks.add(on_cancel)
    await asyncio.wait([cancelled, channel.closing], return_when=asyncio.FIRST_COMPLETED)
    raise BrokerLost(f"the broker closed {what}: {_why(channel.closing)}")


def _why(closing: asyncio.Future[object]) -> str:
    """What closed a channel; it is not closed where the broker only took its consumer away."""
    if not closing.done():
        return "its queue was deleted or is moving"
    error = None if closing.cancelled() else closing.exception()
    return repr(error) if error else "the connection is gone"


async def close_quietly(channel: AmqpChannel) -> None:
    """Closes without a cancel before it, so that unacknowledged messages return in order.

    The channel may be gone already, alone or with its connection. The client's own ``close`` asks
    a second time when it has no answer within a heartbeat, and whenever the wait is cancelled.
    That may cost the connection. So the close is requested here once, and goes on where the wait
    is cancelled. An unanswered one costs the connection in any case: what the channel held is
    still held.
    """
    await asyncio.shield(start_closing(channel))


def start_closing(channel: AmqpChannel) -> asyncio.Task[None]:
    """What becomes of the channel, from here on, is its connection's business."""
    closing_task = asyncio.create_task(_close(channel))
    closings = cast("PlainConnection", channel.connection).closings
    closings.add(closing_task)
    closing_task.add_done_callback(closings.discard)
    return closing_task


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _close(channel: AmqpChannel) -> None:
    if channel.is_closed:
        return
    closing = asyncio.ensure_future(_request_close(channel))
    done, _ = await asyncio.wait([closing], timeout=channel.patience)
    if not done:
        reason = f"RabbitMQ did not answer for {channel.patience} s; its connection is given up"
        log.warning("broker_silent", reason=reason)
        await disconnect(channel.connection)


async def _request_close(channel: AmqpChannel) -> None:
    with suppress(BrokerError), translated("closing a channel"):
        await channel.request_close()


async def disconnect(
    connection: AbstractConnection | aio_pika.abc.AbstractConnection,
) -> None:
    """Whatever it was may be gone already, or get no answer."""
    with suppress(BrokerError), translated("closing the connection"):
        async with asyncio.timeout(CONNECTION_CLOSE_TIMEOUT):
            await connection.close()


def broker_urls(settings: BrokerSettings) -> list[URL]:
    """With everything that a connection of ours has to agree upon. They hold the password."""
    return [URL(one).update_query(heartbeat=settings.heartbeat) for one in settings.urls]


@asynccontextmanager
async def open_plane(settings: BrokerSettings) -> AsyncIterator[DataPlane]:
    """Raises ``BrokerError`` when there is no broker to talk to."""
    connection = await _connect(settings)
    try:
        yield DataPlane(connection)
    finally:
        await disconnect(connection)


async def _connect(settings: BrokerSettings) -> PlainConnection:
    """To the first address that completes a handshake within its share of the time.

    Raises ``BrokerError``, which says of each address why not.
    """
    urls = broker_urls(settings)
    refusals: list[Exception] = []
    for url in urls:
        connection = PlainConnection(
            url,
            patience=settings.answer_timeout,
            users=WorkerUsers.of(url, settings.worker_users),
        )
        try:
            async with asyncio.timeout(settings.connect_timeout / len(urls)):
                await connection.connect()
        except (AMQPError, OSError, TimeoutError) as error:
            refusals.append(error)
        else:
            return connection
    reasons = [
        f"no connection to RabbitMQ at {shown(str(url))}: {str(error) or 'it did not answer'}"
        for url, error in zip(urls, refusals, strict=True)
    ]
    raise BrokerError(
        f"{'; '.join(reasons)}; check SPEECHMQ_BROKER__URL and that the broker runs"
    ) from refusals[-1]
