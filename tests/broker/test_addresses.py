"""A worker and the tools know several addresses, and pass over those that do not let them in."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from tests.support.broker import Namespace
from tests.support.tcp_proxy import proxying, through

from speechmq.broker.amqp.plane import open_plane
from speechmq.commandline.connection import connected
from speechmq.errors import BrokerError
from speechmq.settings import BrokerSettings


@asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    """It accepts, reads and never answers."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            pass
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def refused_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def at(url: str, port: int) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()


async def test_a_worker_is_let_in_after_a_silent_address_and_one_that_refuses(
    namespace: Namespace,
) -> None:
    async with silent_port() as silent:
        urls = [at(namespace.url, silent), at(namespace.url, refused_port()), namespace.url]
        settings = BrokerSettings.model_validate({"url": ", ".join(urls), "connect_timeout": 6.0})
        began = time.monotonic()
        async with open_plane(settings) as plane:
            assert plane.url.port == urlsplit(namespace.url).port
            assert await plane.queue_exists("missing") is None
        assert 2.0 <= time.monotonic() - began < 6.0


async def test_no_address_lets_in_within_the_one_deadline(namespace: Namespace) -> None:
    async with silent_port() as silent:
        urls = [at(namespace.url, silent), at(namespace.url, refused_port())]
        settings = BrokerSettings.model_validate({"url": ",".join(urls), "connect_timeout": 2.0})
        began = time.monotonic()
        with pytest.raises(BrokerError) as caught:
            async with open_plane(settings):
                pass
        assert time.monotonic() - began < 2.5
    first, second = str(caught.value).split("; ")[:2]
    assert f":{silent}/" in first
    assert first.endswith(": it did not answer")
    assert "Connect call failed" in second
    assert str(urlsplit(namespace.url).password) not in str(caught.value)


async def test_a_command_is_let_in_after_a_silent_address(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechmq.commandline.connection.CONNECT_SECONDS", 4.0)
    async with silent_port() as silent:
        urls = f"{at(namespace.url, silent)},{at(namespace.url, refused_port())},{namespace.url}"
        async with connected(urls, "test") as connection:
            assert not connection.is_closed


async def test_a_worker_goes_on_at_the_next_address_when_its_own_is_lost(
    namespace: Namespace,
) -> None:
    target = ("127.0.0.1", urlsplit(namespace.url).port or 0)
    async with proxying(target) as proxy:
        urls = f"{through(proxy, namespace.url)},{namespace.url}"
        settings = BrokerSettings.model_validate({"url": urls, "connect_timeout": 4.0})
        async with open_plane(settings) as plane:
            assert plane.url.port == proxy.port
            proxy.cut()
            async with asyncio.timeout(10):
                await plane.wait_lost()
        proxy.swallow()
        async with open_plane(settings) as plane:
            assert plane.url.port == urlsplit(namespace.url).port
