"""The console as a command: listens to the broker and serves its page until it is told to leave."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from pydantic import SecretStr

from speechmq.errors import RequestError
from speechmq.tasks import task_group
from speechmq_schemas import Names

from .board import Board, Limits
from .hub import Hub
from .login import Access
from .serving import listening, serving
from .watching import watch
from .web import EVERYBODY, application

ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104
LOOPBACK_NAMES = ["localhost", "127.0.0.1", "::1", "[::1]"]


@dataclass(frozen=True, slots=True)
class ConsoleRequest:
    """``listen`` is HOST:PORT; ``size`` the bytes that events may take. ``hosts`` are names of the
    console besides those of loopback."""

    url: str
    names: Names
    listen: str
    streams: int
    size: int
    hosts: tuple[str, ...] = ()
    access: Access = EVERYBODY


async def run_console(
    request: ConsoleRequest, *, ready: Callable[[str], None], tell: Callable[[str], None]
) -> NoReturn:
    """Runs until cancelled. ``ready`` hears the page's URL once it is served, ``tell`` of trouble.

    Raises ``RequestError`` when an address cannot be used, or would show transcripts to everybody.
    """
    host, port = split_address(request.listen)
    if request.access.is_open and not is_loopback(host):
        raise RequestError(f"the console cannot listen on {host}: {OPEN_REFUSED}")
    limits = Limits(streams=request.streams, bytes=request.size)
    hub = Hub(Board(limits), time.time, lambda: secrets.token_hex(6))
    async with (
        listening(host, port) as bound,
        serving(application(hub, allowed_hosts(host, request.hosts), request.access), bound),
        task_group() as tasks,
    ):
        tasks.create_task(watch(request.url, request.names, hub, tell))
        tasks.create_task(hub.tick())
        ready(page_url(host, bound.getsockname()[1]))
        try:
            await asyncio.Event().wait()
        finally:
            hub.close()
    raise AssertionError("the console ends only when it is cancelled, or with an error")


OPEN_REFUSED = (
    "everybody who can reach it would read all transcripts; set SPEECHMQ_CONSOLE_TOKEN, or name "
    "the header in which a reverse proxy says who is there (--user-header)"
)


TOKEN_VARIABLE = "SPEECHMQ_CONSOLE_TOKEN"  # noqa: S105
SHORTEST_TOKEN = 16


def access_from(environment: Mapping[str, str], user_header: str | None) -> Access:
    """The token is no option: every user of a machine sees those. Raises ``RequestError``."""
    token = environment.get(TOKEN_VARIABLE, "")
    if token and user_header:
        raise RequestError(f"{TOKEN_VARIABLE} and --user-header are both given; one is enough")
    if token and len(token) < SHORTEST_TOKEN:
        raise RequestError(f"{TOKEN_VARIABLE} is shorter than {SHORTEST_TOKEN} characters")
    return Access(SecretStr(token) if token else None, user_header or None)


def split_address(listen: str) -> tuple[str, int]:
    """Host and port; raises ``RequestError``."""
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and colon) or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise RequestError(f"--listen looks like 127.0.0.1:8642 or [::1]:8642, unlike {listen!r}")
    return host, int(port)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def allowed_hosts(host: str, named: Sequence[str] = ()) -> list[str]:
    """Names of loopback, the address that is listened on, and what else is ``named``. A request
    by another name may come from a page elsewhere, whose name points here."""
    return list(dict.fromkeys([*LOOPBACK_NAMES, *(() if host in ANY_ADDRESS else (host,)), *named]))


def page_url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"
