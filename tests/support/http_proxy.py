"""An HTTP proxy that opens tunnels (CONNECT), and asks for a user and a password if told to."""

from __future__ import annotations

import asyncio
import base64
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class HttpProxy:
    """``asked`` are the addresses that tunnels were opened to, ``refused`` how often the user or
    password was wrong."""

    user: str | None = None
    port: int = 0
    asked: list[str] = field(default_factory=list)
    refused: int = 0
    _tunnels: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        at = "" if self.user is None else f"{self.user}@"
        return f"http://{at}127.0.0.1:{self.port}"

    def accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        tunnel = asyncio.create_task(self._serve(reader, writer))
        self._tunnels.add(tunnel)
        tunnel.add_done_callback(self._tunnels.discard)

    async def close(self) -> None:
        for tunnel in self._tunnels:
            tunnel.cancel()
        if self._tunnels:
            await asyncio.wait(self._tunnels)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split(" ", 2)
            if not self._admits(head):
                self.refused += 1
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            elif method != "CONNECT":
                writer.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
            else:
                await self._tunnel(target, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def _admits(self, head: str) -> bool:
        if self.user is None:
            return True
        token = base64.b64encode(self.user.encode()).decode()
        return f"proxy-authorization: basic {token}".lower() in head.lower()

    async def _tunnel(self, target: str, reader: StreamReader, writer: StreamWriter) -> None:
        self.asked.append(target)
        host, _, port = target.rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            ways = [
                asyncio.create_task(_pass(reader, back)),
                asyncio.create_task(_pass(there, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.wait(ways)
        finally:
            back.close()


async def _pass(source: StreamReader, target: StreamWriter) -> None:
    while piece := await source.read(65_536):
        target.write(piece)
        await target.drain()


@asynccontextmanager
async def http_proxy(user: str | None = None) -> AsyncIterator[HttpProxy]:
    """``user`` is ``name:password``; without it everybody may pass."""
    proxy = HttpProxy(user)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
