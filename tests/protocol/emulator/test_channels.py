"""Sessions with several channels, over real sockets."""

import base64
from collections.abc import AsyncIterator

import pytest
from tests.protocol.emulator.client import (
    Message,
    connected,
    next_message,
    only,
    rest,
    send,
    start,
    until,
    words,
)
from tests.protocol.emulator.scripted import ScriptedEngine
from websockets.asyncio.client import ClientConnection

from speechmq_emulator.ledger import encode
from speechmq_emulator.ledger.engine import LedgerEngine
from speechmq_emulator.server import Emulator, Limits, serve


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve("ledger") as running:
        yield running


async def start_channels(socket: ClientConnection, *labels: str) -> Message:
    return await start(socket, diarization="channel", channel_diarization_labels=labels)


async def send_audio(socket: ClientConnection, channel: str, audio: bytes) -> None:
    data = base64.b64encode(audio).decode()
    await send(socket, "AddChannelAudio", channel=channel, data=data)


async def test_each_channel_has_its_own_transcript(emulator: Emulator) -> None:
    async with connected(emulator.url) as socket:
        started = await start_channels(socket, "left", "right")
        assert started["channel_ids"] == ["left", "right"]
        for number in range(4):
            await send_audio(socket, "left", encode([number]))
            await send_audio(socket, "right", encode([100 + number]))
        await send(socket, "EndOfChannel", channel="left", last_seq_no=4)
        await send(socket, "EndOfChannel", channel="right", last_seq_no=4)
        messages = await rest(socket)
    assert socket.close_code == 1000
    assert messages[-1] == {"message": "EndOfTranscript"}
    for channel, first in [("left", 0), ("right", 100)]:
        mine = [m for m in messages if m.get("channel") == channel]
        assert [m["seq_no"] for m in only(mine, "ChannelAudioAdded")] == [1, 2, 3, 4]
        assert [content for content, _, _ in words(mine)] == [f"w{first + n}" for n in range(4)]
    await until(lambda: emulator.open_connections == 0)
    (session,) = emulator.sessions
    assert (session.chunks, session.audio_seconds, session.close_code) == (8, 1.6, 1000)


async def test_end_of_stream_ends_all_channels(emulator: Emulator) -> None:
    async with connected(emulator.url) as socket:
        await start_channels(socket, "left", "right")
        await send_audio(socket, "right", encode([7]))
        await send(socket, "EndOfStream", last_seq_no=1)
        messages = await rest(socket)
    assert words(messages) == [("w7", 0.0, 0.2)]
    assert messages[-1] == {"message": "EndOfTranscript"}


async def test_third_channel_is_taken_where_it_is_allowed() -> None:
    async with (
        serve("ledger", limits=Limits(max_channels=3)) as emulator,
        connected(emulator.url) as socket,
    ):
        assert (await start_channels(socket, "a", "b", "c"))["channel_ids"] == ["a", "b", "c"]


async def test_bad_base64_is_an_invalid_message(emulator: Emulator) -> None:
    async with connected(emulator.url) as socket:
        await start_channels(socket, "a")
        await send(socket, "AddChannelAudio", channel="a", data="no base64")
        error = await next_message(socket, "Error")
        await rest(socket)
    assert (error["type"], error["reason"].partition(":")[0]) == ("invalid_message", "data")
    assert socket.close_code == 1003


async def test_engine_without_room_for_all_channels_refuses_the_session() -> None:
    async with (
        serve(LedgerEngine(quota=1)) as emulator,
        connected(emulator.url) as socket,
    ):
        assert (await start_channels(socket, "a", "b"))["type"] == "quota_exceeded"
        await rest(socket)
        assert socket.close_code == 4005
        async with connected(emulator.url) as another:
            await until(lambda: emulator.open_connections == 1)
            assert (await start_channels(another, "a"))["channel_ids"] == ["a"]


async def test_session_that_ends_closes_the_streams_of_all_channels() -> None:
    engine = ScriptedEngine()
    async with serve(engine) as emulator, connected(emulator.url) as socket:
        await start_channels(socket, "a", "b")
        assert engine.open == 2
        socket.transport.abort()
        await until(lambda: engine.open == 0)
