"""What RabbitMQ lets the worker's user do with each exchange and queue of the namespace.

Each right is tried with a request that RabbitMQ cannot grant: it looks at the permission first and
at the request's mistake behind it. So nothing is declared, bound, published or consumed, and an
answer other than "access refused" means that the right is there. Each try costs a channel, and a
line in RabbitMQ's log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from pamqp import commands as spec
from pamqp.common import FieldValue

from speechmq.broker.amqp.error_map import NOT_FOUND, PRECONDITION_FAILED, translated
from speechmq.broker.topology import Topology, merged, topologies
from speechmq.errors import AccessRefused, BrokerError, BrokerRefused
from speechmq.settings import BrokerSettings
from speechmq_schemas import Names, event_routing_key, stream_routing_key
from speechmq_schemas.routing import status_routing_key

from .finding import Finding, Verdict, failed, ok

# Stands for every stream, whose queues are made when it starts.
ANY_STREAM = "doctor"
SETTING = "SPEECHMQ_BROKER__URL"
WRONG_NUMBER = "none"


@dataclass(frozen=True, slots=True)
class Probe:
    """One right, and a request that needs it and comes to nothing."""

    right: str
    ask: Callable[[AbstractChannel], Awaitable[object]]


def probes(names: Names, topology: Topology) -> Iterator[Probe]:
    """Everything that a worker does."""
    own = [
        names.stream(ANY_STREAM),
        names.state(ANY_STREAM),
        names.memo(ANY_STREAM),
        names.status(ANY_STREAM),
    ]
    for exchange in topology.exchanges:
        yield Probe(f"declare exchange {exchange.name}", _declare_exchange(exchange.name))
    for queue in [*(queue.name for queue in topology.queues), *own]:
        yield Probe(f"declare queue {queue}", _declare_queue(queue))
    for queue in [*(queue.name for queue in topology.queues), *own]:
        yield Probe(f"read queue {queue}", _consume(queue))
    event = event_routing_key("StreamAccepted", ANY_STREAM)
    for name, key in ((names.unrouted, ""), (names.events, event), ("", names.dead)):
        yield Probe(f"publish to exchange {name or 'amq.default'}", _publish(name, key))
    bindings = [(one.queue, one.exchange, one.routing_key) for one in topology.bindings]
    bindings += [
        (own[0], names.inbound, stream_routing_key(ANY_STREAM)),
        (own[1], names.events, event),
        (own[3], names.inbound, status_routing_key(ANY_STREAM)),
    ]
    for queue, name, key in bindings:
        yield Probe(f"bind queue {queue} to exchange {name}", _bind(queue, name, key))


def _declare_exchange(name: str) -> Callable[[AbstractChannel], Awaitable[object]]:
    mistaken: dict[str, FieldValue] = {"alternate-exchange": 1}
    return lambda channel: channel.exchange_declare(
        name, exchange_type="fanout", durable=True, arguments=mistaken
    )


def _declare_queue(name: str) -> Callable[[AbstractChannel], Awaitable[object]]:
    mistaken: dict[str, FieldValue] = {"x-expires": WRONG_NUMBER}
    return lambda channel: channel.queue_declare(name, durable=True, arguments=mistaken)


def _consume(name: str) -> Callable[[AbstractChannel], Awaitable[object]]:
    return lambda channel: channel.basic_consume(
        name, _take_nothing, arguments={"x-priority": WRONG_NUMBER}
    )


async def _take_nothing(_: DeliveredMessage) -> None:
    """What is not acknowledged returns when the channel closes."""


def _publish(name: str, key: str) -> Callable[[AbstractChannel], Awaitable[object]]:
    mistaken = spec.Basic.Properties(expiration=WRONG_NUMBER)
    return lambda channel: channel.basic_publish(
        b"", exchange=name, routing_key=key, properties=mistaken
    )


def _bind(queue: str, exchange: str, key: str) -> Callable[[AbstractChannel], Awaitable[object]]:
    """No mistake here: a worker's own binding exists already, or its queue does not."""
    return lambda channel: channel.queue_bind(queue, exchange, key)


async def permission_findings(
    connection: AbstractConnection, settings: BrokerSettings
) -> AsyncIterator[Finding]:
    """One for each right that is missing, or one that says that none is."""
    names = Names(settings.namespace)
    topology = merged(topologies(names, settings))
    count, all_granted = 0, True
    for probe in probes(names, topology):
        count += 1
        finding = await _examine(connection, probe, settings)
        if finding is not None:
            all_granted = False
            yield finding
            if finding.verdict is not Verdict.FAILED or connection.is_closed:
                return
    if all_granted:
        yield ok("broker permissions", f"all {count} that a worker needs are granted")


async def _examine(
    connection: AbstractConnection, probe: Probe, settings: BrokerSettings
) -> Finding | None:
    try:
        refused = await _refusal(connection, probe)
    except BrokerError as error:
        return Finding("broker permissions", Verdict.UNKNOWN, str(error), "try again")
    if refused is None:
        return None
    return failed("broker permissions", f"may not {probe.right}: {refused}", _cure(settings))


async def _refusal(connection: AbstractConnection, probe: Probe) -> str | None:
    """What RabbitMQ says if it refuses; raises ``BrokerError`` when it does not answer."""
    try:
        with translated(f"asking whether we may {probe.right}"):
            channel = await connection.channel()
            try:
                await probe.ask(channel)
            finally:
                await channel.close()
    except AccessRefused as error:
        return error.reply_text
    except BrokerRefused as error:
        if error.reply_code not in (NOT_FOUND, PRECONDITION_FAILED):
            raise
    return None


def _cure(settings: BrokerSettings) -> str:
    parts = urlsplit(settings.urls[0])
    vhost, user = unquote(parts.path[1:]) or "/", unquote(parts.username or "guest")
    own = rf"^{settings.namespace}\."
    command = f"rabbitmqctl set_permissions -p '{vhost}' '{user}'"
    return f"{command} '{own}' '{own}|^amq\\.default$' '{own}'"
