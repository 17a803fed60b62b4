"""Connections to the console that say nothing, or are many."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from speechmq.console import connections
from speechmq.console.board import Board, Limits
from speechmq.console.hub import Hub
from speechmq.console.serving import listening, serving
from speechmq.console.web import application

HEAD = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """The port."""
    hub = Hub(Board(Limits()), lambda: 0.0, lambda: "x")
    async with (
        listening("127.0.0.1", 0) as bound,
        serving(application(hub, ["localhost", "127.0.0.1"]), bound),
    ):
        yield bound.getsockname()[1]
        hub.close()


@pytest.mark.parametrize(
    "sent", [b"", HEAD, HEAD + b"\r\n" + HEAD], ids=["nothing", "half a head", "half a second"]
)
async def test_connection_without_a_request_is_dropped(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.3)
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(10):
            answered = await end_of(reader)
        writer.close()
    assert answered.count(b"200 OK") in (0, sent.count(b"\r\n\r\n"))


async def test_page_that_is_open_is_not_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.1)
    async with (
        served() as port,
        httpx.AsyncClient() as http,
        http.stream("GET", f"http://127.0.0.1:{port}/events") as feed,
    ):
        await asyncio.sleep(0.5)
        parts = feed.aiter_bytes()
        assert (await anext(parts)).startswith(b"retry:")


async def test_address_has_a_bounded_number_of_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PER_ADDRESS", 5)
    async with served() as port:
        ends = [await asyncio.open_connection("127.0.0.1", port) for _ in itertools.repeat(0, 6)]
        assert await end_of(ends[-1][0]) == b""
        ends[0][1].close()
        await ends[0][1].wait_closed()
        async with asyncio.timeout(10):
            while not await is_answered(port):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for _, writer in ends[1:]:
            writer.close()


async def end_of(reader: asyncio.StreamReader) -> bytes:
    """What came before the end."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def is_answered(port: int) -> bool:
    try:
        async with httpx.AsyncClient() as http:
            return (await http.get(f"http://127.0.0.1:{port}/health")).status_code == 200
    except httpx.HTTPError:
        return False
