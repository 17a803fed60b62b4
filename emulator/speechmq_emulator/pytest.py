"""pytest fixtures that run a Speechmatics server, and all of speechmq on it, for a user's tests.

Enable them in a ``conftest.py``: ``pytest_plugins = ["speechmq_emulator.pytest"]``. They work in
synchronous and in asynchronous tests. A marker says how the server behaves:

    @pytest.mark.speechmatics(faults=["drop at=1s"], time_scale=3600)
"""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from speechmq_emulator.census import SessionRecord
from speechmq_emulator.faults.book import FaultBook
from speechmq_emulator.ledger.script import Script, ScriptEngine
from speechmq_emulator.protocol.limits import Limits
from speechmq_emulator.server import Emulator, serve

START_SECONDS = 120.0
STOP_SECONDS = 20.0
BROKER_READY = "speechmq: broker on "
WORKER_READY = "speechmq: worker ready"

T = TypeVar("T")


class Speechmatics:
    """A server in a thread of this process. ``url`` and ``api_key`` open sessions."""

    def __init__(
        self,
        emulator: Emulator,
        script: Script,
        call: Callable[[Coroutine[Any, Any, Any]], Any],
    ) -> None:
        self.url = emulator.url
        self.api_key = "dev"
        self._emulator = emulator
        self._call = call
        self._script = script

    def speech(self, text: str, *, sample_rate: int = 16_000, encoding: str = "pcm_s16le") -> bytes:
        """Audio of 200 ms a word in which this server hears exactly the words of ``text``.

        Raises ``ValueError`` for an encoding that is none of the service's.
        """
        return self._script.speech(text, sample_rate=sample_rate, encoding=encoding)

    @property
    def sessions(self) -> Sequence[SessionRecord]:
        """All sessions so far, in the order of their starts."""
        return self._emulator.sessions

    @property
    def open_connections(self) -> int:
        return self._emulator.open_connections

    def fault(self, text: str) -> None:
        """Plans what goes wrong in sessions to come, or, with ``now``, in those that live: see
        FAULTS.md. Raises ``FaultError``."""

        async def add() -> None:
            self._emulator.faults.add(text)

        self._call(add())

    def clear_faults(self) -> None:
        async def clear() -> None:
            self._emulator.faults.clear()

        self._call(clear())


@dataclass(frozen=True, slots=True)
class Speechmq:
    """A worker in a namespace of the test's own.

    ``speechmq_client.Publisher(speechmq.amqp_url, namespace=speechmq.namespace)`` publishes to it.
    """

    amqp_url: str
    namespace: str
    speechmatics: Speechmatics


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "speechmatics(faults=(), time_scale=1.0, seed=0): how the server of the fixture behaves",
    )


@pytest.fixture
def speechmatics(request: pytest.FixtureRequest) -> Iterator[Speechmatics]:
    """A Speechmatics server that hears the words of ``speechmatics.speech(text)``."""
    marker = request.node.get_closest_marker("speechmatics")
    with _server(**(marker.kwargs if marker else {})) as server:
        yield server


@contextmanager
def _server(
    *, faults: Sequence[str] = (), time_scale: float = 1.0, seed: int = 0
) -> Iterator[Speechmatics]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="speechmatics", daemon=True)
    thread.start()

    def call(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(START_SECONDS)

    leave = asyncio.Event()
    ready: list[Speechmatics] = []

    async def hold(begun: asyncio.Future[None]) -> None:
        script = Script()
        book, limits = FaultBook(faults, seed=seed), Limits(time_scale=time_scale)
        async with serve(ScriptEngine(script), limits=limits, faults=book) as emulator:
            ready.append(Speechmatics(emulator, script, call))
            begun.set_result(None)
            await leave.wait()

    async def begin() -> asyncio.Task[None]:
        begun: asyncio.Future[None] = loop.create_future()
        holding = loop.create_task(hold(begun))
        waiting: list[asyncio.Future[None]] = [begun, holding]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if holding.done():
            await holding  # which has raised
        return holding

    async def end(holding: asyncio.Task[None]) -> None:
        leave.set()
        await holding

    try:
        holding = call(begin())
        try:
            yield ready[0]
        finally:
            call(end(holding))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_SECONDS)
        loop.close()


@pytest.fixture(scope="session")
def speechmq_broker() -> Iterator[str]:
    """The URL of a RabbitMQ: the one in SPEECHMQ_AMQP_URL, else a private one, gone at the end."""
    given = os.environ.get("SPEECHMQ_AMQP_URL", "").strip()
    if given:
        yield given
        return
    with _program("-m", "speechmq.dev.broker", ready=BROKER_READY) as broker:
        yield broker.ready_line.removeprefix(BROKER_READY).strip()


@pytest.fixture
def speechmq(speechmq_broker: str, speechmatics: Speechmatics) -> Iterator[Speechmq]:
    """A worker that has ``speechmatics`` for its recogniser; needs the package ``speechmq``."""
    namespace = f"t{secrets.token_hex(4)}"
    settings = {
        "SPEECHMQ_BROKER__URL": speechmq_broker,
        "SPEECHMQ_BROKER__NAMESPACE": namespace,
        "SPEECHMQ_UPSTREAM__URL": speechmatics.url,
        "SPEECHMQ_UPSTREAM__API_KEY": speechmatics.api_key,
        "SPEECHMQ_UPSTREAM__PROXY": "direct",
        "SPEECHMQ_LOG__FORMAT": "console",
    }
    with _program("-m", "speechmq.cli", "worker", ready=WORKER_READY, **settings):
        yield Speechmq(speechmq_broker, namespace, speechmatics)


@dataclass
class _Program:
    process: subprocess.Popen[str]
    ready_line: str = ""
    lines: list[str] = field(default_factory=list)
    said: threading.Event = field(default_factory=threading.Event)

    def read(self, ready: str) -> None:
        """Runs in a thread until the program ends: a full pipe would hold it up."""
        for line in self.process.stdout or ():
            self.lines.append(line.rstrip())
            if line.startswith(ready):
                self.ready_line = line.rstrip()
                self.said.set()
        self.said.set()


@contextmanager
def _program(*arguments: str, ready: str, **settings: str) -> Iterator[_Program]:
    """A Python program until the block is left; fails when it does not get ready."""
    inherited = {name: value for name, value in os.environ.items() if "SPEECHMQ_" not in name}
    process = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**inherited, **settings},
        text=True,
    )
    program = _Program(process)
    reader = threading.Thread(target=program.read, args=(ready,), daemon=True)
    reader.start()
    try:
        program.said.wait(START_SECONDS)
        if not program.ready_line:
            pytest.fail(f"{' '.join(arguments)} did not get ready: {program.lines[-20:]}")
        yield program
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(STOP_SECONDS)
        if process.stdout is not None:
            process.stdout.close()
