"""Audio that came before its stream's queue was bound, and so fell to the alternate exchange.

It is forwarded through the default exchange as soon as the queue is there. What belongs to no
stream is dead-lettered after ``early_wait``, however often it was put back until then.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Protocol

from aiormq.abc import AbstractChannel
from pamqp import commands as spec

from speechmq_schemas import AmqpMessage, Names, command_headers
from speechmq_schemas.routing import is_stream_id

from ...errors import BrokerError, MessageRefused, MessageReturned
from ..amqp.error_map import translated
from ..dead_letters import RejectedMessage, dead_letter, writable

RETRY_EVERY = 0.1
# Seconds for which a message is held before it goes to the end of the queue again: many messages of
# unknown streams must not keep others waiting. The longer it has waited, the longer it is held:
# going round costs the broker as much as being published.
SHORTEST_HOLD, LONGEST_HOLD = 1.0, 4.0
# Seconds after a loss of the connection in which messages go one at a time, and how often one
# stream may have cost it before its queue is left alone for a while: the queue has no leader now.
CAREFUL = 10.0
MOST_LOSSES = 3
REST = 30.0
# When the message first came, in milliseconds since 1970; a float would travel in 32 bits.
SINCE = "x-speechmq-early-since"


class Side(Protocol):
    """Where early audio is published."""

    async def channel(self) -> AbstractChannel:
        """Raises on returned messages; raises ``BrokerError`` when there is none for long."""


@dataclass(slots=True)
class Lane:
    """Messages of one stream. One of them probes until the queue is there; then all go at once."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    is_open: bool = False


