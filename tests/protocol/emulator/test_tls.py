"""TLS on both ports."""

import ssl
from pathlib import Path

import httpx
import pytest
import trustme
from tests.protocol.emulator.client import KEY, start
from tests.protocol.emulator.http_client import exchange
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage

from speechmq_emulator.server import serve
from speechmq_emulator.tls import server_context


@pytest.fixture(scope="module")
def issuer() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def shown(issuer: trustme.CA, tmp_path: Path) -> ssl.SSLContext:
    """The server's side."""
    issued = issuer.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "own.crt", tmp_path / "own.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    return server_context(certificate, key)


@pytest.fixture
def trusting(issuer: trustme.CA) -> ssl.SSLContext:
    """The client's side."""
    context = ssl.create_default_context()
    issuer.configure_trust(context)
    return context


async def test_both_ports_speak_tls(shown: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    async with serve("ledger", http_port=0, tls=shown) as emulator:
        assert emulator.url == f"wss://127.0.0.1:{emulator.port}/v2"
        assert emulator.http_url is not None
        assert emulator.http_url.startswith("https://127.0.0.1:")
        async with connect(emulator.url, additional_headers=KEY, ssl=trusting) as socket:
            assert (await start(socket))["message"] == "RecognitionStarted"
        async with httpx.AsyncClient(base_url=emulator.http_url, verify=trusting) as http:
            assert (await http.get("/ready")).json() == {"ready": True}


async def test_client_that_does_not_know_the_issuer_does_not_connect(
    shown: ssl.SSLContext,
) -> None:
    async with serve("ledger", tls=shown) as emulator:
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(emulator.url, additional_headers=KEY)
        assert emulator.open_connections == 0


async def test_client_without_tls_is_no_session(shown: ssl.SSLContext) -> None:
    async with serve("ledger", tls=shown) as emulator:
        with pytest.raises(InvalidMessage):
            await connect(emulator.url.replace("wss", "ws"), additional_headers=KEY)
        assert emulator.open_connections == 0


async def test_wrong_handshake_is_answered_over_tls_too(
    shown: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async with serve("ledger", tls=shown) as emulator:
        post = b"POST /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        status, headers, text = await exchange(emulator.host, emulator.port, post, tls=trusting)
    assert (status, headers[b"allow"], text) == (
        b"HTTP/1.1 405 Method Not Allowed",
        b"GET",
        b"A WebSocket is opened by GET, not by POST\n",
    )
