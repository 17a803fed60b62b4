"""How the recogniser and the management API are reached: a CA of one's own, a proxy, keys."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.support.http_proxy import http_proxy
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket

from speechmq.errors import HandshakeRefused, KeyRefused, KeyUnavailable, UpstreamUnreachable
from speechmq.settings.upstream import UpstreamSettings
from speechmq.speechmatics.messages import (
    InfoReceived,
    RecognitionStarted,
    UnknownReceived,
    start_recognition,
)
from speechmq.upstream.connection import Connection
from speechmq.upstream.service import Access, Upstream
from speechmq_emulator.server import Emulator, serve

KEY = "hush-key"
FORMAT = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000}


@dataclass
class Secure:
    """An emulator that shows a certificate of a CA that nobody knows."""

    emulator: Emulator
    ca_file: Path

    def settings(self, **others: Any) -> dict[str, Any]:
        return {
            "url": self.emulator.url,
            "api_key": KEY,
            "management_url": f"{self.emulator.http_url}/v1",
            "ca_file": self.ca_file,
            **others,
        }


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[Secure]:
    issuer = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert("127.0.0.1").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    issuer.cert_pem.write_to_path(str(ca_file))
    async with serve("ledger", api_keys=[KEY], http_port=0, tls=context) as emulator:
        yield Secure(emulator, ca_file)


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "WSS_PROXY", "WS_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """An HTTP server that says ``answer`` to whatever it is asked, or nothing at all."""
    open_writers: list[asyncio.StreamWriter] = []

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        if answer:
            gap = b"" if b"\r\n\r\n" in answer else b"\r\n\r\n"
            writer.write(b"HTTP/1.1 " + answer + gap)
            writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        for writer in open_writers:
            writer.close()


def access_of(**settings: Any) -> Access:
    [access] = Upstream(UpstreamSettings.model_validate(settings), lambda: 0.0).everything
    return access


async def is_recognising(connection: Connection) -> bool:
    connection.send(start_recognition(FORMAT, {"language": "en"}))
    first, second = await connection.receive(), await connection.receive()
    return isinstance(first, InfoReceived) and isinstance(second, RecognitionStarted)


@asynccontextmanager
async def connected(**settings: Any) -> AsyncIterator[Connection]:
    async with access_of(**settings).connect(0) as connection:
        yield connection


async def refusal(kind: type[Exception], **settings: Any) -> str:
    with pytest.raises(kind) as caught:
        async with connected(**settings):
            pytest.fail("There is no way in.")
    return str(caught.value)


# --- A CA of one's own -----------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["api_key", "temporary_key"])
async def test_ca_of_ones_own_is_trusted_for_sessions_and_keys(secure: Secure, auth: str) -> None:
    async with connected(**secure.settings(auth=auth)) as connection:
        assert await is_recognising(connection)


async def test_ca_that_nobody_knows_is_not_trusted(secure: Secure) -> None:
    unknown = secure.settings(ca_file=None)
    told = await refusal(UpstreamUnreachable, **unknown)
    assert told.startswith(f"no connection to {secure.emulator.url}: ")
    assert "certificate verify failed" in told
    told = await refusal(KeyUnavailable, **unknown, auth="temporary_key")
    assert told.startswith(f"{secure.emulator.http_url}/v1 made no temporary key: ")
    assert "certificate verify failed" in told


# --- A proxy ---------------------------------------------------------------------------------


async def test_sessions_and_keys_go_by_the_proxy_with_its_password(secure: Secure) -> None:
    async with http_proxy("user:hush-proxy") as proxy:
        settings = secure.settings(auth="temporary_key", proxy=proxy.url)
        async with connected(**settings) as connection:
            assert await is_recognising(connection)
    api = (secure.emulator.http_url or "").removeprefix("https://")
    assert proxy.asked == [api, f"127.0.0.1:{secure.emulator.port}"]


@pytest.mark.parametrize(
    ("auth", "kind"), [("api_key", UpstreamUnreachable), ("temporary_key", KeyUnavailable)]
)
async def test_proxy_that_refuses_is_told_without_its_password(
    secure: Secure, auth: str, kind: type[Exception]
) -> None:
    async with http_proxy("user:hush-proxy") as proxy:
        wrong = proxy.url.replace("hush-proxy", "hush-wrong")
        told = await refusal(kind, **secure.settings(auth=auth, proxy=wrong))
    assert (proxy.refused, proxy.asked) == (1, [])
    assert "407" in told
    assert "hush" not in told


async def test_proxy_of_the_environment_is_used_and_direct_is_not(
    secure: Secure, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with http_proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with connected(**secure.settings(auth="temporary_key")) as connection:
            assert await is_recognising(connection)
        assert len(proxy.asked) == 2
        async with connected(**secure.settings(auth="temporary_key", proxy="direct")):
            assert len(proxy.asked) == 2
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with connected(**secure.settings(auth="temporary_key")):
            assert len(proxy.asked) == 2


@pytest.mark.parametrize("proxy", ["http://user:hush@", "gopher://user:hush@x", "socks5://x:1"])
async def test_proxy_of_the_environment_that_is_none_is_told_without_its_password(
    secure: Secure, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    told = await refusal(UpstreamUnreachable, **secure.settings())
    assert told == (
        f"no connection to {secure.emulator.url}: the proxy that the environment names is none; "
        "set SPEECHMQ_UPSTREAM__PROXY instead"
    )
    told = await refusal(KeyUnavailable, **secure.settings(auth="temporary_key"))
    assert told.startswith(f"{secure.emulator.http_url}/v1 made no temporary key: ")
    assert "hush" not in told


# --- Keys ------------------------------------------------------------------------------------


async def test_key_that_makes_no_key_is_refused_for_good(secure: Secure) -> None:
    wrong = secure.settings(auth="temporary_key", api_key="hush-wrong")
    assert await refusal(KeyRefused, **wrong) == (
        f"{secure.emulator.http_url}/v1 made no temporary key: HTTP status 401; "
        "check SPEECHMQ_UPSTREAM__API_KEY"
    )


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (b"403 Forbidden\r\nContent-Length: 0", KeyRefused, "403; check SPEECHMQ_UPSTREAM__API_K"),
        (b"410 Gone\r\nContent-Length: 0", KeyRefused, "HTTP status 410"),
        (b"429 Too Many\r\nContent-Length: 0", KeyUnavailable, "HTTP status 429"),
        (b"503 Down\r\nContent-Length: 0", KeyUnavailable, "HTTP status 503"),
        (b"302 There\r\nLocation: /x\r\nContent-Length: 0", KeyUnavailable, "HTTP status 302"),
        (b"201 Created\r\nContent-Length: 2\r\n\r\n{}", KeyUnavailable, "holds no key_value"),
        (b"201 Created\r\nContent-Length: 1\r\n\r\n\xff", KeyUnavailable, "holds no key_value"),
        (b"201 Created\r\nContent-Length: 9\r\n\r\n", KeyUnavailable, "no temporary key: "),
        (b"", KeyUnavailable, "no answer within 0.5 s"),
    ],
    ids=["403", "410", "429", "503", "302", "no key", "garbage", "broken off", "silent"],
)
async def test_what_the_management_api_answers_is_told_apart(
    answer: bytes, kind: type[Exception], told: str
) -> None:
    async with answering(answer) as url:
        found = await refusal(
            kind,
            url="ws://127.0.0.1:1/v2",
            api_key=KEY,
            auth="temporary_key",
            management_url=url,
            connect_timeout=0.5,
        )
    assert told in found
    assert KEY not in found


COMPRESSED = gzip.compress(b'{"key_value": "hush"}' + bytes(50_000_000))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"\r\n\r\n" + b" " * 100_000, "its answer is longer than 65536 bytes"),
        (
            b"\r\nContent-Encoding: gzip\r\n\r\n" + COMPRESSED,
            "its answer is compressed, although none may be",
        ),
    ],
    ids=["long", "compressed"],
)
async def test_no_more_of_the_management_apis_answer_is_read_than_a_key_needs(
    answer: bytes, told: str
) -> None:
    tracemalloc.start()
    try:
        async with answering(b"201 Created" + answer) as url:
            found = await refusal(
                KeyUnavailable,
                url="ws://127.0.0.1:1/v2",
                api_key=KEY,
                auth="temporary_key",
                management_url=url,
            )
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.endswith(f"made no temporary key: {told}")
    assert most < 10_000_000


async def test_management_api_that_is_not_there_is_tried_again(unused_port: int) -> None:
    told = await refusal(
        KeyUnavailable,
        url="ws://127.0.0.1:1/v2",
        api_key=KEY,
        auth="temporary_key",
        management_url=f"http://127.0.0.1:{unused_port}/v1",
    )
    assert told.startswith(f"http://127.0.0.1:{unused_port}/v1 made no temporary key: ")


async def test_temporary_key_that_was_revoked_is_replaced_at_once() -> None:
    """As when the service was restarted with another secret: only the cached key is bad."""
    async with serve("ledger", api_keys=[KEY], http_port=0, secret="old") as old:
        port, http_port = old.port, int((old.http_url or "").rpartition(":")[2])
        access = access_of(
            url=old.url,
            api_key=KEY,
            auth="temporary_key",
            management_url=f"{old.http_url}/v1",
        )
        async with access.connect(0):
            pass
    new = serve("ledger", api_keys=[KEY], port=port, http_port=http_port, secret="new")
    async with new, access.connect(0) as connection:
        assert await is_recognising(connection)


async def test_temporary_key_that_is_refused_although_it_is_new_is_refused_for_good() -> None:
    async with (
        serve("ledger", api_keys=[KEY], http_port=0) as maker,
        serve("ledger", api_keys=["another"]) as other,
    ):
        told = await refusal(
            HandshakeRefused,
            url=other.url,
            api_key=KEY,
            auth="temporary_key",
            management_url=f"{maker.http_url}/v1",
        )
    assert told == (
        f"{other.url} refused the connection with HTTP status 401; check SPEECHMQ_UPSTREAM__API_KEY"
    )


# --- The handshake ---------------------------------------------------------------------------


@pytest.mark.parametrize(("compression", "offered"), [(False, False), (True, True)])
async def test_compression_is_offered_only_when_it_is_asked_for(
    compression: bool, offered: bool
) -> None:
    extensions: list[str | None] = []

    async def note(connection: ServerConnection) -> None:
        assert connection.request is not None
        extensions.append(connection.request.headers.get("Sec-WebSocket-Extensions"))
        await connection.send('{"message": "Hello"}')

    async with serve_websocket(note, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"ws://127.0.0.1:{port}/v2"
        async with connected(url=url, compression=compression) as connection:
            assert isinstance(await connection.receive(), UnknownReceived)
    assert ["permessage-deflate" in (one or "") for one in extensions] == [offered]


async def test_usage_is_tagged_and_no_key_is_sent_where_there_is_none() -> None:
    requests: list[tuple[str, bool]] = []

    async def note(connection: ServerConnection) -> None:
        assert connection.request is not None
        requests.append((connection.request.path, "Authorization" in connection.request.headers))

    async with serve_websocket(note, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connected(url=f"ws://127.0.0.1:{port}/v2", app="ward 7"):
            pass
    assert requests == [("/v2?sm-app=ward+7", False)]


# --- Redirects -------------------------------------------------------------------------------


@asynccontextmanager
async def redirecting(location: str) -> AsyncIterator[str]:
    answer = f"307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0"
    async with answering(answer.encode()) as url:
        yield url.replace("http:", "ws:")


@pytest.mark.parametrize(
    "location",
    ["ws://[", "ws://host:99999/", "https://host/", "ws://user:pass@/", "ws://" + "a" * 64 + "/"],
)
async def test_malformed_redirect_is_a_failed_attempt(location: str) -> None:
    async with redirecting(location) as url:
        told = await refusal(UpstreamUnreachable, url=url, api_key=KEY)
    assert told.startswith(f"no connection to {url}: it redirects to ")


async def test_redirect_to_another_place_is_not_followed() -> None:
    """No key goes there, and no byte."""
    async with serve("ledger", api_keys=[KEY]) as other, redirecting(other.url) as url:
        told = await refusal(UpstreamUnreachable, url=url, api_key=KEY)
    assert told == (
        f"no connection to {url}: it redirects to {other.url}, which is not allowed; "
        "see SPEECHMQ_UPSTREAM__REDIRECT_URLS"
    )


@pytest.mark.parametrize("setting", ["redirect_urls", "fallback_urls"])
async def test_redirect_to_an_allowed_place_is_followed_with_the_key(setting: str) -> None:
    async with (
        serve("ledger", api_keys=[KEY]) as other,
        redirecting(other.url) as url,
        connected(url=url, api_key=KEY, **{setting: [other.url]}) as connection,
    ):
        assert await is_recognising(connection)


async def test_redirects_without_end_are_a_failed_attempt() -> None:
    async with redirecting("/v2") as url:
        told = await refusal(UpstreamUnreachable, url=url, api_key=KEY)
    assert told == f"no connection to {url}: more than 10 redirects"
