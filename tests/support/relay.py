"""A TCP relay that can be cut: what a killed process, or a network that is gone, looks like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit


@dataclass
class Relay:
    """``url`` leads to the same place as the one that it was made for."""

    url: str
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Resets every connection; new ones are taken."""
        for writer in self._writers:
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def relaying(url: str) -> AsyncIterator[Relay]:
    parts = urlsplit(url)
    assert parts.hostname is not None

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        ends = {writer, back}
        relay._writers |= ends
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(relay.carry(reader, back))
                tasks.create_task(relay.carry(there, writer))
        finally:
            relay._writers -= ends

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    user = parts.netloc.rpartition("@")[0]
    netloc = f"{user}@127.0.0.1:{port}" if user else f"127.0.0.1:{port}"
    relay = Relay(urlunsplit(parts._replace(netloc=netloc)))
    try:
        yield relay
    finally:
        server.close()
        relay.cut()
