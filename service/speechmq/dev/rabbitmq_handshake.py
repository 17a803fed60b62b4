"""Tells whether a broker is really there: a full AMQP handshake, not an open port."""

import asyncio
from urllib.parse import urlsplit

import aio_pika
from aiormq.exceptions import AMQPError

from speechmq.dev.rabbitmq_errors import BrokerUnreachableError

HANDSHAKE_SECONDS = 10.0


async def accepts_connections(url: str, within: float = HANDSHAKE_SECONDS) -> bool:
    """Tell whether the broker at `url` is up and knows the user and vhost in it."""
    try:
        await shake_hands(url, within)
    except BrokerUnreachableError:
        return False
    return True


async def shake_hands(url: str, within: float = HANDSHAKE_SECONDS) -> None:
    """Open and close an AMQP connection; raises BrokerUnreachableError after `within` seconds."""
    try:
        async with asyncio.timeout(within):
            await _knock(url)
            connection = await aio_pika.connect(url)
            await connection.close()
    except TimeoutError:
        raise BrokerUnreachableError(address(url), f"no answer in {within:g} s") from None
    except (OSError, AMQPError) as refusal:
        raise BrokerUnreachableError(address(url), str(refusal)) from refusal


async def _knock(url: str) -> None:
    """Open the port first: the client library logs every refused connection as an error."""
    parts = urlsplit(url)
    _, writer = await asyncio.open_connection(parts.hostname, _port(url))
    writer.close()
    await writer.wait_closed()


def address(url: str) -> str:
    """Return host and port of an AMQP URL: what may be shown of it."""
    return f"{urlsplit(url).hostname}:{_port(url)}"


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (5671 if parts.scheme == "amqps" else 5672)
