"""A plain connection to RabbitMQ for the length of a command, and its errors in our words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError, ChannelNotFoundEntity
from pamqp.common import FieldTable

from speechmq.errors import BrokerError, BrokerLost, ExchangeMissing, RequestError

CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 2.0
HEARTBEAT_SECONDS = 10


def address(url: str) -> str:
    """Host, port and vhost of an AMQP URL: what may be shown of it. Raises ``RequestError``."""
    try:
        parts = urlsplit(url)
        port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
    except ValueError as error:
        raise RequestError(f"the AMQP URL cannot be read: {error}") from error
    if parts.scheme not in {"amqp", "amqps"} or not parts.hostname:
        raise RequestError("an AMQP URL looks like amqp://user:password@host:5672/vhost")
    return f"{parts.hostname}:{port}{parts.path.rstrip('/')}"


@asynccontextmanager
async def connected(url: str, name: str) -> AsyncIterator[AbstractConnection]:
    """A connection that shows as ``name`` in RabbitMQ's list of connections.

    Raises ``RequestError`` for a URL that is none, ``BrokerError`` when there is no broker behind
    it. Leaving, also when cancelled, takes ``CLOSE_SECONDS`` at most.
    """
    where = address(url)
    # What goes wrong is raised and told once; the libraries would log it a second time.
    for library in ("aio_pika", "aiormq"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    connection = await _connect(url, where, name)
    try:
        yield connection
    finally:
        with suppress(TimeoutError, AMQPError, OSError, ChannelInvalidStateError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await connection.close()


async def _connect(url: str, where: str, name: str) -> AbstractConnection:
    properties: FieldTable = {"connection_name": name}
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await aio_pika.connect(
                url, client_properties=properties, heartbeat=HEARTBEAT_SECONDS
            )
    except TimeoutError as error:
        raise BrokerError(
            f"RabbitMQ at {where} did not answer within {CONNECT_SECONDS:g} s"
        ) from error
    except (AMQPError, OSError, ValueError) as error:
        raise BrokerError(
            f"RabbitMQ at {where} cannot be reached: {_reason(error)}. Does it run, and has --url "
            "the right user, password and vhost?"
        ) from error


def _reason(error: Exception) -> str:
    return " ".join(map(str, error.args)) or type(error).__name__


async def declared_exchange(channel: AbstractChannel, name: str) -> AbstractExchange:
    """An exchange that a worker has declared: its arguments are the worker's business.

    Raises ``ExchangeMissing``; the channel is closed then.
    """
    try:
        return await channel.get_exchange(name)
    except ChannelNotFoundEntity as error:
        raise ExchangeMissing(name) from error


@contextmanager
def broker_errors(doing: str) -> Iterator[None]:
    """Translates what aio-pika raises while ``doing`` something."""
    try:
        yield
    except TimeoutError as error:
        raise BrokerError(
            f"RabbitMQ did not answer in time while {doing}; it holds publishers back when it is "
            "short of memory or disk space"
        ) from error
    except (AMQPError, OSError, ChannelInvalidStateError) as error:
        raise _lost(doing, error) from error
    except Exception as error:
        # aiormq fails what is under way with a bare `Exception` when it has no better one.
        if type(error) is not Exception:
            raise
        raise _lost(doing, error) from error


def _lost(doing: str, error: Exception) -> BrokerLost:
    return BrokerLost(f"the connection to RabbitMQ was lost while {doing}: {_reason(error)}")
