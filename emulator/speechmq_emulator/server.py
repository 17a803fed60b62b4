"""The WebSocket server: who may connect to what, and one ``Connection`` for each who may.

``serve`` is the way to run an emulator inside a program or a test.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import version
from typing import Literal
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.http11 import Request, Response

from speechmq_emulator.census import Census, SessionRecord
from speechmq_emulator.connection import Connection
from speechmq_emulator.engine import Engine
from speechmq_emulator.keys import DEFAULT_KEYS, KeyRing
from speechmq_emulator.ledger.engine import LedgerEngine
from speechmq_emulator.protocol.session import Session
from speechmq_emulator.protocol.start import Offer
from speechmq_emulator.sphinx.engine import SphinxEngine

EngineName = Literal["sphinx", "ledger"]
ENDPOINT = "/v2"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one client may take. Sizes in bytes, times in seconds.

    A longer message closes its connection with 1009. ``unread_messages`` wait between
    the socket and the engine before TCP makes the client wait.
    """

    message_size: int = 4 * 2**20
    unread_messages: int = 16
    start_timeout: float = 60.0
    close_timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running server. ``url`` is its endpoint; the rest is there to be inspected."""

    host: str
    port: int
    census: Census = field(default_factory=Census)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ws://{host}:{self.port}{ENDPOINT}"

    @property
    def open_connections(self) -> int:
        return self.census.open_connections

    @property
    def sessions(self) -> Sequence[SessionRecord]:
        """Sessions in the order of their starts, open ones and ended ones."""
        return tuple(self.census.sessions)


@asynccontextmanager
async def serve(
    engine: EngineName | Engine = "ledger",
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    api_keys: Sequence[str] = DEFAULT_KEYS,
    workers: int | None = None,
    limits: Limits = Limits(),
) -> AsyncIterator[Emulator]:
    """Run a server until the context is left, which closes every connection with 1001.

    Port 0 takes a free one. ``workers`` bounds the processes of the sphinx engine, one a
    session; None lets the number of CPUs decide.

    Raises:
        OSError: the address can not be bound.
        ValueError: no API key is given.
    """
    keys = KeyRing(api_keys)
    async with _engine(engine, workers) as running:
        gate = _Gate(keys, running, Census(), limits)
        async with await gate.listen(host, port) as server:
            bound = next(iter(server.sockets)).getsockname()
            yield Emulator(bound[0], bound[1], gate.census)


@asynccontextmanager
async def _engine(engine: EngineName | Engine, workers: int | None) -> AsyncIterator[Engine]:
    if engine == "sphinx":
        async with SphinxEngine(workers) as sphinx:
            yield sphinx
    elif engine == "ledger":
        yield LedgerEngine()
    elif isinstance(engine, str):
        raise ValueError(f"engine {engine!r} is neither 'sphinx' nor 'ledger'")
    else:
        yield engine


@dataclass(frozen=True, slots=True)
class _Gate:
    """Admits requests and serves the admitted ones."""

    keys: KeyRing
    engine: Engine
    census: Census
    limits: Limits

    async def listen(self, host: str, port: int) -> Server:
        return await serve_websocket(
            self.serve_connection,
            host,
            port,
            process_request=self.admit,
            # Audio does not shrink; deflating it would only cost time.
            compression=None,
            max_size=self.limits.message_size,
            max_queue=self.limits.unread_messages,
            close_timeout=self.limits.close_timeout,
        )

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer 404 for a wrong path and 401 for a wrong key; None lets the request pass."""
        if _path_language(request.path) is _WRONG_PATH:
            text = f"No such endpoint; use {ENDPOINT} or {ENDPOINT}/<language>\n"
            return connection.respond(HTTPStatus.NOT_FOUND, text)
        if not self.keys.admits(request.path, request.headers):
            text = "No known API key; send it as Authorization: Bearer KEY or as ?jwt=KEY\n"
            return connection.respond(HTTPStatus.UNAUTHORIZED, text)
        return None

    async def serve_connection(self, socket: ServerConnection) -> None:
        path = socket.request.path if socket.request is not None else ENDPOINT
        offer = Offer(self.engine.speaks, _version(), _path_language(path) or None)
        deadline = asyncio.get_running_loop().time() + self.limits.start_timeout
        session = Session(str(uuid.uuid4()), offer, deadline=deadline)
        await Connection(socket, session, self.engine, self.census).run()


_WRONG_PATH = None


def _path_language(request_path: str) -> str | None:
    """The language of ``/v2/<language>``, empty where there is none; None for a wrong path."""
    path = urlsplit(request_path).path
    if path in (ENDPOINT, f"{ENDPOINT}/"):
        return ""
    language = path.removeprefix(f"{ENDPOINT}/")
    return _WRONG_PATH if language == path or "/" in language else language


def _version() -> str:
    return f"speechmq-emulator {version('speechmq-emulator')}"
