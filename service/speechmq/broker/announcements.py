"""Events that belong to no owner of a stream: admission's, of epoch 0, and a manager's about a
stream that it cannot run. They never reach a stream's checkpoint."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from pamqp import commands as spec

from speechmq_schemas import AmqpMessage, Names, from_event
from speechmq_schemas.events import Event

from ..errors import MessageNacked
from ..telemetry.logs import get_logger
from .amqp.channel import AmqpChannel
from .amqp.error_map import translated

log = get_logger(__name__)

OWNERLESS_EPOCH = 0


async def announce(
    channel: AmqpChannel,
    names: Names,
    event: Event,
    *,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Returns when the broker has the event. The time makes its ``message_id`` unique; ``headers``
    go with the contract's own.

    A consumer whose full queue refuses it has to do without; that is no reason to end anything.
    """
    # Microseconds: a consumer that reads numbers as JavaScript does has 53 bits for them.
    seq = time.time_ns() // 1000
    message = from_event(event, epoch=OWNERLESS_EPOCH, seq=seq, headers=headers)
    await publish_event(channel, names, message)


async def publish_event(channel: AmqpChannel, names: Names, message: AmqpMessage) -> None:
    """As ``announce``, of an event that is a message already."""
    try:
        with translated(f"publishing {message.type}"):
            await channel.basic_publish(
                message.body,
                exchange=names.events,
                routing_key=message.routing_key,
                properties=properties_of(channel, message),
            )
    except MessageNacked:
        log.warning("consumer_queue_full", routing_key=message.routing_key)


def properties_of(channel: AmqpChannel, message: AmqpMessage) -> spec.Basic.Properties:
    return spec.Basic.Properties(
        message_type=message.type,
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        content_type=message.content_type,
        timestamp=datetime.now(UTC),
        headers=dict(message.headers),
        user_id=channel.users.own,
        delivery_mode=2,
    )
