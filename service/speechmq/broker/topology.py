"""Exchanges, queues and bindings as data, and their idempotent declaration.

Arguments of queues are compared by the broker on every declare, so a change here is a change that
running deployments feel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aiormq.abc import AbstractChannel

from speechmq_schemas import Names, stream_routing_key
from speechmq_schemas.routing import START_ROUTING_KEY, TEMPORARY_KEY_ROUTING_KEY

from ..settings import BrokerSettings

QueueType = Literal["quorum", "classic"]

# RabbitMQ 4 drops a quorum message at its 21st delivery unless told otherwise, and crashes count.
# -1 means "unlimited" to 4.0 and "drop at once" to 3.10.
DELIVERY_LIMIT = 1_000_000
ONE_YEAR_MS = 365 * 24 * 3600 * 1000
# A stream's state outlives its queue by so many times when nobody looks after them: who finds the
# state alone knows that the queue was lost, and who finds neither, that the stream had ended.
STATE_OUTLIVES = 24
# Who asks does not wait for longer; what no worker took by then is of no use to anybody.
REQUEST_TTL_MS = 60_000


@dataclass(frozen=True, slots=True)
class Exchange:
    name: str
    kind: Literal["direct", "topic", "fanout"]
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Binding:
    queue: str
    exchange: str
    routing_key: str = ""


@dataclass(frozen=True, slots=True)
class Topology:
    exchanges: tuple[Exchange, ...] = ()
    queues: tuple[Queue, ...] = ()
    bindings: tuple[Binding, ...] = ()


def _replicated(queue_type: QueueType, **arguments: Any) -> dict[str, Any]:
    if queue_type == "classic":
        return arguments
    return {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT, **arguments}


def shared(names: Names, queue_type: QueueType) -> Topology:
    """What every worker of a namespace shares."""
    replicated = _replicated(queue_type)
    return Topology(
        exchanges=(
            Exchange(names.unrouted, "fanout"),
            Exchange(names.inbound, "direct", {"alternate-exchange": names.unrouted}),
            Exchange(names.events, "topic"),
        ),
        queues=(
            Queue(names.start, replicated),
            Queue(names.early, {**replicated, "x-single-active-consumer": True}),
            Queue(names.claims, {**replicated, "x-consumer-timeout": ONE_YEAR_MS}),
            Queue(names.temporary_key, {**replicated, "x-message-ttl": REQUEST_TTL_MS}),
            Queue(names.dead, replicated),
        ),
        bindings=(
            Binding(names.start, names.inbound, START_ROUTING_KEY),
            Binding(names.temporary_key, names.inbound, TEMPORARY_KEY_ROUTING_KEY),
            Binding(names.early, names.unrouted),
        ),
    )


# What a late consumer needs to fold a stream: all that will not change, and how it ended. Speakers
# are not among it: their identifiers are nobody's to keep by default.
LOGGED = (
    "transcript.final.*",
    "translation.final.*.*",
    "utterance.end.*",
    "audio.gap.*",
    "stream.started.*",
    "stream.ended.*",
    "stream.failed.*",
)
# RabbitMQ drops whole segments only: the smaller they are, the closer it keeps to the limits.
SEGMENTS = 20
SMALLEST_SEGMENT, LARGEST_SEGMENT = 1_000_000, 100_000_000


def transcript_log(names: Names, *, max_age: float, max_bytes: int) -> Topology:
    """A queue of RabbitMQ's kind "stream", which consumers read without taking anything out."""
    segment = min(LARGEST_SEGMENT, max(SMALLEST_SEGMENT, max_bytes // SEGMENTS))
    arguments = {
        "x-queue-type": "stream",
        "x-max-age": f"{round(max_age)}s",
        "x-max-length-bytes": max_bytes,
        "x-stream-max-segment-size-bytes": segment,
    }
    return Topology(
        queues=(Queue(names.log, arguments),),
        bindings=tuple(Binding(names.log, names.events, key) for key in LOGGED),
    )


def topologies(names: Names, settings: BrokerSettings) -> Iterator[Topology]:
    """Everything that a worker declares before it works, in this order."""
    yield shared(names, settings.queue_type)
    if settings.transcript_log:
        yield transcript_log(names, max_age=settings.log_max_age, max_bytes=settings.log_max_bytes)


def merged(parts: Iterable[Topology]) -> Topology:
    listed = list(parts)
    return Topology(
        exchanges=tuple(one for part in listed for one in part.exchanges),
        queues=tuple(one for part in listed for one in part.queues),
        bindings=tuple(one for part in listed for one in part.bindings),
    )


@dataclass(frozen=True, slots=True)
class StreamTopology:
    """The queues of one stream, and the binding that opens it to its publisher.

    ``memo`` is declared when there is something to keep in it.
    """

    stream: Queue
    state: Queue
    memo: Queue
    inbound: Binding


def per_stream(
    names: Names,
    stream_id: str,
    start: bytes,
    *,
    queue_type: QueueType,
    max_bytes: int,
    expires: float,
) -> StreamTopology:
    """``start`` is the body of the stream's start.

    Its digest hides in the milliseconds of ``x-expires``, which the broker compares on every
    declare: of two different starts for one stream id it refuses the second, however close.
    """
    expires_ms, digest = round(expires * 1000), _digest(start)
    stream = Queue(
        names.stream(stream_id),
        _replicated(
            queue_type,
            **{
                "x-expires": expires_ms + digest,
                "x-max-length-bytes": max_bytes,
                "x-overflow": "reject-publish",
                "x-single-active-consumer": True,
            },
        ),
    )
    # Classic: a quorum queue of length 1 was seen to lose the newest value instead of the oldest.
    last_value = {"x-max-length": 1, "x-overflow": "drop-head"}
    state_expires = {"x-expires": expires_ms * STATE_OUTLIVES + digest}
    state = Queue(names.state(stream_id), {**last_value, **state_expires})
    memo = Queue(names.memo(stream_id), {**last_value, "x-expires": expires_ms + digest})
    return StreamTopology(
        stream,
        state,
        memo,
        Binding(stream.name, names.inbound, stream_routing_key(stream_id)),
    )


def _digest(start: bytes) -> int:
    """20 bits: up to 17 minutes on top of the hour."""
    return int.from_bytes(hashlib.sha256(start).digest()[:3], "big") >> 4


async def declare(channel: AbstractChannel, topology: Topology) -> None:
    """Safe to repeat, by any number of workers at once."""
    for exchange in topology.exchanges:
        await declare_exchange(channel, exchange)
    for queue in topology.queues:
        await declare_queue(channel, queue)
    for binding in topology.bindings:
        await bind(channel, binding)


async def declare_exchange(channel: AbstractChannel, exchange: Exchange) -> None:
    await channel.exchange_declare(
        exchange.name,
        exchange_type=exchange.kind,
        durable=True,
        arguments=dict(exchange.arguments),
    )


async def declare_queue(channel: AbstractChannel, queue: Queue) -> None:
    await channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))


async def bind(channel: AbstractChannel, binding: Binding) -> None:
    await channel.queue_bind(binding.queue, binding.exchange, binding.routing_key)
