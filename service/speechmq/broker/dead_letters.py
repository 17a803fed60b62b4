"""The dead-letter queue: copies of what was refused, with headers that say why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiormq.abc import AbstractChannel
from pamqp import commands as spec

from .plane import translated

REASON = "x-speechmq-reason"
CODE = "x-speechmq-code"
QUEUE = "x-speechmq-queue"


async def bury(
    channel: AbstractChannel,
    dead: str,
    *,
    body: bytes,
    properties: spec.Basic.Properties,
    queue: str,
    code: str,
    reason: str,
) -> None:
    """Returns when the broker has confirmed the copy; only then may the original be settled."""
    headers: Mapping[str, Any] = properties.headers or {}
    copy = spec.Basic.Properties(
        content_type=properties.content_type,
        message_type=properties.message_type,
        correlation_id=properties.correlation_id,
        headers={**headers, CODE: code, REASON: reason[:1000], QUEUE: queue},
        delivery_mode=2,
    )
    with translated(f"dead-lettering a message of {queue}"):
        await channel.basic_publish(body, routing_key=dead, properties=copy, mandatory=True)
