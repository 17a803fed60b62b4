"""One client's socket: moves messages between it, the protocol core and an engine.

Decides nothing. Flow control: the next message is read only when the engine has room for
the last one's audio and the client reads what is written to it.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from websockets.exceptions import ConnectionClosed

from speechmq_emulator.census import Census, SessionRecord
from speechmq_emulator.engine import Engine, EngineStream, quota_exceeded
from speechmq_emulator.outbox import Outbox, Socket
from speechmq_emulator.protocol.config import RawAudio, StartRecognition
from speechmq_emulator.protocol.errors import ErrorType, Refusal
from speechmq_emulator.protocol.outputs import (
    Channel,
    Close,
    ConfigureEngine,
    EndUtterance,
    FeedEngine,
    FinishEngine,
    OpenEngine,
    Output,
    Send,
    TellSpeakers,
    ToStream,
)
from speechmq_emulator.protocol.session import Session
from speechmq_emulator.protocol.states import State
from speechmq_emulator.recording import Recorder
from speechmq_emulator.speech.events import EngineEvent

_OUTBOX_BOUND = 256
_ABNORMAL_CLOSURE = 1006

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Premises:
    """What all sessions of a server share. ``quota`` counts sessions, the engine streams."""

    engine: Engine
    census: Census
    quota: int | None = None


class Connection:
    """Serves one session; owns its engine streams, one a channel, for as long as it lasts."""

    def __init__(
        self,
        socket: Socket,
        session: Session,
        premises: Premises,
        recorder: Recorder | None = None,
    ) -> None:
        self._socket = socket
        self._session = session
        self._engine = premises.engine
        self._census = premises.census
        self._quota = premises.quota
        self._recorder = recorder
        self._outbox = Outbox(socket, bound=_OUTBOX_BOUND)
        self._streams: dict[Channel, EngineStream] = {}
        self._record: SessionRecord | None = None
        self._has_place = False
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Return when the session is over, whoever ended it; cancelled, drop it at once."""
        self._census.open_connections += 1
        try:
            async with AsyncExitStack() as resources, asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._outbox.write())
                self._welcome()
                await self._read(resources)
                writer.cancel()
        finally:
            self._disarm()
            self._leave()
            self._census.open_connections -= 1
            if self._record is not None:
                self._record.close_code = self._socket.close_code or _ABNORMAL_CLOSURE

    def pinged(self) -> None:
        """A ping or a pong has come from the client."""
        self._tick()
        self._session.pinged()

    def _welcome(self) -> None:
        usage = self._census.open_sessions + 1
        quota = self._engine.quota if self._quota is None else self._quota
        self._post(self._session.connected(usage=usage, quota=quota, at=datetime.now(UTC)))
        self._arm()

    async def _read(self, resources: AsyncExitStack) -> None:
        """Take messages until the socket is closed, by either side."""
        try:
            async for message in self._socket:
                self._tick()
                for output in self._session.receive(message):
                    with self._crashes_told():
                        await self._perform(output, resources)
                self._arm()
                await self._outbox.room()
        except ConnectionClosed:
            return

    async def _perform(self, output: Output, resources: AsyncExitStack) -> None:
        match output:
            case Send() | Close():
                self._post([output])
            case OpenEngine(start, channel):
                await self._open(start, channel, resources)
            case _ if self._session.state is not State.CLOSED:
                await self._command(output, self._streams[output.channel])

    async def _command(self, command: ToStream, stream: EngineStream) -> None:
        match command:
            case FeedEngine(audio):
                self._count(audio)
                await stream.feed(audio)
            case EndUtterance(at):
                await stream.end_utterance(at)
            case ConfigureEngine(config):
                await stream.configure(config)
            case TellSpeakers():
                await stream.tell_speakers()
            case FinishEngine():
                await stream.finish()

    async def _open(
        self, start: StartRecognition, channel: Channel, resources: AsyncExitStack
    ) -> None:
        """Open the stream of one channel; the first takes the session's place in the quota."""
        if self._session.state is State.CLOSED:
            return
        try:
            if not self._streams:
                self._enter(start)
            stream = self._engine.stream(start, partial(self._report, channel))
            self._streams[channel] = await resources.enter_async_context(stream)
        except Refusal as refusal:
            self._post(self._session.refused(refusal))
            return
        self._tick()
        self._post(self._session.engine_started(channel))
        if self._session.state is State.RECOGNISING and self._record is not None:
            self._census.sessions.append(self._record)

    def _enter(self, start: StartRecognition) -> None:
        self._has_place = self._census.enter(self._quota)
        if not self._has_place:
            raise quota_exceeded(self._quota or 0)
        audio_format = start.audio_format
        rate = audio_format.bytes_per_second if isinstance(audio_format, RawAudio) else None
        language = start.transcription_config.language
        request = self._socket.request
        # A client may send it twice, and get() would not have that.
        request_ids = [] if request is None else request.headers.get_all("x-request-id")
        request_id = request_ids[0] if request_ids else None
        self._record = SessionRecord(self._session.id, language, rate, request_id=request_id)
        if self._recorder is not None:
            self._recorder.started(start, self._loop.time())

    def _leave(self) -> None:
        if self._has_place:
            self._has_place = False
            self._census.leave()

    def _count(self, audio: bytes) -> None:
        if self._record is not None:
            self._record.chunks += 1
            self._record.audio_bytes += len(audio)

    def _report(self, channel: Channel, event: EngineEvent) -> None:
        with self._crashes_told():
            self._tick()
            self._post(self._session.recognised(event, channel))
            self._arm()

    @contextmanager
    def _crashes_told(self) -> Iterator[None]:
        """A bug of an engine, or in what it reports, ends its session and no other."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # whatever an engine raises
            _log.exception("session %s failed", self._session.id)
            reason = f"The emulator failed ({type(error).__name__}); its log has the traceback"
            self._post(self._session.refused(Refusal(ErrorType.UNKNOWN_ERROR, reason)))

    def _post(self, outputs: Iterable[Output]) -> None:
        """Pass on what never asks anything of the engine."""
        for output in outputs:
            if isinstance(output, Send) and self._recorder is not None:
                seconds = self._session.audio_seconds
                self._recorder.note(output.message, self._loop.time(), seconds)
            if isinstance(output, Close):
                # The next session need not wait until this one's socket is closed.
                self._leave()
            if isinstance(output, Send | Close):
                self._outbox.put(output)

    def _tick(self) -> None:
        self._post(self._session.tick(self._loop.time()))

    def _arm(self) -> None:
        """See to it that the session's deadline is noticed; one that moved back costs nothing."""
        deadline = self._session.deadline
        if deadline is None or (self._alarm is not None and self._alarm.when() <= deadline):
            return
        self._disarm()
        self._alarm = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._tick()
        self._arm()

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
