"""A plain connection to RabbitMQ for the length of a command."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError
from pamqp.common import FieldTable

from speechmq.broker.amqp.error_map import text_of
from speechmq.errors import BrokerError, RequestError
from speechmq.settings.address import require_escaped, split_urls

CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 2.0
HEARTBEAT_SECONDS = 10


def address(url: str) -> str:
    """Host, port and vhost of one AMQP URL: what may be shown. Raises ``RequestError``."""
    try:
        require_escaped(url)
        parts = urlsplit(url)
        port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
    except ValueError as error:
        raise RequestError(f"the AMQP URL cannot be read: it {error}") from None
    if parts.scheme not in {"amqp", "amqps"} or not parts.hostname:
        raise RequestError("an AMQP URL looks like amqp://user:password@host:5672/vhost")
    return f"{parts.hostname}:{port}{parts.path.rstrip('/')}"


@asynccontextmanager
async def connected(url: str, name: str) -> AsyncIterator[AbstractConnection]:
    """A connection that shows as ``name`` in RabbitMQ's list of connections.

    ``url`` may list several addresses, which are tried in turn. Raises ``RequestError`` for a URL
    that is none, ``BrokerError`` when there is no broker behind any of them. Leaving, also when
    cancelled, takes ``CLOSE_SECONDS`` at most.
    """
    urls = split_urls(url)
    # What goes wrong is raised and told once; the libraries would log it a second time.
    for library in ("aio_pika", "aiormq"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    connection = await _connect_in_turn([(one, address(one)) for one in urls], name)
    try:
        yield connection
    finally:
        with suppress(TimeoutError, AMQPError, OSError, ChannelInvalidStateError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await connection.close()


async def _connect_in_turn(urls: list[tuple[str, str]], name: str) -> AbstractConnection:
    """To the first that completes a handshake in its share of ``CONNECT_SECONDS``."""
    refusals = []
    for url, where in urls:
        try:
            return await _connect(url, where, name, CONNECT_SECONDS / len(urls))
        except BrokerError as error:
            refusals.append(error)
    if len(refusals) == 1:
        raise refusals[0]
    raise BrokerError(" ".join(map(str, refusals))) from refusals[-1]


async def _connect(url: str, where: str, name: str, seconds: float) -> AbstractConnection:
    properties: FieldTable = {"connection_name": name}
    try:
        async with asyncio.timeout(seconds):
            return await aio_pika.connect(
                url, client_properties=properties, heartbeat=HEARTBEAT_SECONDS
            )
    except TimeoutError as error:
        raise BrokerError(f"RabbitMQ at {where} did not answer within {seconds:g} s.") from error
    except (AMQPError, OSError, ValueError) as error:
        raise BrokerError(
            f"RabbitMQ at {where} cannot be reached: {text_of(error)}. Does it run, and has --url "
            "the right user, password and vhost?"
        ) from error
