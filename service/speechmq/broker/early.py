"""Audio that came before its stream's queue was bound, and so fell to the alternate exchange.

It is forwarded through the default exchange as soon as the queue is there. What belongs to no
stream is dead-lettered after ``early_wait``; it never goes round in circles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiormq.abc import AbstractChannel
from aiormq.exceptions import PublishError
from pamqp import commands as spec

from speechmq_schemas import AmqpMessage, Names

from .dead_letters import bury
from .plane import translated

RETRY_EVERY = 0.1


@dataclass(slots=True)
class Lane:
    """Messages of one stream, forwarded one at a time: one prober a stream, and in order."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class EarlyAudio:
    """``channel`` must raise on returned messages; ``clock`` counts seconds."""

    def __init__(
        self,
        channel: AbstractChannel,
        names: Names,
        *,
        wait: float,
        clock: Callable[[], float],
    ) -> None:
        self._channel = channel
        self._names = names
        self._wait = wait
        self._clock = clock
        self._lanes: dict[str, Lane] = {}

    async def forward(self, message: AmqpMessage, _redelivered: bool = False) -> None:
        """Returns when the message is in its stream's queue or among the dead letters.

        Raises ``BrokerLost``.
        """
        prefix, _, stream_id = message.routing_key.partition(".")
        if prefix != "stream" or not stream_id:
            await self._bury(message, "unroutable", f"no queue for {message.routing_key!r}")
            return
        deadline = self._clock() + self._wait
        lane = self._lanes.setdefault(stream_id, Lane())
        lane.users += 1
        try:
            async with lane.lock:
                await self._forward_in_turn(message, stream_id, deadline)
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[stream_id]

    async def _forward_in_turn(self, message: AmqpMessage, stream_id: str, deadline: float) -> None:
        while not await self._try(message, self._names.stream(stream_id)):
            if self._clock() >= deadline:
                reason = f"no stream {stream_id!r} was started within {self._wait} s"
                await self._bury(message, "unknown_stream", reason)
                return
            await asyncio.sleep(RETRY_EVERY)

    async def _try(self, message: AmqpMessage, queue: str) -> bool:
        """False while the queue does not exist."""
        with translated(f"forwarding early audio to {queue}"):
            try:
                await self._channel.basic_publish(
                    message.body,
                    routing_key=queue,
                    properties=_properties(message),
                    mandatory=True,
                )
            except PublishError:
                return False
        return True

    async def _bury(self, message: AmqpMessage, code: str, reason: str) -> None:
        await bury(
            self._channel,
            self._names.dead,
            body=message.body,
            properties=_properties(message),
            queue=self._names.early,
            code=code,
            reason=reason,
        )


def _properties(message: AmqpMessage) -> spec.Basic.Properties:
    """Without the publisher's ``message_id``: the client tells returned messages apart by it."""
    return spec.Basic.Properties(
        message_type=message.type,
        content_type=message.content_type,
        correlation_id=message.correlation_id,
        headers=dict(message.headers),
        delivery_mode=2,
    )
