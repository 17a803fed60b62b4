"""Everything that was published, in the order of the broker, across its restarts."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiormq.abc import DeliveredMessage
from tests.chaos.post import Post, consume_for_ever, posting

from speechmq_schemas import AmqpMessage, Event, Names, to_event

QUEUE = "chaos-observer"
LAST_WORDS = ("StreamEnded", "StreamFailed")


@dataclass(frozen=True, slots=True)
class Heard:
    """``event`` is left out for partials; ``digest`` is that of the body.

    ``is_redelivered``: the observer may have had it before, which is the observer's own doing.
    """

    kind: str
    message_id: str
    epoch: int
    seq: int
    digest: bytes
    event: Event | None
    is_redelivered: bool
    at: float


@dataclass
class Observer:
    """``streams`` by their ids, each in order of arrival."""

    streams: dict[str, list[Heard]] = field(default_factory=lambda: defaultdict(list))
    over: set[str] = field(default_factory=set)

    def take(self, message: DeliveredMessage) -> None:
        properties = message.header.properties
        kind, headers = properties.message_type or "", properties.headers or {}
        stream_id = (message.routing_key or "").rpartition(".")[2]
        amqp = AmqpMessage(message.routing_key or "", kind, message.body, dict(headers))
        self.streams[stream_id].append(
            Heard(
                kind=kind,
                message_id=properties.message_id or "",
                epoch=int(headers["epoch"]),  # type: ignore[arg-type]
                seq=int(headers["seq"]),  # type: ignore[arg-type]
                digest=hashlib.blake2b(message.body, digest_size=8).digest(),
                event=None if kind == "PartialTranscript" else to_event(amqp),
                is_redelivered=bool(message.redelivered),
                at=time.monotonic(),
            )
        )
        if kind in LAST_WORDS:
            self.over.add(stream_id)


async def declare_queue(post: Post) -> None:
    """A durable queue, so that nothing is missed while the broker or its connection is away."""
    channel = await post.channel()
    await channel.queue_declare(QUEUE, durable=True)
    await channel.queue_bind(QUEUE, Names().events, "#")


@asynccontextmanager
async def observing(url: str) -> AsyncIterator[Observer]:
    """Needs a worker that has declared the exchange."""
    observer = Observer()
    async with posting(url) as post:
        await declare_queue(post)
        consuming = asyncio.create_task(consume_for_ever(post, QUEUE, observer.take))
        try:
            yield observer
        finally:
            consuming.cancel()
            await asyncio.gather(consuming, return_exceptions=True)
