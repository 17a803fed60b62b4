"""Streams that cannot go on in any worker: what is lost of one, its last word, and the end of what
it leaves."""

from __future__ import annotations

import time
from collections.abc import Mapping

from speechmq_schemas import Names, StreamFailed, from_event

from ...errors import StreamUnharmed
from ..amqp.error_map import translated
from ..amqp.plane import DataPlane
from ..announcements import properties_of, publish_event
from .stream_queue import delete_queues


async def lost_of(plane: DataPlane, names: Names, stream_id: str) -> str | None:
    """``queue`` or ``state``, which a live stream has both; none when the stream is over.

    A stream's own queue goes before its state: at the end, where the last owner deletes both,
    and when nobody looks after them. Raises ``StreamUnharmed`` when both are there after all,
    ``QueueUnavailable`` when RabbitMQ cannot say whether they are, and ``BrokerError``.
    """
    has_queue = await plane.queue_exists(names.stream(stream_id)) is not None
    has_state = await plane.queue_exists(names.state(stream_id)) is not None
    if has_queue and has_state:
        raise StreamUnharmed(f"stream {stream_id} has its queues; another one was missing")
    if not has_queue and not has_state:
        return None
    return "state" if has_queue else "queue"


async def fail_stream(  # by name
    plane: DataPlane,
    names: Names,
    failed: StreamFailed,
    *,
    epoch: int,
    headers: Mapping[str, str],
    has_state: bool,
) -> None:
    """Publishes the failure, and deletes the stream's queues then. Raises ``BrokerError``.

    The failure is the stream's last state first, where it ``has_state``: a successor of one that
    got no further finds it there, publishes it under the same ``message_id``, and deletes.
    """
    message = from_event(failed, epoch=epoch, seq=time.time_ns(), headers=headers)
    async with plane.asking(confirms=True) as channel:
        if has_state:
            state = names.state(failed.stream_id)
            with translated(f"saving the failure in {state}"):
                await channel.basic_publish(
                    message.body,
                    routing_key=state,
                    properties=properties_of(channel, message),
                    mandatory=True,
                )
        await publish_event(channel, names, message)
    async with plane.asking() as channel:
        await delete_queues(channel, names, failed.stream_id)
