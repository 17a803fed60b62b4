"""Sends what one stream's outbox holds, over a channel of its own that is opened again as needed.

A channel for each stream: a queue that does not answer holds up nobody but its own stream.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any

from aiormq.exceptions import DeliveryError

from speechmq_schemas import AmqpMessage

from .amqp.alarm import Alarm
from .amqp.link import Channel, Connected, Link
from .amqp.messages import properties_of
from .errors import BrokerUnavailable
from .outbox import Outbox, OutboxLimits, Outgoing

log = logging.getLogger("speechmq_client")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
SUSPICIOUS_SILENCE = 1.0
"""Seconds without a confirm after which the client looks whether RabbitMQ holds publishers back."""


class Pressure(Enum):
    """What keeps audio from going out; while anything does, it is kept here, up to the bounds."""

    NONE = "none"
    DISCONNECTED = "disconnected"
    """There is no connection, or no channel yet."""
    BLOCKED = "blocked"
    """RabbitMQ is short of memory or disk space and takes nothing from publishers."""
    QUEUE_FULL = "queue_full"
    """RabbitMQ refused a message: the stream's queue is full or not available."""


class Sender:
    """``changed`` is called after each confirm, and whenever ``pressure`` is another."""

    def __init__(
        self,
        link: Link,
        exchange: str,
        name: str,
        limits: OutboxLimits,
        changed: Callable[[], None],
    ) -> None:
        self._link = link
        self._exchange = exchange
        self._name = name
        self._limits = limits
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._look)
        self._wake = asyncio.Event()
        self._channel: Channel | None = None
        self._is_blocked = False
        self._is_stopped = False
        self._pause = FIRST_PAUSE
        self._tasks: set[asyncio.Task[Any]] = set()
        self.outbox = Outbox(limits)
        self.pressure = Pressure.DISCONNECTED

    def post(self, message: AmqpMessage, seconds: float = 0.0) -> None:
        """Keeps ``message`` until it is confirmed, and sends it as soon as that can be."""
        self.outbox.add(message, self._loop.time(), seconds)
        self._pump()

    async def run(self) -> None:
        """Sends until it is cancelled."""
        try:
            while True:
                connected = await self._link.connected()
                try:
                    await self._send_over(connected)
                except BrokerUnavailable as error:
                    log.warning("stream %s: %s", self._name, error)
                await asyncio.sleep(self._pause)
                self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        finally:
            self._alarm.cancel()

    async def _send_over(self, connected: Connected) -> None:
        """Returns when the channel is gone, or is given up."""
        self._wake.clear()
        async with connected.channel(confirms=True, closed=self._wake) as channel:
            self._channel = channel
            try:
                self._pump()
                await self._watch(connected, channel)
            except asyncio.CancelledError:
                self._is_stopped = True
                raise
            finally:
                self._release()

    async def _watch(self, connected: Connected, channel: Channel) -> None:
        while channel.is_open:
            await self._wake.wait()
            self._wake.clear()
            now = self._loop.time()
            if self.outbox.silence(now) >= SUSPICIOUS_SILENCE:
                self._is_blocked = await connected.is_blocked()
            if self.outbox.is_stalled(now) and not self._is_blocked:
                log.warning(
                    "stream %s: RabbitMQ confirmed nothing for %g s; another channel is opened",
                    self._name,
                    self._limits.confirm_within,
                )
                return
            self._weigh()
            self._set_alarm()

    def _release(self) -> None:
        """The channel is of no use any more: what is under way on it counts as not sent."""
        self._channel = None
        self._is_blocked = False
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        self.outbox.lost(self._loop.time())
        self._weigh()

    def _pump(self) -> None:
        channel = self._channel
        if channel is None or not channel.is_open:
            self._weigh()
            return
        for outgoing in self.outbox.take(self._loop.time()):
            self._send(channel, outgoing)
        self._weigh()
        self._set_alarm()

    def _send(self, channel: Channel, outgoing: Outgoing) -> None:
        """Tasks begin in the order of their making, and the client's lock is fair."""
        message = outgoing.message
        publishing = channel.underlay.basic_publish(
            message.body,
            exchange=self._exchange,
            routing_key=message.routing_key,
            properties=properties_of(message, f"{self._name}/{outgoing.number}"),
            mandatory=True,
        )
        task = self._loop.create_task(publishing)
        self._tasks.add(task)
        task.add_done_callback(partial(self._settled, channel, outgoing.number))

    def _settled(self, channel: Channel, number: int, task: asyncio.Task[Any]) -> None:
        """RabbitMQ has answered, or cannot any more."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if channel is not self._channel:
            return
        if task.cancelled() or (error is not None and not isinstance(error, DeliveryError)):
            channel.close()
            return
        now = self._loop.time()
        if error is None:
            self.outbox.confirmed(number, now)
            self._pause = FIRST_PAUSE
            self._is_blocked = False
        else:
            self.outbox.refused(number, now)
        self._pump()
        self._changed()

    def _look(self) -> None:
        """The alarm rang: something may be due."""
        now = self._loop.time()
        if self.outbox.silence(now) >= SUSPICIOUS_SILENCE:
            self._wake.set()
        else:
            self._pump()

    def _set_alarm(self) -> None:
        due = self.outbox.deadline()
        if due is not None and len(self.outbox):
            soon = self._loop.time() + SUSPICIOUS_SILENCE
            self._alarm.set(min(due, soon))

    def _weigh(self) -> None:
        before, self.pressure = self.pressure, self._weighed()
        if before is not self.pressure and not self._is_stopped:
            self._changed()

    def _weighed(self) -> Pressure:
        if self._channel is None or not self._channel.is_open:
            return Pressure.DISCONNECTED
        if self._is_blocked:
            return Pressure.BLOCKED
        if self.outbox.is_refused:
            return Pressure.QUEUE_FULL
        return Pressure.NONE
