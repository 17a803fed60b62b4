"""Who may see the console: a token, or the header of a reverse proxy that has asked for a login."""

from __future__ import annotations

import hmac
from base64 import b64decode
from dataclasses import dataclass
from http import HTTPStatus

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HEALTH = "/health"
"""Answers everybody, for probes, and says nothing of any stream."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a request must show. With neither, every request is answered.

    ``user_header`` is one that a reverse proxy sets, and takes out of what browsers send.
    """

    token: SecretStr | None = None
    user_header: str | None = None

    @property
    def is_open(self) -> bool:
        return self.token is None and self.user_header is None

    def admits(self, headers: Headers) -> bool:
        if self.token is not None:
            shown, expected = _token_in(headers), self.token.get_secret_value()
            return hmac.compare_digest(shown.encode(), expected.encode())
        return self.user_header is None or bool(headers.get(self.user_header))


def _token_in(headers: Headers) -> str:
    """A browser's password, whatever the name with it; or a bearer's token."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip()
        case "basic":
            try:
                return b64decode(value, validate=True).decode().partition(":")[2]
            except ValueError:
                return ""
        case _:
            return ""


class Login:
    """Answers 401 to a request without what ``access`` asks for."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == HEALTH or self._access.admits(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        asks = {"WWW-Authenticate": 'Basic realm="speechmq", charset="UTF-8"'}
        headers = {} if self._access.token is None else asks
        answer = PlainTextResponse("a login is needed\n", HTTPStatus.UNAUTHORIZED, headers)
        await answer(scope, receive, send)
