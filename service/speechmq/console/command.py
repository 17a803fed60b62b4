"""The console as a command: listens to the broker and serves its page until it is told to leave."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from speechmq.errors import RequestError
from speechmq.tasks import task_group
from speechmq_schemas import Names

from .board import Board, Limits
from .hub import Hub
from .serving import listening, serving
from .watching import watch
from .web import application

LOOPBACK_NAMES = ["localhost", "127.0.0.1", "::1", "[::1]"]


@dataclass(frozen=True, slots=True)
class ConsoleRequest:
    """``listen`` is HOST:PORT; ``size`` the bytes that events may take."""

    url: str
    names: Names
    listen: str
    streams: int
    size: int


async def run_console(
    request: ConsoleRequest, *, ready: Callable[[str], None], tell: Callable[[str], None]
) -> NoReturn:
    """Runs until cancelled. ``ready`` hears the page's URL once it is served, ``tell`` of trouble.

    Raises ``RequestError`` when an address cannot be used.
    """
    host, port = split_address(request.listen)
    limits = Limits(streams=request.streams, bytes=request.size)
    hub = Hub(Board(limits), time.time, lambda: secrets.token_hex(6))
    async with (
        listening(host, port) as bound,
        serving(application(hub, allowed_hosts(host)), bound),
        task_group() as tasks,
    ):
        tasks.create_task(watch(request.url, request.names, hub, tell))
        tasks.create_task(hub.tick())
        if not is_loopback(host):
            tell(OPEN_WARNING)
        ready(page_url(host, bound.getsockname()[1]))
        try:
            await asyncio.Event().wait()
        finally:
            hub.close()
    raise AssertionError("the console ends only when it is cancelled, or with an error")


OPEN_WARNING = (
    "everybody who can reach this address reads all transcripts: put something before it that asks "
    "who they are"
)


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


def allowed_hosts(host: str) -> list[str]:
    """On loopback these names alone; elsewhere whatever its address is called there."""
    return [*LOOPBACK_NAMES, host] if is_loopback(host) else ["*"]


def page_url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"
