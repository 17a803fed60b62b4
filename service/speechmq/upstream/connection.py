"""A WebSocket connection to the upstream: bytes out, messages in, errors translated.

Decides nothing: when to connect, what to send and when to give up is the core's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias, TypeGuard, cast

from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import broadcast
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)
from websockets.frames import Frame, Opcode
from websockets.protocol import Event
from yarl import URL

from ..errors import HandshakeRefused, Trouble, UpstreamLost, UpstreamUnreachable
from ..settings.upstream import UpstreamSettings
from ..speechmatics.messages import MalformedMessage, Received, UnknownReceived, decode
from ..speechmatics.regions import shown
from .network import PROXY_SETTING, PROXY_UNUSABLE, Network

ABNORMAL_CLOSURE = 1006


Message: TypeAlias = Received | UnknownReceived


class Socket(ClientConnection):
    """Gives ``taker`` each message in the callback that reads it: to wake a task for it costs as
    much as the message does. What is not taken waits for ``recv``, and so does what comes behind.
    """

    taker: Callable[[bytes], bool] | None = None

    def process_event(self, event: Event) -> None:
        if not self._is_taken(event):
            super().process_event(event)

    def _is_taken(self, event: Event) -> bool:
        if self.taker is None or self.recv_messages.frames or not _is_message(event):
            return False
        return self.taker(bytes(event.data))


def _is_message(event: Event) -> TypeGuard[Frame]:
    """Whether it is a whole one; fragments are the client's to put together."""
    return isinstance(event, Frame) and event.fin and event.opcode in (Opcode.TEXT, Opcode.BINARY)


@dataclass(slots=True)
class Connection:
    """One open WebSocket."""

    socket: Socket

    def send(self, message: str | bytes) -> None:
        """Does not wait: what the socket cannot take yet is buffered, which the window of the
        session bounds. On a connection that is lost it does nothing; ``listen`` says so."""
        broadcast((self.socket,), message)

    async def listen(self, deliver: Callable[[Message], None], room: asyncio.Event) -> NoReturn:
        """``deliver`` is called for each message, in order; while there is no ``room``, the socket
        is not read. Raises ``UpstreamLost``, and ``MalformedMessage`` for garbage."""

        def take(text: bytes) -> bool:
            if not room.is_set():
                return False
            try:
                message = decode(text)
            except MalformedMessage:
                return False  # ``receive`` reads it again, and raises where that is heard
            self.note(message)
            deliver(message)
            return True

        self.socket.taker = take
        try:
            while True:
                await room.wait()
                deliver(await self.receive())
        finally:
            self.socket.taker = None

    async def receive(self) -> Message:
        """The next message; raises as ``listen`` does."""
        try:
            message = decode(await self.socket.recv(decode=False))
        except ConnectionClosed as error:
            raise lost(error) from error
        self.note(message)
        return message

    def note(self, message: Message) -> None:
        """Called before anybody has a message."""


def lost(error: ConnectionClosed) -> UpstreamLost:
    """The close code that upstream gave, or 1006 where it gave none."""
    if error.rcvd is None:
        return UpstreamLost(ABNORMAL_CLOSURE, "the connection broke without a closing handshake")
    return UpstreamLost(error.rcvd.code, error.rcvd.reason or "upstream closed the connection")


@dataclass(frozen=True, slots=True)
class Dialling:
    """Where to connect and how; ``app`` tags the account's usage, ``key_setting`` is what to mend
    when the key is refused. A redirect leads to one of ``allowed``, or nowhere."""

    url: str
    allowed: tuple[str, ...]
    settings: UpstreamSettings
    network: Network
    app: str | None
    key_setting: str

    @property
    def session_url(self) -> str:
        url = URL(self.url)
        return str(url.update_query({"sm-app": self.app}) if self.app else url)


class Dialler(connect):
    """Follows a redirect to an allowed place alone, and takes the key along: it is for these."""

    def __init__(self, url: str, *, allowed: Collection[str], **options: Any) -> None:
        super().__init__(url, **options)
        self._allowed = {origin_of(one) for one in (url, *allowed)}

    def process_redirect(self, exc: Exception) -> Exception | str:
        headers = self.additional_headers
        try:
            found = super().process_redirect(exc)
            if isinstance(found, Exception):
                return found
            origin = origin_of(found)
        except (ValueError, InvalidURI):
            return InvalidHandshake("it redirects to what is no WebSocket URL")
        if origin not in self._allowed:
            return InvalidHandshake(
                f"it redirects to {shown(found)}, which is not allowed; "
                "see SPEECHMQ_UPSTREAM__REDIRECT_URLS"
            )
        self.additional_headers = headers
        return found


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port. Raises ``ValueError``."""
    parsed = URL(url)
    return parsed.scheme, parsed.host or "", parsed.port


@asynccontextmanager
async def open_connection(dialling: Dialling, key: SecretStr | None) -> AsyncIterator[Connection]:
    """A connection, opened with ``key``. Closes the socket on every way out.

    Raises ``HandshakeRefused`` or ``UpstreamUnreachable``.
    """
    socket = await _dial(dialling, key)
    try:
        yield Connection(socket)
    finally:
        await socket.close()


async def _dial(dialling: Dialling, key: SecretStr | None) -> Socket:
    settings, url = dialling.settings, shown(dialling.url)
    try:
        socket = await Dialler(
            dialling.session_url,
            allowed=dialling.allowed,
            create_connection=Socket,
            additional_headers=_authorization(key),
            compression="deflate" if settings.compression else None,
            open_timeout=settings.connect_timeout,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            close_timeout=1.0,
            max_size=settings.max_message_bytes,
            **dialling.network.websocket_options(dialling.url),
        )
        return cast("Socket", socket)
    except InvalidStatus as error:
        status = error.response.status_code
        raise HandshakeRefused(url, status, dialling.key_setting) from error
    except (InvalidProxy, ImportError):
        told = f"no connection to {url}: {PROXY_UNUSABLE}"
        raise UpstreamUnreachable(told, Trouble.PROXY, PROXY_UNUSABLE) from None
    except ProxyError as error:
        reason = f"{error}; check {PROXY_SETTING} and that the proxy may connect there"
        told = f"no connection to {url}: {reason}"
        raise UpstreamUnreachable(told, Trouble.PROXY, str(error)) from error
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI, ValueError) as error:
        told = f"no connection to {url}: {error}"
        raise UpstreamUnreachable(told, *_trouble_of(error)) from error


def _trouble_of(error: Exception) -> tuple[Trouble, str]:
    """And its detail, which may not hold the URL."""
    match error:
        case ssl.SSLError():
            return Trouble.TLS, tls_reason(error)
        case TimeoutError():
            return Trouble.DEADLINE, ""
        case InvalidHandshake() | InvalidURI():
            return Trouble.PROTOCOL, type(error).__name__
        case _:
            return Trouble.NETWORK, type(error).__name__


def tls_reason(error: ssl.SSLError) -> str:
    """What is wrong with the certificate, or with the handshake."""
    for name in ("verify_message", "reason"):
        if told := getattr(error, name, None):
            return str(told)
    return str(error)


def _authorization(key: SecretStr | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
