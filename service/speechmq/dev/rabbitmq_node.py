"""Runs a RabbitMQ server that is installed here as a private node: ours alone, gone with us."""

import asyncio
import os
import secrets
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from speechmq.dev.rabbitmq_errors import NodeFailedError, PortTakenError, tail
from speechmq.dev.rabbitmq_handshake import accepts_connections
from speechmq.dev.rabbitmq_layout import MARK, Management, NodeLayout, Ports, free_ports
from speechmq.dev.supervision import end_supervisor, start_supervisor
from speechmq.dev.supervisor import Job

START_SECONDS = 60.0
STOP_SECONDS = 30.0
PORT_TRIES = 5

HANDSHAKE_SECONDS = 2.0

# What the node says of a port that is taken: AMQP or HTTP, distribution, epmd.
PORT_CLASHES = ("eaddrinuse", "dist_port_already_used", "nodistribution")


class PrivateNode:
    """A node on its own folder and ports; `stop`, `kill` and `start` keep both.

    Made by `private_node`, which also ends it.
    """

    def __init__(self, layout: NodeLayout, supervisor: Process) -> None:
        self.layout = layout
        self._supervisor = supervisor
        self._run: asyncio.Future[int] | None = None

    @property
    def url(self) -> str:
        return self.layout.url

    @property
    def management_url(self) -> str | None:
        return self.layout.management_url

    def __str__(self) -> str:
        return f"private node on 127.0.0.1:{self.layout.ports.amqp}"

    async def start(self) -> None:
        """Start the node and return when it takes AMQP connections, START_SECONDS at most.

        Raises PortTakenError, NodeFailedError, or RuntimeError if it runs already. When cancelled,
        the node may still be starting: `stop` and `kill` work then too.
        """
        if self._run is not None and not self._run.done():
            raise RuntimeError(f"The {self} runs already.")
        self._run = asyncio.get_running_loop().create_future()
        self._order("start")
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._answers_or_ends(self._run)
        except TimeoutError:
            await self.kill()
            raise self._failure(f"did not answer within {START_SECONDS:g} s") from None

    async def _answers_or_ends(self, run: "asyncio.Future[int]") -> None:
        while not await accepts_connections(self.url, HANDSHAKE_SECONDS):
            ended = run.done()  # before its words are read: the last ones may say why
            if self._meets_taken_port():  # it would take ten seconds over its retreat
                await self.kill()
                raise PortTakenError("found one of its ports taken", self._last_words())
            if ended:
                raise self._failure(f"ended with exit code {run.result()} while starting")
            await asyncio.sleep(0.05)

    async def stop(self, within: float = STOP_SECONDS) -> None:
        """Stop the node in good order, as an operator would; kill it after `within` seconds."""
        await self._end("stop", within)

    async def kill(self) -> None:
        """End the node at once, as a crash would."""
        await self._end("kill", STOP_SECONDS)

    async def _end(self, order: str, within: float) -> None:
        if self._run is None or self._run.done():
            return
        self._order(order)
        try:
            async with asyncio.timeout(within):
                await asyncio.shield(self._run)
        except TimeoutError:
            if order == "kill":
                raise self._failure("cannot be killed") from None
            await self.kill()

    async def restart(self) -> None:
        """Stop in good order and start on the same data and ports."""
        await self.stop()
        await self.start()

    async def ended(self) -> int:
        """Wait until this run of the node is over, and return the exit code."""
        if self._run is None:
            raise RuntimeError("The node was never started.")
        return await asyncio.shield(self._run)

    def _order(self, order: str) -> None:
        stdin = self._supervisor.stdin
        assert stdin is not None  # noqa: S101  # opened as a pipe
        stdin.write(f"{order}\n".encode())

    async def listen(self) -> None:
        """Take the supervisor's reports until it is gone; `private_node` runs this."""
        stdout = self._supervisor.stdout
        assert stdout is not None  # noqa: S101  # opened as a pipe
        async for line in stdout:
            self._note_end(int(line.split()[1]))
        self._note_end(-9)

    def _note_end(self, code: int) -> None:
        if self._run is not None and not self._run.done():
            self._run.set_result(code)

    def _meets_taken_port(self) -> bool:
        said = self.layout.output.read_text(errors="replace") if self.layout.output.exists() else ""
        return any(sign in said for sign in PORT_CLASHES)

    def _failure(self, what: str) -> NodeFailedError:
        return NodeFailedError(what, self._last_words())

    def _last_words(self) -> str:
        return f"{tail(self.layout.output)}\n{tail(self.layout.log)}"


@asynccontextmanager
async def private_node(
    script: Path,
    *,
    management: Management = Management.NONE,
    choose_ports: Callable[[], Ports] = free_ports,
    cookie: str | None = None,
    joins: PrivateNode | None = None,
) -> AsyncIterator[PrivateNode]:
    """Run a private node for the length of the block.

    A node with a `cookie` takes others into its cluster; `joins` is such a node, which runs.

    Raises NodeFailedError. On the way out, cancelled or not, the node and all its processes are
    killed and its folder is removed; the same happens when this process dies without a word.
    """
    for attempt in range(1, PORT_TRIES + 1):
        layout = _new_layout(choose_ports(), management=management, cookie=cookie, joins=joins)
        async with _supervised(script, layout) as node:
            try:
                await node.start()
            except PortTakenError:
                if attempt == PORT_TRIES:
                    raise
                continue
            yield node
            return


@asynccontextmanager
async def _supervised(script: Path, layout: NodeLayout) -> AsyncIterator[PrivateNode]:
    job = Job([str(script)], folder=str(layout.folder), mark=MARK)
    supervisor = await start_supervisor(job, environment=layout.environment(os.environ))
    node = PrivateNode(layout, supervisor)
    listening = asyncio.create_task(node.listen())
    try:
        yield node
    finally:
        await end_supervisor(supervisor, job)
        await listening


def new_folder(prefix: str) -> Path:
    """Make a temporary folder that only this user can read."""
    return Path(tempfile.mkdtemp(prefix=prefix)).resolve()


def _new_layout(
    ports: Ports, *, management: Management, cookie: str | None, joins: PrivateNode | None
) -> NodeLayout:
    folder = new_folder("speechmq-rabbitmq-")
    layout = NodeLayout(folder, ports, secrets.token_hex(16), management, cookie)
    if joins is not None:
        other = joins.layout
        # One epmd knows all nodes of a cluster, and the users are the cluster's.
        layout = replace(
            layout,
            ports=replace(ports, epmd=other.ports.epmd),
            password=other.password,
            cookie=other.cookie,
            joins=other.name,
        )
    for name, text in layout.files().items():
        path = folder / name
        path.touch(0o600)
        path.write_text(text)
    return layout