class EarlyAudio:
    """``side`` may be lost by what is published there; ``clock`` is the wall's, in seconds.

    ``look`` finds nothing for a queue that is gone, and raises ``QueueUnavailable`` for one that
    RabbitMQ cannot use now: both return what is published there.
    """

    def __init__(
        self,
        side: Side,
        names: Names,
        *,
        wait: float,
        clock: Callable[[], float],
        max_bytes: int,
        look: Callable[[str], Awaitable[int | None]],
    ) -> None:
        self._look = look
        self._side = side
        self._names = names
        self._wait = wait
        self._clock = clock
        self._max_bytes = max_bytes
        self._lanes: dict[str, Lane] = {}
        self._one_at_a_time = asyncio.Lock()
        self._careful_until = -math.inf
        self._losses: Counter[str] = Counter()
        self._resting: dict[str, float] = {}

    async def forward(self, message: AmqpMessage, _redelivered: bool = False) -> None:
        """Returns when the message is in its stream's queue, among the dead letters, or at the end
        of the early queue once more.

        Raises ``BrokerError``.
        """
        prefix, _, stream_id = message.routing_key.partition(".")
        if len(message.body) > self._max_bytes:
            size = f"{len(message.body)} bytes, more than the {self._max_bytes}"
            await self._dead_letter(message, "too_large", f"the body has {size} of one message")
            return
        if prefix != "stream" or not is_stream_id(stream_id):
            await self._dead_letter(message, "unroutable", f"no queue for {message.routing_key!r}")
            return
        if self._clock() < self._resting.get(self._names.stream(stream_id), -math.inf):
            await asyncio.sleep(self._hold(message))
            await self._return(message, _since(message, self._now()))
            return
        lane = self._lanes.setdefault(stream_id, Lane())
        lane.users += 1
        try:
            is_forwarded = await self._forward_in_turn(message, stream_id, lane)
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[stream_id]
        if not is_forwarded:
            await self._put_back(message, stream_id)

    async def _forward_in_turn(self, message: AmqpMessage, stream_id: str, lane: Lane) -> bool:
        hold = self._hold(message)
        hold_until = self._clock() + hold
        try:
            async with asyncio.timeout(hold):
                await lane.lock.acquire()
        except TimeoutError:
            return False
        try:
            if not lane.is_open:
                lane.is_open = await self._probe(message, stream_id, hold_until)
                return lane.is_open
        finally:
            lane.lock.release()
        lane.is_open = await self._try(message, self._names.stream(stream_id))
        return lane.is_open

    async def _probe(self, message: AmqpMessage, stream_id: str, until: float) -> bool:
        """Whether it got into the stream's queue."""
        while not await self._try(message, self._names.stream(stream_id)):
            if self._clock() >= until:
                return False
            await asyncio.sleep(RETRY_EVERY)
        return True

    def _hold(self, message: AmqpMessage) -> float:
        return min(LONGEST_HOLD, self._wait, max(SHORTEST_HOLD, self._age(message)))

    def _age(self, message: AmqpMessage) -> float:
        """Seconds since it first came."""
        since = message.headers.get(SINCE)
        # Anybody may write the header, so it cannot make a message younger than it is.
        return max(0.0, self._clock() - since / 1000) if type(since) is int else 0.0

    async def _put_back(self, message: AmqpMessage, stream_id: str) -> None:
        """At the end of the queue, so that others get their turn; or among the dead letters."""
        # One reading of the clock, in whole milliseconds as the header has it: a second one would
        # send half of the messages round once too often.
        now = self._now()
        since = _since(message, now)
        if now - since >= self._wait * 1000:
            # It may have waited behind others only, or with a worker that was dead.
            queue = self._names.stream(stream_id)
            if await self._try(message, queue):
                return
            if await self._look(queue) is not None:
                raise MessageRefused(f"{queue} did not take early audio, although it exists")
            reason = f"no stream {stream_id!r} was started within {self._wait} s"
            await self._dead_letter(message, "unknown_stream", reason)
            return
        await self._return(message, since)

    def _now(self) -> int:
        """Milliseconds since 1970."""
        return round(self._clock() * 1000)

    async def _return(self, message: AmqpMessage, since: int) -> None:
        """To the end of the queue."""
        properties = _properties(message)
        properties.headers = {**(properties.headers or {}), SINCE: since}
        # The routing key names the stream, so it goes the way it came.
        channel = await self._side.channel()
        with translated("putting early audio back"):
            await channel.basic_publish(
                message.body,
                exchange=self._names.unrouted,
                routing_key=message.routing_key,
                properties=properties,
                mandatory=True,
            )

    async def _try(self, message: AmqpMessage, queue: str) -> bool:
        """False while the queue does not exist.

        A publish that costs the connection costs it for all that are under way. Behind a loss they
        go one at a time for a while, so that it shows whose queue it is.
        """
        channel = await self._side.channel()
        is_alone = self._clock() < self._careful_until
        async with self._one_at_a_time if is_alone else nullcontext():
            try:
                is_there = await _publish(channel, message, queue)
            except BrokerError:
                self._careful_until = self._clock() + CAREFUL
                self._losses[queue] += is_alone
                if self._losses[queue] >= MOST_LOSSES:
                    self._resting[queue] = self._clock() + REST
                raise
        del self._losses[queue]
        self._resting.pop(queue, None)
        return is_there

    async def _dead_letter(self, message: AmqpMessage, code: str, reason: str) -> None:
        headers = {key: value for key, value in message.headers.items() if key != SINCE}
        rejected = RejectedMessage.of_message(self._names.early, replace(message, headers=headers))
        await dead_letter(
            await self._side.channel(), self._names.dead, rejected, code=code, reason=reason
        )


def _since(message: AmqpMessage, now: int) -> int:
    """When it first came, as far as is known, in milliseconds since 1970."""
    found = message.headers.get(SINCE)
    # Anybody may write the header, so it cannot make a message stay for longer.
    return min(found, now) if type(found) is int else now - round(SHORTEST_HOLD * 1000)


async def _publish(channel: AbstractChannel, message: AmqpMessage, queue: str) -> bool:
    """False if no such queue took it. Raises ``BrokerError``."""
    try:
        with translated(f"forwarding early audio to {queue}"):
            await channel.basic_publish(
                message.body,
                routing_key=queue,
                properties=_properties(message),
                mandatory=True,
            )
    except MessageReturned:
        return False
    return True


def _properties(message: AmqpMessage) -> spec.Basic.Properties:
    """Without the publisher's ``message_id``: the client tells returned messages apart by it.

    Only with the headers of the contract. The worker may write to every queue, and RabbitMQ sends a
    copy to each one that the header ``CC`` or ``BCC`` names.
    """
    return spec.Basic.Properties(
        message_type=message.type,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        correlation_id=message.correlation_id,
        headers=writable(command_headers(message.headers)),
        delivery_mode=2,
    )
