"""Who owns a stream: the one connection that holds the exclusive queue ``owner.<id>``.

Consumers do not tell: a quorum queue with a single active consumer takes others, and counts the
active one alone. The broker gives an exclusive queue to one connection, deletes it when that is
gone, and does so behind everything that the connection's channels had published.
"""

from __future__ import annotations

from aiormq.abc import AbstractChannel

from speechmq_schemas import Names

from ...errors import QueueLocked, StreamOwned
from ..amqp.error_map import translated
from ..amqp.plane import DataPlane


def owner_queue(names: Names, stream_id: str) -> str:
    return f"{names.namespace}.owner.{stream_id}"


async def acquire(plane: DataPlane, names: Names, stream_id: str) -> None:
    """Makes the connection of ``plane`` the stream's owner, until ``release`` or its end.

    Raises ``StreamOwned`` when another connection is, and ``BrokerError``. A second call on one
    connection succeeds: who of a worker owns the stream is the worker's to know.
    """
    queue = owner_queue(names, stream_id)
    try:
        async with plane.asking() as channel:
            with translated(f"declaring {queue}"):
                await _declare(channel, queue)
    except QueueLocked as error:
        raise StreamOwned(f"another worker owns stream {stream_id}") from error


async def _declare(channel: AbstractChannel, queue: str) -> None:
    # Classic in any case: a default of another type would make an exclusive queue impossible.
    await channel.queue_declare(queue, exclusive=True, arguments={"x-queue-type": "classic"})


async def release(plane: DataPlane, names: Names, stream_id: str) -> None:
    """Another may own the stream once this returns. Raises ``BrokerError``."""
    async with plane.asking() as channel:
        with translated(f"letting go of stream {stream_id}"):
            await channel.queue_delete(owner_queue(names, stream_id))
