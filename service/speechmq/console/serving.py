"""Runs the application in the program's own event loop."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from speechmq.errors import RequestError
from speechmq.tasks import task_group

from .connections import CONNECTIONS, BoundedConnection
from .feed import SEND_SECONDS

LAST_RESPONSES = 2  # seconds; uvicorn takes whole ones


@asynccontextmanager
async def listening(host: str, port: int) -> AsyncIterator[socket.socket]:
    """A socket on the first address that the host has; port 0 takes a free one.

    Raises ``RequestError``.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        bound = socket.create_server(address, family=family)
    except OSError as error:
        known = error.errno is not None and error.errno > 0  # not of a name that nobody has
        reason = os.strerror(error.errno or 0) if known else error.strerror or str(error)
        raise RequestError(f"the console cannot listen on {host}:{port}: {reason}") from error
    with bound:
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # connections have it from here
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SEND_SECONDS * 1000))
        yield bound


@asynccontextmanager
async def serving(app: ASGIApp, bound: socket.socket) -> AsyncIterator[None]:
    """Serves until the block is left; who is still being answered then has ``LAST_RESPONSES``."""
    server = _Server(_config(app))
    async with task_group() as tasks:
        task = tasks.create_task(server.serve([bound]))
        try:
            yield
        finally:
            server.should_exit = True
            await asyncio.wait([task])
            server.hang_up()


class _Server(uvicorn.Server):
    def hang_up(self) -> None:
        """Drops who did not take the last response in time."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the command's."""
        yield


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedConnection,
        ws="none",
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=LAST_RESPONSES,
    )
