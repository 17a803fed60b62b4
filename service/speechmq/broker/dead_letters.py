"""The dead-letter queue: copies of what was refused, with headers that say why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp import commands as spec
from pamqp import encode

from speechmq_schemas import AmqpMessage
from speechmq_schemas.dead_letters import CODE, CUT, DROPPED, HEADERS, QUEUE, REASON, ROUTING_KEY

from .amqp.error_map import translated

DEAD_LETTERED: Counter[str] = Counter()
"""Copies that this process has made, by code."""
# Properties must fit one frame, of 128 KiB; beyond this the copy does without the headers.
MAX_HEADERS = 100_000
MAX_REASON = 1000
# A publisher that floods shall not fill the disk twice, nor the memory of a worker meanwhile: what
# is larger than anything of use is kept only so far that one sees what it is.
MAX_BODY, BEGINNING = 1024 * 1024, 4096


def cut(message: DeliveredMessage) -> DeliveredMessage:
    """Without its body but for the beginning; its header still tells how large that was."""
    return replace(message, body=bytes(message.body[:BEGINNING]))


def is_cut(message: DeliveredMessage) -> bool:
    return message.header.body_size > len(message.body)


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """A refused message, and where it lay.

    ``routing_key`` is set where the queue does not tell by which it had come. ``size`` is that of a
    body of which only the beginning is left.
    """

    queue: str
    body: bytes
    type: str
    headers: Mapping[str, Any]
    content_type: str | None = None
    correlation_id: str | None = None
    routing_key: str = ""
    size: int = 0

    @classmethod
    def of_delivery(cls, queue: str, message: DeliveredMessage) -> RejectedMessage:
        found = message.header.properties
        return cls(
            queue,
            message.body,
            found.message_type or "",
            found.headers or {},
            found.content_type,
            found.correlation_id,
            size=message.header.body_size if is_cut(message) else 0,
        )

    @classmethod
    def of_message(cls, queue: str, message: AmqpMessage) -> RejectedMessage:
        return cls(
            queue,
            message.body,
            message.type,
            message.headers,
            message.content_type,
            message.correlation_id,
            message.routing_key,
        )


async def dead_letter(
    channel: AbstractChannel, dead: str, rejected: RejectedMessage, *, code: str, reason: str
) -> None:
    """Returns when the broker has confirmed the copy; only then may the original be settled."""
    body, size = _kept(rejected)
    why: dict[str, Any] = {
        CODE: code,
        REASON: reason[:MAX_REASON],
        QUEUE: rejected.queue,
        **({ROUTING_KEY: rejected.routing_key} if rejected.routing_key else {}),
        **({CUT: size} if size else {}),
    }
    copy = spec.Basic.Properties(
        content_type=rejected.content_type,
        message_type=rejected.type,
        correlation_id=rejected.correlation_id,
        headers=why | kept_headers(rejected.headers),
        timestamp=datetime.now(UTC),
        delivery_mode=2,
    )
    with translated(f"dead-lettering a message of {rejected.queue}"):
        await channel.basic_publish(body, routing_key=dead, properties=copy, mandatory=True)
    DEAD_LETTERED[code] += 1


def _kept(rejected: RejectedMessage) -> tuple[bytes, int]:
    """What the copy has of the body and, where that is not all of it, how many bytes there were."""
    if len(rejected.body) > MAX_BODY:
        return rejected.body[:BEGINNING], len(rejected.body)
    return rejected.body, rejected.size


def kept_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Headers as they came, in a table of their own: at the top level RabbitMQ would obey some.

    They are only counted where they cannot be written again.
    """
    copies = writable(headers)
    if copies is None:
        return {DROPPED: len(headers)}
    return {HEADERS: copies} if copies else {}


def writable(headers: Mapping[str, Any]) -> dict[str, Any] | None:
    """Headers as far as the client can write what it has read; nothing if they do not fit.

    Text that is not UTF-8 is read as bytes, which the client cannot write again.
    """
    copies: dict[str, Any] = {
        key: value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
        for key, value in headers.items()
    }
    try:
        fits = len(encode.field_table(copies)) <= MAX_HEADERS
    except (TypeError, ValueError, OverflowError):
        fits = False
    return copies if fits else None
