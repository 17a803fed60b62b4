"""Runs the HTTP application beside the sessions, in their event loop."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

_CONNECTIONS = 1000
_LAST_RESPONSES = 1  # uvicorn takes whole seconds


@dataclass(frozen=True, slots=True)
class HttpPort:
    """Where HTTP is served."""

    host: str
    port: int
    secure: bool

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"{'https' if self.secure else 'http'}://{in_url(self.host)}:{self.port}"


def in_url(host: str) -> str:
    """The host as a URL writes it."""
    return f"[{host}]" if ":" in host else host


@asynccontextmanager
async def serve_http(
    app: ASGIApp, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[HttpPort]:
    """Serve until the context is left; connections are taken as soon as it is entered.

    Port 0 takes a free one. Leaving it closes idle connections at once and gives running
    responses a second.

    Raises:
        OSError: the address can not be bound.
    """
    listening = await _bind(host, port)
    bound = listening.getsockname()
    server = _Server(_config(app, tls))
    try:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve([listening]))
            try:
                yield HttpPort(bound[0], bound[1], tls is not None)
            finally:
                server.should_exit = True
                await asyncio.wait([serving])
                server.hang_up()
    except BaseExceptionGroup as group:
        # What the block raised is the caller's, and leaves as it came.
        raise (group.exceptions[0] if len(group.exceptions) == 1 else group) from None


class _Server(uvicorn.Server):
    def hang_up(self) -> None:
        """Drop connections that did not take their last response in time."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the program's that we run in."""
        yield


def _config(app: ASGIApp, tls: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        # The admin API asks where a client is: only the socket knows.
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_LAST_RESPONSES,
        ssl_context_factory=None if tls is None else lambda *_: tls,
    )


async def _bind(host: str, port: int) -> socket.socket:
    """A listening socket on the first address that the host has."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        return socket.create_server(address, family=family)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"HTTP port {port} of {host}: {reason}") from error
