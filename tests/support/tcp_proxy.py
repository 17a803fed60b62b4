"""A TCP proxy whose network fails on demand: it cuts connections, or swallows what they carry."""

from __future__ import annotations

import asyncio
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_PIECE = 65_536
_NO_LINGERING = struct.pack("ii", 1, 0)


class TcpProxy:
    """Passes bytes between whoever connects to ``port`` and ``target``; made by ``proxying``."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.port = 0
        self._target = target
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[StreamWriter] = set()
        self._links: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Resets every connection, on both sides."""
        for writer in self._writers:
            reset(writer)

    def swallow(self) -> None:
        """Nothing gets through from now on, and nobody is told: not even that the other is gone."""
        self._flows.clear()

    def heal(self) -> None:
        """Goes on with what has waited, as TCP would."""
        self._flows.set()

    def accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        link = asyncio.create_task(self._link(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _link(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            reset(writer)
            return
        else:
            self._writers.add(back)
            await self._pass_both_ways((reader, back), (there, writer))
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _pass_both_ways(self, *ways: tuple[StreamReader, StreamWriter]) -> None:
        """The end of one way is the end of both."""
        passing = [asyncio.create_task(self._pass(*way)) for way in ways]
        try:
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way, task in zip(ways, passing, strict=True):
                task.cancel()
                self._writers.discard(way[1])
                way[1].close()
            await asyncio.wait(passing)

    async def _pass(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while piece := await reader.read(_PIECE):
                await self._flows.wait()
                writer.write(piece)
                await writer.drain()
            await self._flows.wait()
        except OSError:
            await self._flows.wait()

    async def end(self) -> None:
        self.cut()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)


def through(proxy: TcpProxy, url: str) -> str:
    """``url`` with the proxy in the place of what it names."""
    parts = urlsplit(url)
    return url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{proxy.port}")


def reset(writer: StreamWriter) -> None:
    """Ends the connection by RST."""
    if not writer.transport.is_closing():
        tcp = writer.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
    writer.transport.abort()


@asynccontextmanager
async def proxying(target: tuple[str, int]) -> AsyncIterator[TcpProxy]:
    """A proxy on a free port of 127.0.0.1, for the length of the block."""
    proxy = TcpProxy(target)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
