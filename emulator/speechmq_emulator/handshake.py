"""The opening handshake: which request becomes a WebSocket, and what the others are answered.

``websockets`` judges the headers of the upgrade (400, 426, 505); here are the path, the
method and the key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPMethod, HTTPStatus
from typing import Any
from urllib.parse import SplitResult, urlsplit

from websockets.asyncio.server import Server, ServerConnection
from websockets.exceptions import InvalidMessage
from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING
from websockets.server import ServerProtocol

from speechmq_emulator.keys import KeyRing
from speechmq_emulator.tokens import KeyRefused

ENDPOINT = "/v2"

_LONGEST_METHOD = max(len(method) for method in HTTPMethod)


class HandshakeRefused(Exception):
    """No WebSocket for this request, but an HTTP answer with ``reason`` as its text."""

    def __init__(
        self, status: HTTPStatus, reason: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason
        self.headers = headers or {}


def check(request: Request, keys: KeyRing) -> None:
    """Return if path, method and key are right.

    Raises:
        HandshakeRefused: with 404, 405, 401, in this order, or 400 for an impossible path.
    """
    target = _target(request.path)
    if _language(target.path) is None:
        reason = f"No such endpoint; use {ENDPOINT} or {ENDPOINT}/<language>"
        raise HandshakeRefused(HTTPStatus.NOT_FOUND, reason)
    if request.method != HTTPMethod.GET:
        raise _not_a_get(request.method)
    try:
        keys.check(target.query, request.headers)
    except KeyRefused as refused:
        challenge = {"WWW-Authenticate": "Bearer"}
        raise HandshakeRefused(HTTPStatus.UNAUTHORIZED, str(refused), challenge) from refused


def language_of(path: str) -> str | None:
    """The language that an admitted request's path names, None where it names none."""
    return _language(_target(path).path) or None


@dataclass(frozen=True, slots=True)
class Handshake:
    """The hook that ``websockets`` calls for each request."""

    keys: KeyRing

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """None lets the request pass; a response refuses it."""
        try:
            check(request, self.keys)
        except HandshakeRefused as refused:
            return _response(connection.protocol, refused)
        return None


class AnsweringConnection(ServerConnection):
    """Pass it as ``create_connection``: requests that can not be read are answered too."""

    def __init__(self, protocol: ServerProtocol, server: Server, **options: Any) -> None:
        super().__init__(AnsweringProtocol(like=protocol), server, **options)


class AnsweringProtocol(ServerProtocol):
    """Where ``websockets`` hangs up on a request without a word, say 405 or 400 first.

    It can not read a request with a body, which is what most POSTs are. The connection is
    then closed as the library does: half, and wholly once the client has closed its half,
    so that the answer is not lost to unread data.
    """

    def __init__(self, *, like: ServerProtocol) -> None:
        size = (like.max_message_size, like.max_fragment_size)
        super().__init__(max_size=size, logger=like.logger)
        self._beginning = b""

    def receive_data(self, data: bytes | bytearray) -> None:
        if self.state is CONNECTING and len(self._beginning) <= _LONGEST_METHOD:
            self._beginning += bytes(data[: _LONGEST_METHOD + 1])
        super().receive_data(data)

    def send_eof(self) -> None:
        if isinstance(self.handshake_exc, InvalidMessage):
            self._answer(self.handshake_exc.__cause__)
        super().send_eof()

    def _answer(self, cause: BaseException | None) -> None:
        method = self._beginning.partition(b" ")[0].decode("latin-1")
        if method in set(HTTPMethod) - {HTTPMethod.GET}:
            refused = _not_a_get(method)
        elif isinstance(cause, EOFError):
            return  # The client hung up first.
        else:
            reason = f"This is no WebSocket handshake: {cause}"
            refused = HandshakeRefused(HTTPStatus.BAD_REQUEST, reason)
        self.writes.append(_response(self, refused).serialize())


def _response(protocol: ServerProtocol, refused: HandshakeRefused) -> Response:
    response = protocol.reject(refused.status, f"{refused.reason}\n")
    response.headers.update(refused.headers)
    return response


def _not_a_get(method: str) -> HandshakeRefused:
    reason = f"A WebSocket is opened by GET, not by {method}"
    return HandshakeRefused(HTTPStatus.METHOD_NOT_ALLOWED, reason, {"Allow": "GET"})


def _target(path: str) -> SplitResult:
    try:
        return urlsplit(path)
    except ValueError as error:
        reason = f"The path of the request can not be read: {error}"
        raise HandshakeRefused(HTTPStatus.BAD_REQUEST, reason) from error


def _language(path: str) -> str | None:
    """The language of ``/v2/<language>``, empty where there is none; None for a wrong path."""
    if path in (ENDPOINT, f"{ENDPOINT}/"):
        return ""
    language = path.removeprefix(f"{ENDPOINT}/")
    return None if language == path or "/" in language else language
