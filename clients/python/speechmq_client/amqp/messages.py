"""The contract's messages as those of aio-pika and aiormq, and back."""

from __future__ import annotations

from datetime import UTC, datetime

from aio_pika.abc import AbstractIncomingMessage
from pamqp import commands as spec

from speechmq_schemas import AmqpMessage

PERSISTENT = 2


def properties_of(message: AmqpMessage, message_id: str) -> spec.Basic.Properties:
    """The time is that of the call. The client tells returned messages apart by ``message_id``."""
    return spec.Basic.Properties(
        message_type=message.type,
        headers=dict(message.headers),
        content_type=message.content_type,
        correlation_id=message.correlation_id,
        message_id=message_id,
        reply_to=message.reply_to,
        user_id=message.user_id,
        timestamp=datetime.now(UTC),
        delivery_mode=PERSISTENT,
    )


def from_aio_pika(message: AbstractIncomingMessage) -> AmqpMessage:
    return AmqpMessage(
        routing_key=message.routing_key or "",
        type=message.type or "",
        body=message.body,
        headers=message.headers,
        content_type=message.content_type or "",
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        user_id=message.user_id,
    )
