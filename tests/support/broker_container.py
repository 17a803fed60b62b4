"""RabbitMQ in a container, for test runs on machines with Docker and no rabbitmq-server."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from testcontainers.core.container import DockerContainer

from speechmq.dev.rabbitmq_handshake import accepts_connections

IMAGE = "rabbitmq:4-management"
READY_SECONDS = 120.0


@asynccontextmanager
async def container_broker() -> AsyncIterator[tuple[str, str]]:
    """Run a container; gives its AMQP URL and the base URL of its HTTP API."""
    password = secrets.token_hex(16)
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
