"""The proxy that stands for a bad network: what it does to a connection, as its ends see it."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.support.tcp_proxy import TcpProxy, proxying


@asynccontextmanager
async def through_proxy() -> AsyncIterator[tuple[TcpProxy, StreamReader, StreamWriter]]:
    """A connection through a proxy to a server that sends back what it gets."""
    serving = set[asyncio.Task[None]]()

    async def echo(reader: StreamReader, writer: StreamWriter) -> None:
        serving.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            while piece := await reader.read(100):
                writer.write(piece)
        except OSError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    try:
        async with proxying(server.sockets[0].getsockname()) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            yield proxy, reader, writer
            writer.close()
    finally:
        server.close()
        await asyncio.gather(*serving, return_exceptions=True)


async def test_bytes_pass_both_ways() -> None:
    async with through_proxy() as (_, reader, writer):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"


async def test_cut_resets_the_connection() -> None:
    async with through_proxy() as (proxy, reader, writer):
        writer.write(b"hello")
        await reader.readexactly(5)
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)


async def test_swallowed_bytes_arrive_when_the_network_heals() -> None:
    async with through_proxy() as (proxy, reader, writer):
        proxy.swallow()
        writer.write(b"late")
        reading = asyncio.create_task(reader.readexactly(4))
        done, _ = await asyncio.wait({reading}, timeout=0.2)
        assert not done
        proxy.heal()
        assert await reading == b"late"


async def test_connection_is_reset_where_nobody_listens() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    server.close()
    await server.wait_closed()
    async with proxying(address) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()
