"""Runs the `rabbitmq` service of the checkout's docker-compose.yml as a project of its own."""

import asyncio
import os
import secrets
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from speechmq.dev.rabbitmq_errors import BrokerNotFoundError, CommandFailedError
from speechmq.dev.rabbitmq_handshake import shake_hands
from speechmq.dev.rabbitmq_layout import Ports, free_ports
from speechmq.dev.rabbitmq_node import new_folder
from speechmq.dev.supervision import end_supervisor, start_supervisor
from speechmq.dev.supervisor import Job

CHECKOUT = Path(__file__).resolve().parents[3]
SERVICE = "rabbitmq"
UP_SECONDS = 300.0  # the image may have to be pulled


class ComposedBroker:
    """A broker in a container; `stop`, `kill` and `start` keep its data and its port."""

    def __init__(self, project: str, file: Path, ports: Ports, password: str) -> None:
        self.url = f"amqp://speechmq:{password}@127.0.0.1:{ports.amqp}/"
        self.management_url: str | None = f"http://127.0.0.1:{ports.management}"
        self._port = ports.amqp
        self.words = ("docker", "compose", "--project-name", project, "--file", str(file))
        self.environment = {
            **os.environ,
            "SPEECHMQ_RABBITMQ_PORT": str(ports.amqp),
            "SPEECHMQ_MANAGEMENT_PORT": str(ports.management),
            "SPEECHMQ_RABBITMQ_PASSWORD": password,
        }

    def __str__(self) -> str:
        return f"RabbitMQ in Docker on 127.0.0.1:{self._port}"

    async def start(self) -> None:
        await self._compose("up", "--detach", "--wait", "--quiet-pull", SERVICE)
        await shake_hands(self.url)

    async def stop(self) -> None:
        await self._compose("stop", SERVICE)

    async def kill(self) -> None:
        await self._compose("kill", SERVICE)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def ended(self) -> int:
        await self._compose("wait", SERVICE, within=None)
        return 0

    async def _compose(self, *order: str, within: float | None = UP_SECONDS) -> None:
        process = await asyncio.create_subprocess_exec(
            *self.words, *order, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env=self.environment
        )
        try:
            async with asyncio.timeout(within):
                output, _ = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise CommandFailedError(f"docker compose {' '.join(order)}", output.decode()[-2000:])


@asynccontextmanager
async def composed_broker(report: Callable[[str], None]) -> AsyncIterator[ComposedBroker]:
    """Run RabbitMQ in Docker for the length of the block.

    Raises CommandFailedError with the words of `docker compose`. On the way out, and when this
    process dies without a word, the project is taken down with its volumes.
    """
    file = CHECKOUT / "docker-compose.yml"
    if not file.is_file():
        raise BrokerNotFoundError(
            f"There is no {file}: run from a checkout of speechmq, or set SPEECHMQ_AMQP_URL."
        )
    project = f"speechmq-{secrets.token_hex(4)}"
    broker = ComposedBroker(project, file, free_ports(), secrets.token_hex(16))
    folder = new_folder("speechmq-compose-")
    cleanup = (*broker.words, "down", "--volumes", "--timeout", "0")
    job = Job((), folder=str(folder), cleanup=cleanup)
    supervisor = await start_supervisor(job, environment=broker.environment)
    try:
        report("Starting RabbitMQ in Docker (the first time pulls its image)")
        await broker.start()
        yield broker
    finally:
        await end_supervisor(supervisor, job)
