"""One client's socket: moves messages between it, the protocol core and an engine.

Decides nothing. Flow control: the next message is read only when the engine has room for
the last one's audio and the client reads what is written to it.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from speechmq_emulator.census import Census, SessionRecord
from speechmq_emulator.engine import Engine, EngineStream
from speechmq_emulator.outbox import Outbox
from speechmq_emulator.protocol.config import RawAudio, StartRecognition
from speechmq_emulator.protocol.errors import Refusal
from speechmq_emulator.protocol.session import (
    Close,
    FeedEngine,
    FinishEngine,
    OpenEngine,
    Output,
    Send,
    Session,
)
from speechmq_emulator.speech.events import EngineEvent

_OUTBOX_BOUND = 256
_ABNORMAL_CLOSURE = 1006


class Connection:
    """Serves one session; owns the engine's stream for as long as it lasts."""

    def __init__(
        self, socket: ServerConnection, session: Session, engine: Engine, census: Census
    ) -> None:
        self._socket = socket
        self._session = session
        self._engine = engine
        self._census = census
        self._outbox = Outbox(socket, bound=_OUTBOX_BOUND)
        self._stream: EngineStream | None = None
        self._record: SessionRecord | None = None

    async def run(self) -> None:
        """Return when the session is over, whoever ended it; cancelled, drop it at once."""
        self._census.open_connections += 1
        try:
            with self._deadline():
                async with AsyncExitStack() as resources, asyncio.TaskGroup() as tasks:
                    writer = tasks.create_task(self._outbox.write())
                    self._welcome()
                    await self._read(resources)
                    writer.cancel()
        finally:
            self._census.open_connections -= 1
            if self._record is not None:
                self._record.close_code = self._socket.close_code or _ABNORMAL_CLOSURE

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        """Tell the session when the time has come for which it waits now."""
        if self._session.deadline is None:
            yield
            return
        timer = asyncio.get_running_loop().call_at(
            self._session.deadline, lambda: self._post(self._session.deadline_passed())
        )
        try:
            yield
        finally:
            timer.cancel()

    def _welcome(self) -> None:
        usage = self._census.open_connections
        now = datetime.now(UTC)
        self._post(self._session.connected(usage=usage, quota=self._engine.quota, at=now))

    async def _read(self, resources: AsyncExitStack) -> None:
        """Take messages until the socket is closed, by either side."""
        try:
            async for message in self._socket:
                for output in self._session.receive(message):
                    await self._perform(output, resources)
                await self._outbox.room()
        except ConnectionClosed:
            return

    async def _perform(self, output: Output, resources: AsyncExitStack) -> None:
        match output:
            case Send() | Close():
                self._outbox.put(output)
            case FeedEngine(audio):
                await self._feed(audio)
            case FinishEngine():
                if self._stream is not None:
                    await self._stream.finish()
            case OpenEngine(start):
                await self._open(start, resources)

    async def _open(self, start: StartRecognition, resources: AsyncExitStack) -> None:
        try:
            stream = self._engine.stream(start, self._report)
            self._stream = await resources.enter_async_context(stream)
        except Refusal as refusal:
            self._post(self._session.engine_refused(refusal))
            return
        self._note(start)
        self._post(self._session.engine_started())

    def _note(self, start: StartRecognition) -> None:
        if isinstance(start.audio_format, RawAudio):
            language = start.transcription_config.language
            rate = start.audio_format.bytes_per_second
            self._record = SessionRecord(self._session.id, language, rate)
            self._census.sessions.append(self._record)

    async def _feed(self, audio: bytes) -> None:
        if self._stream is None or self._record is None:
            return
        self._record.chunks += 1
        self._record.audio_bytes += len(audio)
        await self._stream.feed(audio)

    def _report(self, event: EngineEvent) -> None:
        self._post(self._session.recognised(event))

    def _post(self, outputs: list[Output]) -> None:
        """Pass on what never asks anything of the engine."""
        for output in outputs:
            if isinstance(output, Send | Close):
                self._outbox.put(output)
