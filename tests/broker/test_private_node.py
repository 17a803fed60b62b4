"""A private node of a real rabbitmq-server: alone, lasting, and gone with its owner."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aio_pika
import psutil
import pytest

from speechmq.dev.rabbitmq_debian import install_server
from speechmq.dev.rabbitmq_errors import BrokerUnreachableError, NodeFailedError, PortTakenError
from speechmq.dev.rabbitmq_handshake import shake_hands
from speechmq.dev.rabbitmq_layout import MARK, Management, Ports, free_ports
from speechmq.dev.rabbitmq_node import private_node
from speechmq.dev.rabbitmq_source import DebianPackage, InstalledServer, choose, look_around

pytestmark = pytest.mark.timeout(120, func_only=True)


@pytest.fixture(scope="module")
def script() -> Path:
    """The server's script, whatever broker the other tests use."""
    source = choose(look_around({"PATH": os.environ["PATH"]}))
    match source:
        case InstalledServer(found):
            return found
        case DebianPackage():
            return install_server()
    pytest.skip("needs an installed rabbitmq-server")


async def test_node_has_what_it_had_when_it_starts_again_after_a_stop_and_a_crash(
    script: Path,
) -> None:
    async with private_node(script) as node:
        await put(node.url, "durable", b"kept")
        await node.restart()
        assert await peek(node.url, "durable") == b"kept"
        await node.kill()
        # The family dies in no certain order: the script may still see its server die and say so.
        assert await node.ended() in {1, -signal.SIGKILL}
        with pytest.raises(BrokerUnreachableError):
            await shake_hands(node.url)
        await node.start()
        assert await peek(node.url, "durable") == b"kept"


async def test_nodes_side_by_side_do_not_meet(script: Path) -> None:
    async with private_node(script) as one, private_node(script) as other:
        await put(one.url, "only-here", b"mine")
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await peek(other.url, "only-here")
        stranger = other.url.replace(other.layout.password, one.layout.password)
        with pytest.raises(BrokerUnreachableError):
            await shake_hands(stranger)


async def test_node_listens_on_loopback_alone(script: Path) -> None:
    async with private_node(script, management=Management.FRESH) as node:
        ports = node.layout.ports
        heard = {
            (connection.laddr.port, connection.laddr.ip)
            for process in family(node.layout.folder)
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
    assert {port for port, _ in heard} == {
        ports.amqp,
        ports.distribution,
        ports.epmd,
        ports.management,
    }
    assert {ip for _, ip in heard} <= {"127.0.0.1", "::1"}


async def test_node_is_gone_after_an_exception_in_the_block(script: Path) -> None:
    folders: list[Path] = []

    async def fail_in_the_block() -> None:
        async with private_node(script) as node:
            folders.append(node.layout.folder)
            assert family(node.layout.folder) != []
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_in_the_block()
    [folder] = folders
    assert family(folder) == []
    assert not folder.exists()


async def test_node_is_gone_when_its_start_is_cancelled(script: Path) -> None:
    before = private_folders()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5), private_node(script):
            pytest.fail("No node starts in 1.5 s.")
    # Other tests' nodes come and go meanwhile; none may be ours.
    await eventually(lambda: not [f for f in private_folders() - before if owned_here(f)])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_node_is_gone_when_its_owner_gets_a(number: signal.Signals, script: Path) -> None:
    async with owner_of_node(script) as (owner, told):
        folder = Path(told["folder"])
        assert family(folder) != []
        owner.send_signal(number)
        await owner.wait()
        await eventually(lambda: family(folder) == [] and not folder.exists())


async def test_node_is_gone_with_its_owner_although_a_fork_holds_the_pipe(script: Path) -> None:
    async with owner_of_node(script, "fork") as (owner, told):
        child = psutil.Process(told["child"])
        try:
            owner.kill()
            await owner.wait()
            folder = Path(told["folder"])
            await eventually(lambda: family(folder) == [] and not folder.exists())
            assert child.is_running()
        finally:
            child.kill()


