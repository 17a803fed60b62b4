"""A connection to RabbitMQ that is made again, at the next address, whenever it is lost.

Each is a plain connection of aio-pika. A robust one knows a single URL, cannot say which messages
it lost, and restores channels and consumers by itself while their owner restores the same: the
owner has to know of each loss, because what was under way has to be sent again in order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import random

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import AbstractChannel as UnderlayChannel
from aiormq.exceptions import AMQPError

from ..addresses import Address, Addresses
from ..errors import BrokerUnavailable, ClientError
from .error_map import translated

log = logging.getLogger("speechmq_client")

ATTEMPT_SECONDS = 10.0
CLOSE_SECONDS = 2.0
SETUP_SECONDS = 10.0
HEARTBEAT_SECONDS = 10
MOMENT = 0.01

# The loop itself keeps no task alive.
_CLOSINGS: set[asyncio.Future[None]] = set()


@dataclass(eq=False, slots=True)
class Connected:
    """One connection for as long as it lasts; ``lost`` is set when it is gone."""

    connection: AbstractConnection
    address: Address
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    channels: set[Channel] = field(default_factory=set)

    def lose(self) -> None:
        """The connection is gone, and with it its channels."""
        self.lost.set()
        for channel in self.channels:
            channel.close()

    async def is_blocked(self) -> bool:
        """Whether RabbitMQ takes no messages because it is short of memory or disk space."""
        transport = self.connection.transport
        if transport is None:
            return False
        try:
            async with asyncio.timeout(MOMENT):
                await transport.ready()
        except TimeoutError:
            return True
        return False

    @asynccontextmanager
    async def channel(
        self, *, confirms: bool = False, closed: asyncio.Event | None = None
    ) -> AsyncIterator[Channel]:
        """A channel for the length of the block; raises ``BrokerUnavailable``.

        ``closed`` is set when the channel, its consumer or its connection is gone. Leaving, also
        when cancelled, takes ``CLOSE_SECONDS`` at most.
        """
        with translated("opening a channel"):
            async with asyncio.timeout(SETUP_SECONDS):
                made = self.connection.channel(
                    publisher_confirms=confirms, on_return_raises=confirms
                )
                await made.initialize()
                channel = Channel(made, await made.get_underlay_channel(), closed)
        self.channels.add(channel)
        try:
            if self.lost.is_set():
                channel.close()
            yield channel
        finally:
            channel.close()
            self.channels.discard(channel)
            if not self.lost.is_set():
                await _close(made)


class Channel:
    """A channel of aio-pika and of aiormq beneath it. ``closed`` is set when it is of no use."""

    def __init__(
        self,
        channel: AbstractChannel,
        underlay: UnderlayChannel,
        closed: asyncio.Event | None = None,
    ) -> None:
        self.aio_pika = channel
        self.underlay = underlay
        self.closed = closed or asyncio.Event()
        self.is_open = True
        self.reason: BaseException | None = None
        channel.close_callbacks.add(self._on_close)
        underlay.on_consumer_cancel_callbacks.add(self._on_cancel)

    def close(self) -> None:
        """Whoever waits for ``closed`` wakes up; the broker hears nothing of it."""
        self.is_open = False
        self.closed.set()

    def _on_close(self, _channel: object, reason: BaseException | None = None) -> None:
        self.reason = self.reason or reason
        self.close()

    def _on_cancel(self, _frame: object) -> None:
        self.close()


class Link:
    """Made by its owner, which opens it, runs ``run`` as a task and cancels that in the end."""

    def __init__(self, urls: str | Sequence[str], name: str) -> None:
        self._addresses = Addresses(urls, random)
        self._name = name
        self._current: Connected | None = None
        self._changed = asyncio.Event()

    def __str__(self) -> str:
        return str(self._addresses)

    @property
    def current(self) -> Connected | None:
        """The connection that serves now, if one does."""
        found = self._current
        return None if found is None or found.lost.is_set() else found

    async def open(self, within: float) -> None:
        """Connects for the first time; raises ``AccessRefused``, ``BrokerUnavailable``."""
        last: ClientError | None = None
        try:
            async with asyncio.timeout(within):
                while self._current is None:
                    try:
                        self._current = await self._connect()
                    except BrokerUnavailable as error:
                        last = error
                        await asyncio.sleep(self._addresses.failed())
        except TimeoutError as error:
            raise BrokerUnavailable(
                f"RabbitMQ at {self} cannot be reached within {within:g} s: "
                f"{last or 'it does not answer'}"
            ) from error

    async def run(self) -> None:
        """Keeps the link connected until it is cancelled, which closes the connection."""
        try:
            while True:
                if self._current is None:
                    self._current = await self._reconnect()
                self._announce()
                await self._current.lost.wait()
                log.warning("the connection to RabbitMQ at %s was lost", self._current.address)
                self._current = None
                await asyncio.sleep(self._addresses.failed())
        finally:
            if self._current is not None:
                self._current.lose()
                self._announce()
                await _close(self._current.connection)

    async def connected(self) -> Connected:
        """The connection that serves, as soon as there is one. May be cancelled."""
        while (found := self.current) is None:
            await self._changed.wait()
        return found

    async def _reconnect(self) -> Connected:
        while True:
            try:
                connected = await self._connect()
            except ClientError as error:
                log.warning("no connection to RabbitMQ at %s: %s", self._addresses.current, error)
                await asyncio.sleep(self._addresses.failed())
            else:
                log.info("connected to RabbitMQ at %s", connected.address)
                return connected

    async def _connect(self) -> Connected:
        address = self._addresses.current
        url = address.url.update_query(heartbeat=HEARTBEAT_SECONDS)
        with translated(f"connecting to {address}"):
            async with asyncio.timeout(ATTEMPT_SECONDS):
                connection = await aio_pika.connect(
                    url, client_properties={"connection_name": self._name}
                )
        self._addresses.succeeded()
        connected = Connected(connection, address)

        def on_close(_connection: object, _reason: BaseException | None = None) -> None:
            connected.lose()
            self._announce()

        connection.close_callbacks.add(on_close)
        return connected

    def _announce(self) -> None:
        """Wakes who waits for a connection; a loss makes the next ones wait."""
        if self.current is None:
            self._changed.clear()
        else:
            self._changed.set()


async def _close(closable: AbstractConnection | AbstractChannel) -> None:
    """Waits for ``CLOSE_SECONDS`` at most.

    In a task of its own: aiormq keeps to itself that whoever waits for its close was cancelled.
    """
    closing = asyncio.ensure_future(_close_quietly(closable))
    _CLOSINGS.add(closing)
    closing.add_done_callback(_CLOSINGS.discard)
    await asyncio.wait([closing], timeout=CLOSE_SECONDS)


async def _close_quietly(closable: AbstractConnection | AbstractChannel) -> None:
    """What is gone already, or does not answer, is left."""
    with suppress(TimeoutError, AMQPError, OSError, RuntimeError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await closable.close()
