"""A WebSocket connection to the upstream: bytes out, messages in, errors translated.

Decides nothing: when to connect, what to send and when to give up is the session core's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
)
from yarl import URL

from ..errors import HandshakeRefused, UpstreamLost, UpstreamUnreachable
from ..settings import UpstreamSettings
from .messages import Received, UnknownReceived, decode

ABNORMAL_CLOSURE = 1006


@dataclass(slots=True)
class Connection:
    """One open WebSocket."""

    socket: ClientConnection

    async def send(self, message: str | bytes) -> None:
        """Waits while the socket's buffer is full; raises ``UpstreamLost``."""
        try:
            await self.socket.send(message)
        except ConnectionClosed as error:
            raise lost(error) from error

    async def receive(self) -> Received | UnknownReceived:
        """The next message; raises ``UpstreamLost``, and ``MalformedMessage`` for garbage."""
        try:
            return decode(await self.socket.recv(decode=False))
        except ConnectionClosed as error:
            raise lost(error) from error


def lost(error: ConnectionClosed) -> UpstreamLost:
    """The close code that upstream gave, or 1006 where it gave none."""
    if error.rcvd is None:
        return UpstreamLost(ABNORMAL_CLOSURE, "the connection broke without a closing handshake")
    return UpstreamLost(error.rcvd.code, error.rcvd.reason or "upstream closed the connection")


@asynccontextmanager
async def open_connection(settings: UpstreamSettings, url: str) -> AsyncIterator[Connection]:
    """A connection to ``url``. Closes the socket on every way out.

    Raises ``HandshakeRefused`` or ``UpstreamUnreachable``. Compression is off: audio does not
    shrink, and trying costs more CPU than everything else.
    """
    try:
        socket = await connect(
            str(_session_url(url, settings.app)),
            additional_headers=_authorization(settings),
            compression=None,
            open_timeout=settings.connect_timeout,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            close_timeout=1.0,
            max_size=settings.max_message_bytes,
        )
    except InvalidStatus as error:
        raise HandshakeRefused(url, error.response.status_code) from error
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
        raise UpstreamUnreachable(f"no connection to {url}: {error}") from error
    try:
        yield Connection(socket)
    finally:
        await socket.close()


def _session_url(url: str, app: str | None) -> URL:
    return URL(url).update_query({"sm-app": app}) if app else URL(url)


def _authorization(settings: UpstreamSettings) -> dict[str, str]:
    if settings.api_key is None:
        return {}
    return {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
