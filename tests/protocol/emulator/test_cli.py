"""The command ``speechmq-emulator`` as a process of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from tests.protocol.emulator.client import connected, lives, recognise, start, until, words

from speechmq_emulator.ledger import encode

COMMAND = [sys.executable, "-m", "speechmq_emulator.cli", "--port", "0"]
LISTENING = re.compile(r"speechmq-emulator: listening on (ws://127\.0\.0\.1:\d+/v2)\n")


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its URL; killed at the end if it still runs."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        listening = LISTENING.fullmatch(line)
        assert listening, line
        yield process, listening[1]
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


async def test_command_serves_and_says_where() -> None:
    with running("--engine", "ledger") as (_, url):
        assert words(await recognise(url, encode([5]))) == [("w5", 0.0, 0.2)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_command_ends_cleanly_on_a_signal_with_sessions_open(number: signal.Signals) -> None:
    with running() as (process, url):
        async with connected(url) as socket:
            await start(socket)
            family = psutil.Process(process.pid).children(recursive=True)
            assert len(family) == 2
            process.send_signal(number)
            await socket.wait_closed()
            assert socket.close_code == 1001
        assert process.wait(20) == 0
        assert [child for child in family if lives(child)] == []


async def test_killed_command_leaves_no_process_behind() -> None:
    with running() as (process, url):
        async with connected(url) as socket:
            await start(socket)
            family = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            await until(lambda: not any(lives(child) for child in family))


async def test_keys_come_from_the_command_line() -> None:
    with running("--engine", "ledger", "--api-key", "other", "--api-key", "dev") as (_, url):
        assert words(await recognise(url, encode([5]))) == [("w5", 0.0, 0.2)]


async def test_keys_come_from_the_environment() -> None:
    with running("--engine", "ledger", SPEECHMQ_EMULATOR_API_KEYS="other, dev") as (_, url):
        assert words(await recognise(url, encode([5]))) == [("w5", 0.0, 0.2)]


def test_port_in_use_is_one_clear_sentence() -> None:
    with running("--engine", "ledger") as (_, url):
        port = url.rpartition(":")[2].removesuffix("/v2")
        refused = subprocess.run(
            [*COMMAND, "--port", port, "--engine", "ledger"],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"speechmq-emulator: can not serve on 127.0.0.1:{port}: ")
    assert len(refused.stderr.splitlines()) == 1
