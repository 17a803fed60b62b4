"""The WebSocket server: who may connect to what, and one ``Connection`` for each who may.

``serve`` is the way to run an emulator inside a program or a test.
"""

import asyncio
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Literal, get_args

from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Event

from speechmq_emulator.census import Census, SessionRecord
from speechmq_emulator.connection import Connection, Premises
from speechmq_emulator.engine import Engine
from speechmq_emulator.faults import FaultBook
from speechmq_emulator.faults.admin import routes
from speechmq_emulator.handshake import ENDPOINT, AnsweringConnection, Handshake, language_of
from speechmq_emulator.http.app import application
from speechmq_emulator.http.health import ActiveSession
from speechmq_emulator.http.serving import in_url, serve_http
from speechmq_emulator.keys import DEFAULT_KEYS, KeyRing
from speechmq_emulator.ledger.engine import LedgerEngine
from speechmq_emulator.protocol.limits import DEFAULTS, Limits
from speechmq_emulator.protocol.session import Session
from speechmq_emulator.protocol.start import Offer
from speechmq_emulator.recording import recording
from speechmq_emulator.replay.engine import ReplayEngine
from speechmq_emulator.sphinx.engine import SphinxEngine
from speechmq_emulator.tokens import TemporaryKeys
from speechmq_emulator.whisper.device import Device, ModelError
from speechmq_emulator.whisper.download import is_fetched, model_directory

__all__ = ["Emulator", "EngineName", "Limits", "serve"]

