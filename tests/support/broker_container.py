"""RabbitMQ in a container, for test runs on machines with Docker and no rabbitmq-server."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import docker  # type: ignore[import-untyped]
from docker.errors import DockerException, ImageNotFound  # type: ignore[import-untyped]
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from speechmq.dev.rabbitmq_handshake import accepts_connections

IMAGE = "rabbitmq:4-management"
READY_SECONDS = 120.0


@asynccontextmanager
async def container_broker() -> AsyncIterator[tuple[str, str]]:
    """Run a container; gives its AMQP URL and the base URL of its HTTP API."""
    password = secrets.token_hex(16)
    await asyncio.to_thread(do_without_reaper_if_there_is_none)
    container = (
        DockerContainer(IMAGE)
        .with_exposed_ports(5672, 15672)
        .with_env("RABBITMQ_DEFAULT_USER", "speechmq")
        .with_env("RABBITMQ_DEFAULT_PASS", password)
    )
    await asyncio.to_thread(container.start)
    try:
        host = container.get_container_host_ip()
        url = f"amqp://speechmq:{password}@{host}:{container.get_exposed_port(5672)}/"
        async with asyncio.timeout(READY_SECONDS):
            while not await accepts_connections(url):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        yield url, f"http://{host}:{container.get_exposed_port(15672)}"
    finally:
        await asyncio.to_thread(container.stop)


def do_without_reaper_if_there_is_none() -> None:
    """testcontainers has a container of its own that removes what a killed run leaves behind. Where
    its image is not to be had, as without a way to the registry, that is the one thing missing."""
    if testcontainers_config.ryuk_disabled:
        return
    wanted = testcontainers_config.ryuk_image
    try:
        with closing(docker.from_env()) as client:
            try:
                client.images.get(wanted)
            except ImageNotFound:
                client.images.pull(wanted)
    except DockerException as error:
        testcontainers_config.ryuk_disabled = True
        print(f"a killed run will leave its container behind: {error}", file=sys.stderr)
