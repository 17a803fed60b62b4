"""A broker that is the run's alone, because it is stopped, killed and starved."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.broker_management import ManagementApi, QueueState

from speechmq.dev.rabbitmq_debian import install_server
from speechmq.dev.rabbitmq_errors import BrokerNotFoundError
from speechmq.dev.rabbitmq_layout import Management
from speechmq.dev.rabbitmq_node import PrivateNode, private_node
from speechmq.dev.rabbitmq_source import DebianPackage, InstalledServer, choose, look_around

ALARM = "{{resource_limit, memory, node()}, []}"
CONTROL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Node:
    broker: PrivateNode
    script: Path

    async def raise_alarm(self) -> None:
        """As if memory were short: connections that publish are no longer read."""
        await self._evaluate(f"rabbit_alarm:set_alarm({ALARM}).")

    async def clear_alarm(self) -> None:
        await self._evaluate("rabbit_alarm:clear_alarm({resource_limit, memory, node()}).")

    async def queues(self) -> dict[str, QueueState]:
        """All queues by name."""
        url = self.broker.management_url
        assert url is not None
        return await ManagementApi(url, self.broker.url).queues("/")

    async def _evaluate(self, expression: str) -> None:
        control = await asyncio.create_subprocess_exec(
            *(str(self.script.with_name("rabbitmqctl")), "eval", expression),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env=self.broker.layout.environment(os.environ),
        )
        try:
            async with asyncio.timeout(CONTROL_SECONDS):
                said, complaint = await control.communicate()
        except BaseException:
            control.kill()
            await control.wait()
            raise
        assert control.returncode == 0, f"{expression}: {said!r} {complaint!r}"


def find_script() -> Path:
    """The server's script, whatever broker other tests use. Raises ``BrokerNotFoundError``."""
    match choose(look_around({"PATH": os.environ["PATH"]})):
        case InstalledServer(found):
            return found
        case DebianPackage():
            return install_server()
    raise BrokerNotFoundError("chaos needs a rabbitmq-server that is installed on this machine")


@asynccontextmanager
async def own_node() -> AsyncIterator[Node]:
    script = await asyncio.to_thread(find_script)
    async with private_node(script, management=Management.FRESH) as broker:
        yield Node(broker, script)
