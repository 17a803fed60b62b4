"""HTTP for probes and scrapers, on the worker's own event loop: what it answers, moves.

The server is that of websockets, which the worker has anyway: it answers a GET, closes the
connection, starts no thread and takes no signal. Each answer is a snapshot and costs a millisecond.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn, cast

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from ..errors import SettingsError
from ..settings import HealthSettings
from ..telemetry.logs import get_logger

log = get_logger(__name__)

# Seconds for a client to send its request.
PATIENCE = 5.0
# Probes and scrapers are few; whatever else connects costs streams their time.
CONNECTIONS = 64
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = JSON


Page = Callable[[], Awaitable[Answer]]


def as_json(value: object, *, is_well: bool = True) -> Answer:
    """503 where something is not well, so that a probe need not read."""
    status = HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE
    return Answer(msgspec.json.encode(value), status)


@asynccontextmanager
async def serving(settings: HealthSettings, pages: Mapping[str, Page]) -> AsyncIterator[None]:
    """Answers for the length of the block; without an address, nobody.

    Raises ``SettingsError`` when the address cannot be listened on.
    """
    if settings.address is None:
        yield
        return
    host, port = settings.host_and_port()
    try:
        server = await serve(
            _no_websocket,
            host,
            port,
            process_request=_answering(pages),
            create_connection=BoundedConnection,
            open_timeout=PATIENCE,
            compression=None,
            server_header=None,
            logger=_quiet(),
        )
    except OSError as error:
        raise SettingsError(
            f"SPEECHMQ_HEALTH__ADDRESS: cannot listen on {settings.address}: {error}"
        ) from error
    async with server:
        port = next(iter(server.sockets)).getsockname()[1]
        log.info("health_listening", host=host, port=port)
        yield


class BoundedConnection(ServerConnection):
    """One that is too many is dropped before it costs a task."""

    _is_dropped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._is_dropped = len(self.server.handler_tasks) >= CONNECTIONS
        if self._is_dropped:
            cast("asyncio.Transport", transport).abort()
        else:
            super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_dropped:
            super().connection_lost(exc)


def _answering(
    pages: Mapping[str, Page],
) -> Callable[[ServerConnection, Request], Awaitable[Response]]:
    async def answer(connection: ServerConnection, request: Request) -> Response:
        path = request.path.partition("?")[0]
        page = pages.get(path)
        if page is None:
            told = {"error": f"no such page; there are {', '.join(sorted(pages))}"}
            return _respond(connection, Answer(msgspec.json.encode(told), HTTPStatus.NOT_FOUND))
        return _respond(connection, await page())

    return answer


def _respond(connection: ServerConnection, answer: Answer) -> Response:
    response = connection.respond(answer.status, "")
    response.body = answer.body
    del response.headers["Content-Length"], response.headers["Content-Type"]
    response.headers["Content-Length"] = str(len(answer.body))
    response.headers["Content-Type"] = answer.content_type
    return response


async def _no_websocket(_connection: ServerConnection) -> NoReturn:
    raise AssertionError("every request is answered before it could become a WebSocket")


def _quiet() -> logging.Logger:
    """The server calls every answer a handshake that failed."""
    logger = logging.getLogger("speechmq.health.http")
    logger.setLevel(logging.CRITICAL)
    return logger
