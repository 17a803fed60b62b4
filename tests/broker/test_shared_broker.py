"""The `broker` fixture itself: one node for all workers of a run, gone with the run."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from speechmq.dev.rabbitmq_handshake import accepts_connections
from speechmq.dev.rabbitmq_source import InstalledServer, choose, look_around

pytestmark = pytest.mark.timeout(120)

CHECKOUT = Path(__file__).parents[2]
TESTS = """
import pathlib, threading
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_it(broker, number):
    pathlib.Path(__file__).with_name(f"{number}.url").write_text(broker.url)
    threading.Event().wait(100)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_workers_share_one_broker_that_is_gone_when_the_run_gets_a(
    number: signal.Signals, tmp_path: Path
) -> None:
    source = choose(look_around({"PATH": os.environ["PATH"]}))
    if not isinstance(source, InstalledServer):
        pytest.skip("needs an installed rabbitmq-server")
    (tmp_path / "test_waiting.py").write_text(TESTS)
    async with pytest_run(tmp_path, "-n", "2") as run:
        await eventually(lambda: len(urls(tmp_path)) == 2)
        [url] = set(urls(tmp_path))
        run.send_signal(number)
        await run.communicate()
    async with asyncio.timeout(20):
        while await accepts_connections(url):  # noqa: ASYNC110  # nobody tells us
            await asyncio.sleep(0.05)


async def test_broker_is_not_started_when_no_test_asks_for_it(tmp_path: Path) -> None:
    (tmp_path / "test_pure.py").write_text("def test_it(): pass")
    nowhere = {"SPEECHMQ_AMQP_URL": "amqp://127.0.0.1:1/"}
    async with pytest_run(tmp_path, "-n", "1", environment=nowhere) as run:
        await run.communicate()
        assert run.returncode == 0


async def test_broker_that_cannot_be_had_fails_the_test_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "test_asking.py").write_text("def test_it(broker): pass")
    nowhere = {"SPEECHMQ_AMQP_URL": "amqp://127.0.0.1:1/"}
    async with pytest_run(tmp_path, "-n", "1", environment=nowhere) as run:
        output, _ = await run.communicate()
        assert run.returncode == 1
    assert b"RabbitMQ at 127.0.0.1:1 does not answer as it should" in output


def urls(folder: Path) -> list[str]:
    return [text for path in folder.glob("*.url") if (text := path.read_text())]


async def eventually(condition: Callable[[], bool], within: float = 90.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110  # files come without telling us
            await asyncio.sleep(0.05)


@asynccontextmanager
async def pytest_run(
    folder: Path, *options: str, environment: dict[str, str] | None = None
) -> AsyncIterator[Process]:
    """Run pytest over a folder of its own with our fixtures, and end it with the block."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SPEECHMQ_", "PYTEST_"))}
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"),
        *("--rootdir", str(folder), "-o", "asyncio_default_fixture_loop_scope=function"),
        *("-c", os.devnull, str(folder), *options),
        cwd=CHECKOUT,
        env=inherited | {"PYTHONPATH": str(CHECKOUT)} | (environment or {}),
        stdin=DEVNULL,
        stdout=PIPE,
    )
    try:
        yield run
    finally:
        with suppress(ProcessLookupError):
            run.kill()
        await run.communicate()