async def test_node_that_crashes_by_itself_is_noticed_and_can_start_again(script: Path) -> None:
    async with private_node(script) as node:
        vm = next(p for p in family(node.layout.folder) if "beam" in p.name())
        vm.kill()
        async with asyncio.timeout(20):
            assert await node.ended() == -signal.SIGKILL
        assert [
            p for p in family(node.layout.folder) if "supervisor" not in " ".join(p.cmdline())
        ] == []
        await node.start()
        await shake_hands(node.url)


@pytest.mark.parametrize("kind", ["amqp", "distribution"])
async def test_node_takes_other_ports_when_one_is_taken_meanwhile(kind: str, script: Path) -> None:
    with taken_port() as taken:
        chosen = [ports_with(kind, taken), free_ports()]
        async with private_node(script, choose_ports=iter(chosen).__next__) as node:
            assert node.layout.ports == chosen[1]
            await shake_hands(node.url)


async def test_node_gives_up_with_its_log_when_ports_are_always_taken(tmp_path: Path) -> None:
    script = server_that("echo eaddrinuse; exec sleep 60", tmp_path)
    tries: list[Ports] = []

    def choose_ports() -> Ports:
        tries.append(free_ports())
        return tries[-1]

    with pytest.raises(PortTakenError, match="eaddrinuse"):
        async with private_node(script, choose_ports=choose_ports):
            pytest.fail("That is no server.")
    assert len(tries) == 5


async def test_node_that_ends_while_starting_fails_with_its_last_words(tmp_path: Path) -> None:
    script = server_that("echo 'no erlang here' >&2; exit 3", tmp_path)
    with pytest.raises(NodeFailedError, match=r"(?s)ended with exit code 3.*no erlang here"):
        async with private_node(script):
            pytest.fail("That is no server.")


async def test_node_that_never_answers_fails_at_its_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechmq.dev.rabbitmq_node.START_SECONDS", 0.5)
    script = server_that("exec sleep 60", tmp_path)
    with pytest.raises(NodeFailedError, match=r"did not answer within 0\.5 s"):
        async with private_node(script):
            pytest.fail("That is no server.")


# --- what the tests above are told in


async def put(url: str, queue: str, body: bytes) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, queue)


async def peek(url: str, name: str) -> bytes:
    """Read the first message, waiting for it, and leave it there."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, passive=True)
        async with asyncio.timeout(20), queue.iterator() as messages:
            message = await anext(messages)
            return message.body


def family(folder: Path) -> list[psutil.Process]:
    """All living processes of a node, its supervisor among them."""
    return [process for process in psutil.process_iter() if mark_of(process) == str(folder)]


def mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):  # gone, a zombie, or another user's
        return None


def private_folders() -> set[str]:
    """Folders of the nodes that live now, whoever owns them."""
    return {mark for process in psutil.process_iter() if (mark := mark_of(process))}


def owned_here(folder: str) -> bool:
    return any(os.getpid() in parents(process) for process in family(Path(folder)))


def parents(process: psutil.Process) -> set[int]:
    with suppress(psutil.Error):
        return {parent.pid for parent in process.parents()}
    return set()


async def eventually(condition: Callable[[], bool], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110  # processes end without telling us
            await asyncio.sleep(0.02)


@asynccontextmanager
async def owner_of_node(script: Path, *extra: str) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.broker_owner", str(script), *extra),
        cwd=Path(__file__).parents[2],
        stdout=PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert owner.stdout is not None
    try:
        async with asyncio.timeout(90):
            yield owner, json.loads(await owner.stdout.readline())
    finally:
        with suppress(ProcessLookupError):
            owner.kill()
        await owner.wait()


def taken_port() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def ports_with(kind: str, taken: socket.socket) -> Ports:
    free = free_ports()
    ports = {name: getattr(free, name) for name in Ports.__dataclass_fields__}
    return Ports(**(ports | {kind: taken.getsockname()[1]}))


def server_that(does: str, folder: Path) -> Path:
    script = folder / "rabbitmq-server"
    script.write_text(f"#!/bin/sh\n{does}\n")
    script.chmod(0o755)
    return script
