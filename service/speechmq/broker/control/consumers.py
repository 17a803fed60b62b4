"""Whether the broker still has our consumers: it may drop them while the connection lives.

It tells with a cancel, as a rule; so the queues are also looked at every second. A look counts all
consumers of a queue, those of other workers too: it finds what no cancel told of where a worker is
the only one, and a broker that does not answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiormq.abc import AbstractChannel

from speechmq_schemas import Names

from ...errors import BrokerLost, QueueMissing
from ..amqp.error_map import translated
from ..amqp.plane import DataPlane

EVERY = 1.0
"""Seconds between looks."""
MISSES = 2
"""Looks in a row that must find nobody: a queue that is just moving may say so once."""


class ConsumerWatch:
    """``worker`` names the one that answers for its own streams. ``looked`` is called with the
    number of claims that wait, each time that all is well."""

    def __init__(
        self, plane: DataPlane, names: Names, worker: str, looked: Callable[[int], None]
    ) -> None:
        self._plane = plane
        self._claims = names.claims
        shared = (names.start, names.early, names.temporary_key)
        self._queues = (names.claims, *shared, names.status(worker))
        self._looked = looked
        self._misses = 0

    async def fail_when_lost(self, *, until: Callable[[], bool]) -> None:
        """Raises ``BrokerLost``; returns when ``until`` says that consumers are being left."""
        async with self._plane.asking() as channel:
            while not until():
                await self._look(channel)
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
            raise BrokerLost(f"the broker has no consumer of {', '.join(deserted)} any more")
        if not deserted:
            self._looked(waiting)


async def _count(channel: AbstractChannel, queue: str) -> tuple[int, int]:
    """Messages that wait in the queue, and its consumers. Raises ``BrokerLost``."""
    try:
        with translated(f"looking at {queue}"):
            found = await channel.queue_declare(queue, passive=True)
    except QueueMissing as error:
        raise BrokerLost(f"the queue {queue} was deleted") from error
    return found.message_count or 0, found.consumer_count or 0
