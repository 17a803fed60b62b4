"""The command ``speechmq-emulator`` as a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.protocol.emulator.client import (
    connected,
    lives,
    next_message,
    recognise,
    rest,
    send,
    start,
    until,
    words,
)

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


async def test_limits_come_from_the_command_line() -> None:
    limits = ["--quota", "3", "--max-channels", "3", "--duration-limit", "0.2", "--lenient"]
    with running("--engine", "ledger", "--quality-info", *limits) as (_, url):
        async with connected(url) as socket:
            assert (await next_message(socket, "Info"))["quota"] == 3
            labels = ["a", "b", "c"]
            await start(socket, diarization="channel", channel_diarization_labels=labels)
            quality = (await next_message(socket, "Info"))["quality"]
            assert quality == "broadcast"
        async with connected(url) as socket:
            await start(socket)
            await socket.send(encode([1, 2]))
            assert (await next_message(socket, "Warning"))["duration_limit"] == 0.2
            await rest(socket)
        async with connected(url) as socket:
            await start(socket)
            await socket.send(encode([1]))
            await send(socket, "EndOfStream", last_seq_no=0)
            assert [m["message"] for m in await rest(socket)][-1] == "EndOfTranscript"


async def test_time_runs_fast_by_the_command_line() -> None:
    with running("--engine", "ledger", "--time-scale", "3600", "--contact-limit", "360") as (
        _,
        url,
    ):
        async with connected(url) as socket:
            await start(socket)
            error = (await rest(socket))[-1]
    lost = "no audio or ping sent within the last 6m"
    assert error["reason"] == f"Session timed out due to inactivity, {lost}"


async def test_recorded_session_is_replayed(tmp_path: Path) -> None:
    audio = encode([1, 2])
    with running("--engine", "ledger", "--record", str(tmp_path)) as (process, url):
        await recognise(url, audio)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    (recording,) = os.listdir(tmp_path)
    lines = (tmp_path / recording).read_text().splitlines()
    places = [json.loads(line)["audio_ts"] for line in lines]
    assert (places[0], places) == (0.0, sorted(places))
    with running("--engine", "replay", "--replay", str(tmp_path / recording)) as (_, url):
        assert words(await recognise(url, audio)) == [("w1", 0.0, 0.2), ("w2", 0.2, 0.4)]


@pytest.mark.parametrize(
    "arguments", [["--engine", "replay"], ["--engine", "ledger", "--replay", "x.jsonl"]]
)
def test_replay_and_its_engine_go_together(arguments: list[str]) -> None:
    refused = failing(*arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--engine replay and --replay FILE are given together" in refused.stderr


def test_recording_that_is_not_there_is_one_clear_sentence(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.jsonl")
    refused = failing("--engine", "replay", "--replay", missing)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert len(refused.stderr.splitlines()) == 1
    assert missing in refused.stderr


def failing(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, which ends by itself."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=30
    )


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
