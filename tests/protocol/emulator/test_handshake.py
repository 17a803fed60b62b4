"""Who is let in, and what the first messages may be."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.protocol.emulator.client import connected, next_message, rest, send, start
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from speechmq_emulator.ledger.engine import LedgerEngine
from speechmq_emulator.server import Emulator, Limits, serve


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve("ledger", api_keys=["dev", "second key"]) as running:
        yield running


async def status_of(url: str, **headers: str) -> int:
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, additional_headers=headers)
    return refused.value.response.status_code


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {"Authorization": "Bearer dev"}),
        ("", {"Authorization": "bearer second key"}),
        ("?jwt=dev", {}),
        ("?sm-app=test&jwt=second%20key", {}),
        ("/en?jwt=dev", {}),
    ],
)
async def test_known_key_is_let_in(emulator: Emulator, query: str, headers: dict[str, str]) -> None:
    async with connect(emulator.url + query, additional_headers=headers) as socket:
        info = json.loads(await socket.recv())
    assert (info["message"], info["type"]) == ("Info", "concurrent_session_usage")
    assert (info["usage"], info["quota"]) == (1, 10_000)


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("", {"Authorization": "Bearer"}),
        ("", {"Authorization": "Bearer Dev"}),
        ("", {"Authorization": "Basic dev"}),
        ("", {"Authorization": "Bearer d\u00e9v"}),
        ("?jwt=", {}),
        ("?jwt=unknown", {}),
    ],
)
async def test_unknown_key_is_refused_with_401(
    emulator: Emulator, query: str, headers: dict[str, str]
) -> None:
    assert await status_of(emulator.url + query, **headers) == 401


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v2x", "/v2/en/more"])
async def test_wrong_path_is_refused_with_404(emulator: Emulator, path: str) -> None:
    root = emulator.url.removesuffix("/v2")
    assert await status_of(root + path, Authorization="Bearer dev") == 404


async def test_messages_are_not_deflated(emulator: Emulator) -> None:
    offered = {"Authorization": "Bearer dev"}
    async with connect(emulator.url, additional_headers=offered) as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers


async def test_recognition_starts_behind_the_info(emulator: Emulator) -> None:
    async with connected(emulator.url) as socket:
        started = await start(socket)
    assert started["message"] == "RecognitionStarted"
    assert len(started["id"]) == 36
    assert started["orchestrator_version"].startswith("speechmq-emulator ")
    assert started["language_pack_info"]["language_description"] == "English"


@pytest.mark.parametrize(
    ("message", "kind", "code"),
    [
        ("no JSON", "invalid_message", 1003),
        (b"\0\0", "protocol_error", 1003),
        ('{"message": "EndOfStream", "last_seq_no": 0}', "protocol_error", 1003),
        ('{"message": "StartRecognition"}', "invalid_audio_type", 1003),
    ],
)
async def test_bad_first_message_is_an_error_and_a_close(
    emulator: Emulator, message: str | bytes, kind: str, code: int
) -> None:
    async with connected(emulator.url) as socket:
        await socket.send(message)
        messages = await rest(socket)
    assert [(m["message"], m["type"]) for m in messages[1:]] == [("Error", kind)]
    assert (socket.close_code, socket.close_reason) == (code, kind)


@pytest.mark.parametrize(
    ("config", "kind", "code"),
    [
        ({"language": "xx"}, "invalid_language", 1003),
        ({"model": "huge"}, "invalid_model", 4004),
        ({"max_delay": 9}, "invalid_config", 1003),
    ],
)
async def test_start_that_can_not_be_served_is_an_error_and_a_close(
    emulator: Emulator, config: dict[str, Any], kind: str, code: int
) -> None:
    async with connected(emulator.url) as socket:
        answer = await start(socket, **config)
        assert (answer["message"], answer["type"]) == ("Error", kind)
        assert await rest(socket) == []
    assert (socket.close_code, socket.close_reason) == (code, kind)


async def test_language_of_the_path_must_agree(emulator: Emulator) -> None:
    async with connected(f"{emulator.url}/de") as socket:
        assert (await start(socket))["type"] == "invalid_language"


async def test_message_beyond_the_limit_closes_with_1009() -> None:
    async with (
        serve("ledger", limits=Limits(message_size=1000)) as emulator,
        connected(emulator.url) as socket,
    ):
        await start(socket)
        await socket.send(bytes(1001))
        assert await rest(socket) == []
    assert socket.close_code == 1009


async def test_client_that_never_starts_is_sent_away() -> None:
    async with (
        serve("ledger", limits=Limits(start_timeout=0.05)) as emulator,
        connected(emulator.url) as socket,
    ):
        error = await next_message(socket, "Error")
        await rest(socket)
    assert error["type"] == "idle_timeout"
    assert socket.close_code == 1008


async def test_session_beyond_the_quota_is_refused() -> None:
    async with serve(LedgerEngine(quota=1)) as emulator, connected(emulator.url) as first:
        await start(first)
        async with connected(emulator.url) as second:
            error = await start(second)
            await rest(second)
        assert (error["type"], second.close_code) == ("quota_exceeded", 4005)
        await send(first, "EndOfStream", last_seq_no=0)
        assert [m["message"] for m in await rest(first)] == ["EndOfTranscript"]


async def test_end_of_the_server_closes_its_connections_with_1001() -> None:
    async with serve("ledger") as emulator:
        socket = await connect(f"{emulator.url}?jwt=dev")
        await start(socket)
    with pytest.raises(ConnectionClosed):
        await socket.recv()
    assert socket.close_code == 1001


async def test_server_needs_a_key() -> None:
    with pytest.raises(ValueError, match="at least one API key"):
        async with serve("ledger", api_keys=[]):
            pass
