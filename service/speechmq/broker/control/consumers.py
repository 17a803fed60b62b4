"""Whether the broker still has our consumers: it may drop them while the connection lives.

It tells with a cancel, as a rule; so the queues are also looked at every second. A look counts all
consumers of a queue, those of other workers too: it finds what no cancel told of where a worker is
the only one, and a broker that does not answer.

RabbitMQ also says "no consumers" of a quorum queue whose leader does not answer. So a queue counts
as deserted only if its leader answers another question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiormq.abc import AbstractChannel

from speechmq_schemas import Names

from ...errors import BrokerError, BrokerLost, BrokerRefused, QueueMissing, QueueUnavailable
from ...settings import BrokerSettings
from ...telemetry.logs import get_logger
from ..amqp.error_map import answered, translated
from ..amqp.plane import DataPlane, open_plane

log = get_logger(__name__)

EVERY = 1.0
"""Seconds between looks."""
PROBE = 5.0
"""Seconds for the leader of a queue that seems to have no consumer."""
MISSES = 2
"""Looks in a row that must find nobody: a queue that is just moving may say so once."""


class ConsumerWatch:
    """``worker`` names the one that answers for its own streams. ``looked`` is called with the
    number of claims that wait, each time that all is well. ``has_leader`` says whether the leader
    of a queue answers."""

    def __init__(
        self,
        plane: DataPlane,
        names: Names,
        worker: str,
        looked: Callable[[int], None],
        has_leader: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._has_leader = has_leader
        self._is_told = False
        self._plane = plane
        self._claims = names.claims
        shared = (names.start, names.early, names.temporary_key)
        self._queues = (names.claims, *shared, names.status(worker))
        self._looked = looked
        self._misses = 0

    async def fail_when_lost(self, *, until: Callable[[], bool]) -> None:
        """Raises ``BrokerLost``; returns when ``until`` says that consumers are being left."""
        while not until():
            try:
                async with self._plane.asking() as channel:
                    while not until():
                        await self._look(channel)
                        await asyncio.sleep(EVERY)
            except QueueUnavailable as error:
                if self._plane.is_lost:
                    raise
                self._tell(str(error))
                await asyncio.sleep(EVERY)

    async def _look(self, channel: AbstractChannel) -> None:
        waiting, deserted = 0, []
        for queue in self._queues:
            messages, consumers = await _count(channel, queue)
            waiting = messages if queue == self._claims else waiting
            if not consumers:
                deserted.append(queue)
        self._misses = self._misses + 1 if deserted else 0
        if self._misses >= MISSES:
            for queue in deserted:
                if not await self._has_leader(queue):
                    self._tell(f"the leader of {queue} does not answer")
                    return
            raise BrokerLost(f"the broker has no consumer of {', '.join(deserted)} any more")
        if not deserted:
            self._is_told = False
            self._looked(waiting)

    def _tell(self, reason: str) -> None:
        """Once, until all is well again."""
        if not self._is_told:
            log.warning("queue_unavailable", reason=reason)
        self._is_told = True


async def has_leader(settings: BrokerSettings, queue: str) -> bool:
    """Whether the queue's leader answers within ``PROBE`` seconds.

    It takes a message and gives it back, on a connection of its own: RabbitMQ closes the one that
    asks a queue without a leader. A refusal is an answer, too: the queue is another connection's,
    or has a single active consumer.
    """
    try:
        async with (
            answered(PROBE),
            open_plane(settings) as plane,
            plane.asking() as channel,
        ):
            with translated(f"asking the leader of {queue}"):
                await channel.basic_get(queue)
    except QueueUnavailable:
        return False
    except BrokerRefused:
        return True
    except BrokerError:
        return False
    return True


async def _count(channel: AbstractChannel, queue: str) -> tuple[int, int]:
    """Messages that wait in the queue, and its consumers. Raises ``BrokerLost``."""
    try:
        with translated(f"looking at {queue}"):
            found = await channel.queue_declare(queue, passive=True)
    except QueueMissing as error:
        raise BrokerLost(f"the queue {queue} was deleted") from error
    return found.message_count or 0, found.consumer_count or 0
