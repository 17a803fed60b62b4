"""Keeps the admin API to programs on this machine.

The address of the client is not enough: a web page in a browser here could reach the port
too, by a request that it forges or by a name that it points to this machine.
"""

import re
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from speechmq_emulator.http.errors import error_response

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^:\[\]/@?#\s]+)(:[0-9]*)?")


class LoopbackOnly:
    """ASGI middleware: ``under`` this path, 403 for who is not on this machine, or calls it
    by a name that is not its own."""

    def __init__(self, app: ASGIApp, under: str) -> None:
        self._app = app
        self._under = under

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["path"] == self._under or scope["path"].startswith(f"{self._under}/"):
            app = _refused(Request(scope)) or app
        await app(scope, receive, send)


def _refused(request: Request) -> ASGIApp | None:
    reason = refusal(
        client=request.client.host if request.client is not None else "",
        hosts=request.headers.getlist("Host"),
        origins=request.headers.getlist("Origin"),
    )
    return None if reason is None else error_response(HTTPStatus.FORBIDDEN, reason)


def refusal(*, client: str, hosts: list[str], origins: list[str]) -> str | None:
    """Why a request with this peer address and these headers is refused; None if it is not."""
    if not _is_loopback(client):
        return "The admin API answers to this machine only"
    # A page whose own name was pointed to 127.0.0.1 sends that name here.
    if len(hosts) != 1 or not _names_loopback(hosts[0]):
        return "The admin API is called localhost or by a loopback address, not by another Host"
    # Browsers send Origin, other programs do not.
    if any(_host_of(origin) != hosts[0] for origin in origins):
        return "The admin API is not for pages of another Origin"
    return None


def _host_of(origin: str) -> str | None:
    """``host:port`` of an ``Origin``; None for ``null`` and what can not be read."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _names_loopback(host: str) -> bool:
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match["name"].strip("[]").lower()
    return name == "localhost" or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return (mapped or ip).is_loopback
