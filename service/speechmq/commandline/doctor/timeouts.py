"""What only RabbitMQ's HTTP API tells: its clock, and a policy that shortens our claims' timeout.

A claim is unacknowledged as long as its stream lasts. RabbitMQ closes the channel of a consumer
that holds a message for longer than ``consumer_timeout``, half an hour unless told otherwise.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen

from speechmq.broker.topology import ONE_YEAR_MS
from speechmq.settings import BrokerSettings
from speechmq_schemas import Names

from .finding import Finding, clock_finding, ok, unknown, warning

HTTP_SECONDS = 5.0
MOST_BYTES = 1_000_000
HONOURS_ARGUMENT = (3, 12)
CHECK = "consumer_timeout"
SET_IT = (
    "see `rabbitmqctl eval 'application:get_env(rabbit, consumer_timeout).'`; in rabbitmq.conf: "
    f"consumer_timeout = {ONE_YEAR_MS}"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the HTTP API said of the queue of claims; ``None``: nothing."""

    date: str | None
    queue: Mapping[str, Any] | None


async def broker_http_findings(
    settings: BrokerSettings, version: tuple[int, ...], management_url: str | None
) -> AsyncIterator[Finding]:
    base = management_url or usual_url(settings.urls[0])
    answer = None if base is None else await asyncio.to_thread(_ask, settings, base)
    yield timeout_finding(version, None if answer is None else answer.queue)
    if answer is None:
        yield unknown(
            "broker clock",
            "RabbitMQ's HTTP API cannot be asked",
            "say where it is: --management-url",
        )
    else:
        yield clock_finding("broker clock", answer.date, datetime.now(UTC))


def usual_url(amqp_url: str) -> str | None:
    """Where the HTTP API is unless told otherwise. Not guessed for a broker that is reached by
    TLS: the password would go out in the clear."""
    parts = urlsplit(amqp_url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"http://{host}:15672" if parts.scheme == "amqp" else None


def timeout_finding(version: tuple[int, ...], queue: Mapping[str, Any] | None) -> Finding:
    """``queue`` is the HTTP API's description of the queue of claims."""
    if version < HONOURS_ARGUMENT:
        text = "this version heeds none but the node's, which cannot be read from here"
        return unknown(CHECK, text, SET_IT)
    policy = (queue or {}).get("effective_policy_definition") or {}
    shortened = policy.get("consumer-timeout") if isinstance(policy, dict) else None
    if isinstance(shortened, int) and shortened < ONE_YEAR_MS:
        return warning(
            CHECK,
            f"a policy takes claims away after {shortened / 1000:.0f} s",
            f"leave the queue of claims out of it, or set consumer-timeout to {ONE_YEAR_MS}",
        )
    return ok(CHECK, "a year for claims: this version heeds the queue's own")


def _ask(settings: BrokerSettings, base: str) -> Answer | None:
    """Blocks. Nothing when there is no HTTP API, or it does not know us."""
    parts = urlsplit(settings.urls[0])
    vhost = quote(unquote(parts.path[1:]) or "/", safe="")
    claims = quote(Names(settings.namespace).claims, safe="")
    user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    try:
        request = Request(  # noqa: S310  # checked by the command
            f"{base.rstrip('/')}/api/queues/{vhost}/{claims}",
            headers={"Authorization": f"Basic {token}"},
        )
        with urlopen(request, timeout=HTTP_SECONDS) as answer:  # noqa: S310
            found = json.loads(answer.read(MOST_BYTES))
            return Answer(answer.headers["Date"], found if isinstance(found, dict) else None)
    except HTTPError as error:
        with error:
            return Answer(error.headers["Date"], None)
    except (URLError, OSError, ValueError):
        return None
