"""A RabbitMQ for development, wherever it can be had: `async with private_broker() as broker`.

Acts on what `rabbitmq_source` chooses. Each way in ends with a broker that has shaken hands.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from speechmq.dev.rabbitmq_compose import composed_broker
from speechmq.dev.rabbitmq_debian import install_server
from speechmq.dev.rabbitmq_errors import BrokerNotFoundError, NotOursError
from speechmq.dev.rabbitmq_handshake import address, shake_hands
from speechmq.dev.rabbitmq_layout import Management
from speechmq.dev.rabbitmq_node import private_node
from speechmq.dev.rabbitmq_source import (
    DebianPackage,
    DockerEngine,
    GivenUrl,
    InstalledServer,
    Nothing,
    Source,
    choose,
    look_around,
)


class Broker(Protocol):
    """A broker that answers. `str()` of it says which one it is, without credentials."""

    @property
    def url(self) -> str:
        """The AMQP URL, with credentials."""

    @property
    def management_url(self) -> str | None:
        """Base URL of the HTTP API, without credentials (the AMQP URL's apply); None if off."""

    async def start(self) -> None:
        """Start it again on the same data and port after `stop` or `kill`."""

    async def stop(self) -> None:
        """Stop it in good order."""

    async def kill(self) -> None:
        """End it at once, as a crash would."""

    async def restart(self) -> None:
        """Stop it in good order and start it again."""

    async def ended(self) -> int:
        """Wait until it ends, by order or by itself, and return its exit code."""


class GivenBroker:
    """Somebody else's broker: used as it is, never stopped."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.management_url: str | None = None

    def __str__(self) -> str:
        return f"given broker on {address(self.url)}"

    async def start(self) -> None:
        raise NotOursError(address(self.url))

    stop = kill = restart = start

    async def ended(self) -> int:
        never: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        return await never


def _say_nothing(_: str) -> None: ...


@asynccontextmanager
async def private_broker(
    *, management: Management = Management.NONE, report: Callable[[str], None] = _say_nothing
) -> AsyncIterator[Broker]:
    """Give a broker for the length of the block, ours alone unless SPEECHMQ_AMQP_URL names one.

    `report` hears of what takes long (installing a package, pulling an image). Raises
    DevelopmentBrokerError, whose text says what to do. On the way out, cancelled or not, whatever
    was started is gone with its data; a private node goes even if this process is killed.
    """
    source = await asyncio.to_thread(lambda: choose(look_around()))
    async with open_source(source, management=management, report=report) as broker:
        yield broker


def open_source(
    source: Source,
    *,
    management: Management = Management.NONE,
    report: Callable[[str], None] = _say_nothing,
) -> AbstractAsyncContextManager[Broker]:
    """Open a broker from where `choose` said; raises BrokerNotFoundError when that is nowhere."""
    match source:
        case GivenUrl(url):
            return _given(url)
        case InstalledServer(script):
            return private_node(script, management=management)
        case DebianPackage():
            return _installed(management=management, report=report)
        case DockerEngine():
            return composed_broker(report=report)
        case Nothing(advice):
            raise BrokerNotFoundError(advice)


@asynccontextmanager
async def _given(url: str) -> AsyncIterator[Broker]:
    await shake_hands(url)
    yield GivenBroker(url)


@asynccontextmanager
async def _installed(
    *, management: Management, report: Callable[[str], None]
) -> AsyncIterator[Broker]:
    report("Installing Debian's package rabbitmq-server (once, about a minute)")
    script = await asyncio.to_thread(install_server)
    async with private_node(script, management=management) as node:
        yield node