EngineName = Literal["sphinx", "whisper", "ledger", "replay"]
_OPEN_TIMEOUT = 60.0
_CONTACTS = frozenset({Opcode.PING, Opcode.PONG})


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running server. ``url`` is its endpoint, ``http_url`` the second port's root (None
    without one); the rest is there to be inspected."""

    host: str
    port: int
    census: Census = field(default_factory=Census)
    secure: bool = False
    http_url: str | None = None
    faults: FaultBook = field(default_factory=FaultBook)
    summary: str = ""
    """What the engine says of itself, for the person who started the server."""

    @property
    def url(self) -> str:
        return f"{'wss' if self.secure else 'ws'}://{in_url(self.host)}:{self.port}{ENDPOINT}"

    @property
    def open_connections(self) -> int:
        return self.census.open_connections

    @property
    def sessions(self) -> Sequence[SessionRecord]:
        """Sessions in the order of their starts, open ones and ended ones."""
        return tuple(self.census.sessions)


@asynccontextmanager
async def serve(  # noqa: PLR0913  # by name, and none is needed
    engine: EngineName | Engine = "ledger",
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    api_keys: Sequence[str] = DEFAULT_KEYS,
    workers: int | None = None,
    limits: Limits = DEFAULTS,
    model: Path | None = None,
    device: Device | None = None,
    replay: Path | None = None,
    record: Path | None = None,
    http_port: int | None = None,
    tls: ssl.SSLContext | None = None,
    secret: str | None = None,
    faults: FaultBook | None = None,
    admin: bool = False,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Emulator]:
    """Run a server until the context is left, which closes every connection with 1001.

    Port 0 takes a free one. ``workers`` bounds the channels of the sphinx and the whisper
    engine; None lets the CPUs decide. ``model`` is the directory of the whisper engine's
    model, by default the one that ``fetch-model base`` makes. ``replay`` is the recorded session
    that the replay engine plays; into the directory ``record`` every session is written as one.
    With ``http_port`` there is a second port for probes and temporary keys. ``tls`` is shown
    on both. Servers with one ``secret`` take each other's temporary keys; ``clock`` (seconds
    since the epoch) ends them.
    ``faults`` are what goes wrong; ``admin`` lets this machine change them over HTTP.

    Raises:
        OSError: the address can not be bound, or the recording can not be read.
        ModelError: the whisper engine lacks its packages or its model.
        RecordingError: ``replay`` is no recorded session.
        ValueError: no API key is given, the replay engine has nothing to play, or ``admin``
            is wanted without a second port.
    """
    _make(record)
    keys = KeyRing(api_keys, TemporaryKeys(secret, clock=clock))
    vitals = _Vitals(Census(), quota=limits.quota)
    book = FaultBook() if faults is None else faults
    if admin and http_port is None:
        raise ValueError("the admin API is on the second port: give http_port")
    async with AsyncExitStack() as stack:
        http_url = None
        if http_port is not None:
            app = application(vitals, keys, admin=routes(book) if admin else ())
            http_url = (await stack.enter_async_context(serve_http(app, host, http_port, tls))).url
        chosen = _whisper(model, workers, device) if engine == "whisper" else engine
        vitals.engine = await stack.enter_async_context(_engine(chosen, workers, replay))
        premises = Premises(vitals.engine, vitals.census, limits.quota)
        gate = _Gate(keys, premises, limits, record, book)
        vitals.socket = await stack.enter_async_context(await gate.listen(host, port, tls))
        stack.callback(book.end)
        bound = next(iter(vitals.socket.sockets)).getsockname()
        yield Emulator(
            bound[0],
            bound[1],
            vitals.census,
            tls is not None,
            http_url,
            book,
            _summary(vitals.engine),
        )


def _make(directory: Path | None) -> None:
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)


@dataclass(slots=True)
class _Vitals:
    """The state of the server as the health probes see it, from its first moment on."""

    census: Census
    quota: int | None = None
    engine: Engine | None = None
    socket: Server | None = None

    def started(self) -> bool:
        return self.socket is not None

    def alive(self) -> bool:
        return self.socket is not None and self.socket.is_serving()

    def has_room(self) -> bool:
        return self.census.open_sessions < self.max_sessions()

    def max_sessions(self) -> int:
        if self.engine is None:
            return 0
        return self.engine.quota if self.quota is None else self.quota

    def active_sessions(self) -> list[ActiveSession]:
        opened = (record for record in self.census.sessions if record.close_code is None)
        return [ActiveSession(record.id, record.request_id) for record in opened]


def _whisper(model: Path | None, workers: int | None, device: Device | None) -> Engine:
    if model is None and not is_fetched(model_directory("base")):
        raise ModelError(
            "the whisper engine has no model: run 'speechmq-emulator fetch-model base', or give "
            "--model DIR"
        )
    try:
        from speechmq_emulator.whisper.engine import WhisperEngine  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ModelError(
            f"the whisper engine lacks a package ({error.name}): "
            "pip install 'speechmq-emulator[whisper]'"
        ) from error
    return WhisperEngine(model or model_directory("base"), workers=workers, device=device)


def _summary(engine: Engine) -> str:
    return str(getattr(engine, "summary", ""))


@asynccontextmanager
async def _engine(
    engine: EngineName | Engine, workers: int | None, replay: Path | None
) -> AsyncIterator[Engine]:
    if engine == "sphinx":
        async with SphinxEngine(workers) as sphinx:
            yield sphinx
    elif engine == "ledger":
        yield LedgerEngine()
    elif engine == "replay":
        if replay is None:
            raise ValueError("the replay engine needs a recorded session to play")
        yield ReplayEngine(replay)
    elif isinstance(engine, str):
        raise ValueError(f"engine {engine!r} is none of {', '.join(get_args(EngineName))}")
    elif isinstance(engine, AbstractAsyncContextManager):
        async with engine as entered:
            yield entered
    else:
        yield engine


@dataclass(frozen=True, slots=True)
class _Gate:
    """Admits requests and serves the admitted ones."""

    keys: KeyRing
    premises: Premises
    limits: Limits
    record: Path | None
    faults: FaultBook

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None) -> Server:
        return await serve_websocket(
            self.serve_connection,
            host,
            port,
            ssl=tls,
            process_request=self.admit,
            create_connection=_PingedConnection,
            # Audio does not shrink; deflating it would only cost time.
            compression=None,
            max_size=self.limits.message_size,
            max_queue=self.limits.unread_messages,
            # As long as a fault may leave a client hanging in its handshake.
            open_timeout=_OPEN_TIMEOUT,
            close_timeout=self.limits.close_timeout,
            # A client whose audio waits for room can not be heard to answer. One that is
            # gone is noticed by the limit on time without contact.
            ping_interval=None,
        )

    async def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """None lets the request pass; a response refuses it, or is a fault."""
        refusal = Handshake(self.keys).admit(connection, request)
        if refusal is not None:
            return refusal
        return await self.faults.admit(connection, language=language_of(request.path))

    async def serve_connection(self, socket: ServerConnection) -> None:
        path = socket.request.path if socket.request is not None else ENDPOINT
        offer = Offer(self.premises.engine.speaks, _version(), language_of(path))
        now = asyncio.get_running_loop().time()
        session = Session(str(uuid.uuid4()), offer, self.limits, now=now)
        with recording(self.record, session.id, now) as recorder:
            async with self.faults.attend(socket, session.id) as faulty:
                connection = Connection(faulty, session, self.premises, recorder)
                if isinstance(socket, _PingedConnection):
                    socket.on_contact = connection.pinged
                await connection.run()


class _PingedConnection(AnsweringConnection):
    """Tells of pings and pongs, which ``websockets`` takes without a word to its user."""

    on_contact: Callable[[], None] | None = None

    def process_event(self, event: Event) -> None:
        super().process_event(event)
        if isinstance(event, Frame) and event.opcode in _CONTACTS and self.on_contact:
            self.on_contact()


def _version() -> str:
    return f"speechmq-emulator {version('speechmq-emulator')}"
