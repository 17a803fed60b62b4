"""Quotas, and time that runs fast, over real sockets."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.protocol.emulator.client import (
    Message,
    connected,
    next_message,
    only,
    recognise,
    rest,
    send,
    start,
    until,
)
from websockets.asyncio.client import ClientConnection

from speechmq_emulator.ledger import encode
from speechmq_emulator.protocol.limits import HOUR, Limits
from speechmq_emulator.server import serve


async def rest_with(socket: ClientConnection, step: Any) -> list[Message]:
    """All messages up to the close, while the step is taken every few milliseconds."""

    async def repeat() -> None:
        while True:
            await step()
            await asyncio.sleep(0.005)

    repeating = asyncio.create_task(repeat())
    try:
        return await rest(socket)
    finally:
        repeating.cancel()
        await asyncio.gather(repeating, return_exceptions=True)


def told(messages: list[Message]) -> list[tuple[str, str, str]]:
    return [
        (m["message"], m["type"], m["reason"])
        for m in messages
        if m["message"] in {"Warning", "Error"}
    ]


async def test_session_without_audio_is_warned_and_ended() -> None:
    # An hour in half a second; pings keep the connection, but are no audio.
    limits = Limits(time_scale=7200, contact=HOUR * 1000)
    async with serve("ledger", limits=limits) as emulator, connected(emulator.url) as socket:
        await start(socket)
        messages = await rest(socket)
    within = "no audio sent within the last"
    assert told(messages) == [
        (
            "Warning",
            "idle_timeout",
            f"Session will timeout in 15m due to inactivity, {within} 45m",
        ),
        (
            "Warning",
            "idle_timeout",
            f"Session will timeout in 10m due to inactivity, {within} 50m",
        ),
        ("Warning", "idle_timeout", f"Session will timeout in 5m due to inactivity, {within} 55m"),
        ("Error", "idle_timeout", f"Session timed out due to inactivity, {within} 60m"),
    ]
    assert (socket.close_code, socket.close_reason) == (1008, "idle_timeout")


async def test_session_that_lasts_too_long_is_warned_and_ended() -> None:
    limits = Limits(time_scale=48 * 7200, contact=HOUR * 1e6, idle=HOUR * 1e6)
    async with serve("ledger", limits=limits) as emulator, connected(emulator.url) as socket:
        await start(socket)
        messages = await rest(socket)
    active = "due to max duration, session has been active for"
    assert told(messages) == [
        ("Warning", "session_timeout", f"Session will timeout in 45m {active} 2835m"),
        ("Warning", "session_timeout", f"Session will timeout in 30m {active} 2850m"),
        ("Warning", "session_timeout", f"Session will timeout in 15m {active} 2865m"),
        ("Error", "session_timeout", f"Session timed out {active} 2880m"),
    ]
    assert (socket.close_code, socket.close_reason) == (1008, "session_timeout")


async def test_session_left_alone_is_ended() -> None:
    async with (
        serve("ledger", limits=Limits(time_scale=3600)) as emulator,
        connected(emulator.url) as socket,
    ):
        await start(socket)
        messages = await rest(socket)
    lost = "no audio or ping sent within the last 3m"
    reason = f"Session timed out due to inactivity, {lost}"
    assert told(messages) == [("Error", "idle_timeout", reason)]
    assert socket.close_code == 1008


@pytest.mark.parametrize("kind", ["ping", "pong"])
async def test_pings_and_pongs_keep_a_session_until_it_is_idle(kind: str) -> None:
    # Left alone, it would end after 2 s; kept, it is idle after 4 s.
    limits = Limits(contact=2, idle=4)
    async with serve("ledger", limits=limits) as emulator, connected(emulator.url) as socket:
        await start(socket)
        messages = await rest_with(socket, getattr(socket, kind))
    ((_, _, reason),) = told(messages)
    assert reason == "Session timed out due to inactivity, no audio sent within the last 0m"


async def test_session_beyond_the_quota_is_told_and_refused() -> None:
    limits = Limits(quota=1)
    async with serve("ledger", limits=limits) as emulator, connected(emulator.url) as first:
        await start(first)
        async with connected(emulator.url) as second:
            info = await next_message(second, "Info")
            error = await start(second)
            await rest(second)
        assert (info["usage"], info["quota"]) == (2, 1)
        assert error["type"] == "quota_exceeded"
        assert (second.close_code, second.close_reason) == (4005, "quota_exceeded")
        await send(first, "EndOfStream", last_seq_no=0)
        await rest(first)
        async with connected(emulator.url) as third:
            assert (await next_message(third, "Info"))["usage"] == 1
            assert (await start(third))["message"] == "RecognitionStarted"


async def test_client_that_vanishes_gives_its_place_back() -> None:
    async with serve("ledger", limits=Limits(quota=1)) as emulator:
        async with connected(emulator.url) as socket:
            await start(socket)
            socket.transport.abort()
        await until(lambda: emulator.census.open_sessions == 0)


async def test_audio_beyond_the_limit_ends_the_session() -> None:
    async with (
        serve("ledger", limits=Limits(duration=0.4)) as emulator,
        connected(emulator.url) as socket,
    ):
        await start(socket)
        for number in range(3):
            await socket.send(encode([number]))
        messages = await rest(socket)
    (warning,) = only(messages, "Warning")
    assert (warning["type"], warning["duration_limit"]) == ("duration_limit_exceeded", 0.4)
    assert [m["seq_no"] for m in only(messages, "AudioAdded")] == [1, 2, 3]
    assert [m["metadata"]["transcript"] for m in only(messages, "AddTranscript")] == ["w0 w1 "]
    assert messages[-1] == {"message": "EndOfTranscript"}
    assert socket.close_code == 1000


async def test_lenient_server_takes_the_last_chunk_acknowledged() -> None:
    async with (
        serve("ledger", limits=Limits(lenient=True)) as emulator,
        connected(emulator.url) as socket,
    ):
        await start(socket)
        await socket.send(encode([1]))
        await send(socket, "EndOfStream", last_seq_no=0)
        await rest(socket)
    assert socket.close_code == 1000


async def test_sessions_are_recorded_and_can_be_replayed(tmp_path: Path) -> None:
    audio = encode([1, 2, None, 3])
    directory = tmp_path / "new" / "recordings"
    async with serve("ledger", record=directory) as emulator:
        messages = await recognise(emulator.url, audio, enable_partials=True)
        await until(lambda: emulator.open_connections == 0)
    (path,) = directory.iterdir()
    assert path.name == f"{emulator.sessions[0].id}.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["payload"]["message"] for line in lines[:4]] == [
        "Info",
        "TranscriptionConfig",
        "AudioFormat",
        "RecognitionStarted",
    ]
    assert [line["payload"] for line in lines[4:]] == messages
    assert lines[1]["payload"] == {
        "message": "TranscriptionConfig",
        "language": "en",
        "enable_partials": True,
    }
    assert lines[-1]["audio_ts"] == 0.8
    async with serve("replay", replay=path) as emulator:
        replayed = await recognise(emulator.url, audio, enable_partials=True)
    for name in ("AddTranscript", "AddPartialTranscript"):
        assert only(replayed, name) == only(messages, name)
