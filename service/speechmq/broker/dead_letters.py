"""The dead-letter queue: copies of what was refused, with headers that say why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp import commands as spec
from pamqp import encode

from speechmq_schemas import AmqpMessage
from speechmq_schemas.dead_letters import CODE, DROPPED, QUEUE, REASON, ROUTING_KEY

from .plane import translated

BURIED: Counter[str] = Counter()
"""Copies that this process has made, by code."""
# Properties must fit one frame, of 128 KiB; beyond this the copy does without the headers.
MAX_HEADERS = 100_000
MAX_REASON = 1000


@dataclass(frozen=True, slots=True)
class Letter:
    """A refused message, and where it lay.

    ``routing_key`` is set where the queue does not tell by which it had come.
    """

    queue: str
    body: bytes
    type: str
    headers: Mapping[str, Any]
    content_type: str | None = None
    correlation_id: str | None = None
    routing_key: str = ""

    @classmethod
    def of_delivery(cls, queue: str, message: DeliveredMessage) -> Letter:
        found = message.header.properties
        return cls(
            queue,
            message.body,
            found.message_type or "",
            found.headers or {},
            found.content_type,
            found.correlation_id,
        )

    @classmethod
    def of_message(cls, queue: str, message: AmqpMessage) -> Letter:
        return cls(
            queue,
            message.body,
            message.type,
            message.headers,
            message.content_type,
            message.correlation_id,
            message.routing_key,
        )


async def bury(
    channel: AbstractChannel, dead: str, letter: Letter, *, code: str, reason: str
) -> None:
    """Returns when the broker has confirmed the copy; only then may the original be settled."""
    why = {
        CODE: code,
        REASON: reason[:MAX_REASON],
        QUEUE: letter.queue,
        **({ROUTING_KEY: letter.routing_key} if letter.routing_key else {}),
    }
    copy = spec.Basic.Properties(
        content_type=letter.content_type,
        message_type=letter.type,
        correlation_id=letter.correlation_id,
        headers=writable(letter.headers) | why,
        timestamp=datetime.now(UTC),
        delivery_mode=2,
    )
    with translated(f"dead-lettering a message of {letter.queue}"):
        await channel.basic_publish(letter.body, routing_key=dead, properties=copy, mandatory=True)
    BURIED[code] += 1


def writable(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Headers as they came, as far as the client can write what it has read.

    Text that is not UTF-8 is read as bytes, which it cannot write again.
    """
    copies: dict[str, Any] = {
        key: value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
        for key, value in headers.items()
    }
    try:
        fits = len(encode.field_table(copies)) <= MAX_HEADERS
    except (TypeError, ValueError, OverflowError):
        fits = False
    return copies if fits else {DROPPED: len(headers)}
