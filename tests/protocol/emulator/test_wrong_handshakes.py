"""Requests that become no session, and the whole answer to each, by raw sockets."""

from collections.abc import AsyncIterator

import pytest
from tests.protocol.emulator.http_client import exchange

from speechmq_emulator.server import Emulator, serve

UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: ujRTbIaQsXO/0uCbjjkSZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
KEY = b"Authorization: Bearer dev\r\n"
HANG_UP = {b"connection": b"close", b"content-type": b"text/plain; charset=utf-8"}


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve("ledger") as running:
        yield running


async def answer(emulator: Emulator, *pieces: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Status line, headers less what every answer has, and text."""
    status, headers, body = await exchange(emulator.host, emulator.port, *pieces)
    assert headers.pop(b"content-length") == str(len(body)).encode()
    for name in (b"date", b"server"):
        headers.pop(name, None)
    return status, headers, body


def request(line: bytes, *headers: bytes) -> bytes:
    return line + b"\r\nHost: x\r\n" + b"".join(headers) + b"\r\n"


async def test_wrong_path_is_answered_404(emulator: Emulator) -> None:
    assert await answer(emulator, request(b"GET /v1 HTTP/1.1", UPGRADE, KEY)) == (
        b"HTTP/1.1 404 Not Found",
        HANG_UP,
        b"No such endpoint; use /v2 or /v2/<language>\n",
    )


async def test_missing_key_is_answered_401(emulator: Emulator) -> None:
    assert await answer(emulator, request(b"GET /v2 HTTP/1.1", UPGRADE)) == (
        b"HTTP/1.1 401 Unauthorized",
        {**HANG_UP, b"www-authenticate": b"Bearer"},
        b"No key; send it as Authorization: Bearer KEY or as ?jwt=KEY\n",
    )


async def test_unknown_key_is_answered_401(emulator: Emulator) -> None:
    assert await answer(emulator, request(b"GET /v2?jwt=no HTTP/1.1", UPGRADE)) == (
        b"HTTP/1.1 401 Unauthorized",
        {**HANG_UP, b"www-authenticate": b"Bearer"},
        b"Unknown API key; the operator of this server names the known ones\n",
    )


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "DELETE"])
async def test_wrong_method_is_answered_405(emulator: Emulator, method: str) -> None:
    line = f"{method} /v2 HTTP/1.1".encode()
    assert await answer(emulator, request(line, KEY)) == (
        b"HTTP/1.1 405 Method Not Allowed",
        {**HANG_UP, b"allow": b"GET"},
        f"A WebSocket is opened by GET, not by {method}\n".encode(),
    )


async def test_post_with_a_body_hears_its_405(emulator: Emulator) -> None:
    head = request(b"POST /v2 HTTP/1.1", KEY, b"Content-Length: 500000\r\n")
    assert await answer(emulator, head, bytes(250_000), bytes(250_000)) == (
        b"HTTP/1.1 405 Method Not Allowed",
        {**HANG_UP, b"allow": b"GET"},
        b"A WebSocket is opened by GET, not by POST\n",
    )


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (
            b"rubbish\r\n\r\n",
            b"This is no WebSocket handshake: invalid HTTP request line: rubbish\n",
        ),
        (
            request(b"GET /v2 HTTP/1.1", KEY, UPGRADE, b"no colon\r\n"),
            b"This is no WebSocket handshake: invalid HTTP header line: no colon\n",
        ),
        (
            request(b"GET /v2 HTTP/1.1", KEY, UPGRADE.replace(b"13", b"12")),
            b"Failed to open a WebSocket connection: invalid Sec-WebSocket-Version header: 12.\n",
        ),
        (
            request(b"GET //[v2 HTTP/1.1", KEY, UPGRADE),
            b"The path of the request can not be read: Invalid IPv6 URL\n",
        ),
    ],
)
async def test_malformed_request_is_answered_400(
    emulator: Emulator, sent: bytes, text: bytes
) -> None:
    assert await answer(emulator, sent) == (b"HTTP/1.1 400 Bad Request", HANG_UP, text)


async def test_get_without_an_upgrade_is_answered_426(emulator: Emulator) -> None:
    status, headers, text = await answer(emulator, request(b"GET /v2 HTTP/1.1", KEY))
    assert (status, headers) == (
        b"HTTP/1.1 426 Upgrade Required",
        {**HANG_UP, b"upgrade": b"websocket"},
    )
    assert text.startswith(b"Failed to open a WebSocket connection: ")


async def test_wrong_handshakes_leave_no_connection_behind(emulator: Emulator) -> None:
    await answer(emulator, b"rubbish\r\n\r\n")
    await answer(emulator, request(b"POST /v2 HTTP/1.1", b"Content-Length: 1\r\n"), b"x")
    assert (emulator.open_connections, emulator.sessions) == (0, ())
