"""One broker for a whole test run, and a vhost of its own for every test.

All workers of a run share one private node: a node costs five seconds of two cores, a vhost 30
milliseconds. The process that pytest was started in (the controller) owns the node. A worker
asks for it over a local socket, and the first question starts it; a run of unit tests never does.
The node goes when the controller goes, however that happens.

Vhosts and the listing of queues need the management plugin: it adds half a second to the node's
start. A broker given by SPEECHMQ_AMQP_URL must have it too, at http://<host>:15672 or where
SPEECHMQ_MANAGEMENT_URL says, and its user must be an administrator.
"""

import asyncio
import json
import os
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

from tests.support.broker_container import container_broker
from tests.support.broker_management import ManagementApi, QueueState

from speechmq.dev.rabbitmq import open_source
from speechmq.dev.rabbitmq_layout import Management
from speechmq.dev.rabbitmq_source import DockerEngine, choose, look_around

MANAGEMENT_URL_VARIABLE = "SPEECHMQ_MANAGEMENT_URL"
START_SECONDS = 900.0  # the package may have to be installed first


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the run's broker is reached: by AMQP (vhost `/`), and its HTTP API."""

    url: str
    management_url: str

    @property
    def management(self) -> ManagementApi:
        return ManagementApi(self.management_url, self.url)


@dataclass(frozen=True, slots=True)
class Namespace:
    """One test's part of the shared broker.

    It is a vhost, so names in it may be the product's defaults. `prefix` is its name, for tests
    that want a namespace prefix as well.
    """

    url: str
    prefix: str
    management: ManagementApi

    async def queues(self) -> dict[str, QueueState]:
        """All queues that exist now, by name; how old their figures are: see QueueState."""
        return await self.management.queues(self.prefix)

    async def exchanges(self) -> set[str]:
        """Names of all exchanges that exist now, without the broker's own."""
        return await self.management.exchanges(self.prefix)

    async def wait_for_queues(
        self, wanted: Callable[[dict[str, QueueState]], bool], within: float = 20.0
    ) -> dict[str, QueueState]:
        """Wait until `wanted` likes what it sees; fails after `within` s with what was there."""
        seen: dict[str, QueueState] = {}
        try:
            async with asyncio.timeout(within):
                while not wanted(seen := await self.queues()):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"After {within:g} s the queues still are {seen}") from None
        return seen


@asynccontextmanager
async def new_namespace(broker: BrokerAddress) -> AsyncIterator[Namespace]:
    """Make a vhost and delete it with everything in it at the end."""
    name = f"t{secrets.token_hex(4)}"
    await broker.management.create_vhost(name)
    try:
        yield Namespace(with_vhost(broker.url, name), name, broker.management)
    finally:
        await broker.management.delete_vhost(name)


@asynccontextmanager
async def user(
    namespace: Namespace,
    role: str = "",
    permissions: Mapping[str, str] | None = None,
    tags: str = "",
) -> AsyncIterator[str]:
    """The namespace's URL for a user who may do this much in it, and goes with the block."""
    name, password = f"u-{namespace.prefix}{role}", secrets.token_hex(8)
    await namespace.management.put_user(name, password, namespace.prefix, permissions, tags)
    try:
        parts = urlsplit(namespace.url)
        host = parts.netloc.rpartition("@")[2]
        yield urlunsplit(parts._replace(netloc=f"{name}:{password}@{host}"))
    finally:
        await namespace.management.delete_user(name)


def with_vhost(url: str, vhost: str) -> str:
    """Return the AMQP URL with another vhost."""
    return urlunsplit(urlsplit(url)._replace(path="/" + quote(vhost, safe="")))


class BrokerKeeper:
    """Owns the run's broker, on a thread with an event loop; starts it when first asked."""

    def __init__(self, management: Management = Management.FRESH) -> None:
        self._management = management
        self._token = secrets.token_hex(16)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._port: Future[int] = Future()
        self._broker: asyncio.Task[BrokerAddress] | None = None
        self._thread = threading.Thread(target=self._run, name="broker keeper", daemon=True)
        self._thread.start()

    @property
    def desk(self) -> tuple[int, str]:
        """Where to ask for the broker: a port on loopback, and the word to say there."""
        return self._port.result(timeout=10), self._token

    def close(self) -> None:
        """End the broker, if it was started, and the thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._keep())

    async def _keep(self) -> None:
        async with AsyncExitStack() as resources:

            async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                if await reader.readline() == f"{self._token}\n".encode():
                    writer.write(json.dumps(await self._answer(resources)).encode())
                writer.close()
                await writer.wait_closed()

            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            self._port.set_result(server.sockets[0].getsockname()[1])
            await self._stopping.wait()
            server.close()
            if self._broker is not None:
                self._broker.cancel()  # it may still be starting
                await asyncio.wait([self._broker])

    async def _answer(self, resources: AsyncExitStack) -> dict[str, str]:
        if self._broker is None:
            self._broker = asyncio.create_task(_open(resources, self._management))
        try:
            found = await asyncio.shield(self._broker)
        except Exception as error:  # noqa: BLE001  # goes over the socket to whoever asked
            return {"error": str(error) or repr(error)}
        return {"url": found.url, "management_url": found.management_url}


async def _open(resources: AsyncExitStack, management: Management) -> BrokerAddress:
    source = await asyncio.to_thread(lambda: choose(look_around()))
    if isinstance(source, DockerEngine):
        return BrokerAddress(*await resources.enter_async_context(container_broker()))
    broker = await resources.enter_async_context(open_source(source, management=management))
    return BrokerAddress(broker.url, broker.management_url or given_management_url(broker.url))


def given_management_url(amqp_url: str) -> str:
    """The HTTP API of a broker given by its URL: as told, or at RabbitMQ's usual port."""
    usual = f"http://{urlsplit(amqp_url).hostname}:15672"
    return os.environ.get(MANAGEMENT_URL_VARIABLE, "").strip() or usual


def ask_for_broker(desk: tuple[int, str]) -> BrokerAddress:
    """Get the run's broker from its keeper, which may have to start it first."""
    port, token = desk
    with socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS) as asking:
        asking.sendall(f"{token}\n".encode())
        answer = json.loads(b"".join(iter(lambda: asking.recv(4096), b"")))
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return BrokerAddress(**answer)
