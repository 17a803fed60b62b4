"""RabbitMQ: whether it lets us in, and is one that we can work with."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit

import aiormq
from aiormq.abc import AbstractConnection
from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from speechmq.broker.amqp.plane import disconnect
from speechmq.commandline.connection import address
from speechmq.errors import RequestError
from speechmq.settings import BrokerSettings

from .finding import Finding, Verdict, failed, ok, unknown
from .network import network_findings
from .permissions import permission_findings
from .timeouts import broker_http_findings

SETTING = "SPEECHMQ_BROKER__URL"
OLDEST = (3, 10)


async def broker_findings(
    settings: BrokerSettings, management_url: str | None
) -> AsyncIterator[Finding]:
    """What follows from a failure is not examined."""
    way_in = WayIn()
    for url in settings.urls:
        for finding in await way_in.try_address(url, settings.connect_timeout / len(settings.urls)):
            yield finding
    for finding in way_in.shut:
        yield finding
    connection = way_in.connection
    if connection is None:
        return
    try:
        version = _version(connection)
        yield version_finding(version)
        async for finding in permission_findings(connection, settings):
            yield finding
    finally:
        await disconnect(connection)
    async for finding in broker_http_findings(settings, numbers(version), management_url):
        yield finding


class WayIn:
    """Tries every address. ``connection`` is of the first that lets us in."""

    def __init__(self) -> None:
        self.connection: AbstractConnection | None = None
        self._failures: list[Finding] = []

    @property
    def shut(self) -> list[Finding]:
        """What fails at an address is a warning where another lets us in."""
        if self.connection is None:
            return self._failures
        return [replace(one, verdict=Verdict.WARNING) for one in self._failures]

    async def try_address(self, url: str, seconds: float) -> list[Finding]:
        """What is well. A failure is kept, to be judged when all addresses were tried."""
        found = [finding async for finding in self._examine(url, seconds)]
        self._failures += [one for one in found if one.verdict is Verdict.FAILED]
        return [one for one in found if one.verdict is not Verdict.FAILED]

    async def _examine(self, url: str, seconds: float) -> AsyncIterator[Finding]:
        """What follows from a failure is not examined."""
        try:
            where = address(url)
        except RequestError as error:
            yield failed("broker URL", str(error), f"mend {SETTING}")
            return
        parts = urlsplit(url)
        port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
        host = str(parts.hostname)
        async for finding in network_findings("broker", host, port, SETTING, seconds):
            yield finding
            if finding.verdict is Verdict.FAILED:
                return
        connection = await _connect(url, seconds)
        if isinstance(connection, Finding):
            yield connection
            return
        if self.connection is None:
            self.connection = connection
        else:
            await disconnect(connection)
        yield ok("broker login", f"{where} lets us in")


async def _connect(url: str, seconds: float) -> AbstractConnection | Finding:
    # What goes wrong is a finding; the library would log it a second time.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    try:
        async with asyncio.timeout(seconds):
            return await aiormq.connect(url)
    except TimeoutError:
        cure = "see in its log what it waits for; is this port its AMQP port?"
        return failed("broker login", f"no AMQP handshake within {seconds:g} s", cure)
    except (AMQPError, OSError, ValueError) as error:
        return login_finding(address(url), error)


def login_finding(where: str, error: Exception) -> Finding:
    """Tells apart why RabbitMQ did not let us in."""
    told = " ".join(map(str, error.args)) or type(error).__name__
    if (tls := re.search(r"\[SSL.*|.*\(_ssl\.c.*", told)) is not None:
        # The client has one error for all that keeps a connection from being made.
        return failed(
            "broker TLS",
            f"no TLS connection: {tls[0]}",
            "name the CA's certificate in the URL, ?cafile=…, and use amqps:// with the TLS port",
        )
    if isinstance(error, ProbableAuthenticationError | AuthenticationError):
        return failed("broker login", f"user or password refused: {told}", f"mend {SETTING}")
    if isinstance(error, InvalidFrameError) and "Connection.OpenOk" in told:
        # The client drops what RabbitMQ says when it closes instead of opening the vhost.
        return failed(
            "broker vhost",
            f"{where} is refused: there is no such vhost, or the user has no permissions in it",
            f"check the path in {SETTING}, or: rabbitmqctl add_vhost, rabbitmqctl set_permissions",
        )
    cure = f"check that {SETTING} names an AMQP 0-9-1 port, and amqps:// for TLS"
    return failed("broker login", f"no AMQP connection: {told}", cure)


def _version(connection: AbstractConnection) -> str:
    # RabbitMQ tells it as bytes to some clients, as text to others.
    found = getattr(connection, "server_properties", {}).get("version", "")
    return found.decode(errors="replace") if isinstance(found, bytes) else str(found)


def numbers(version: str) -> tuple[int, ...]:
    """``3.10.8-rc.1`` as (3, 10, 8); nothing where it is no version."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def version_finding(version: str) -> Finding:
    oldest = ".".join(map(str, OLDEST))
    if not numbers(version):
        return unknown("broker version", "it does not tell", f"use RabbitMQ {oldest} or newer")
    if numbers(version) < OLDEST:
        return failed("broker version", f"RabbitMQ {version}", f"upgrade to {oldest} or newer")
    return ok("broker version", f"RabbitMQ {version}")
