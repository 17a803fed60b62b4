"""The sphinx engine, seen from the server: one worker process for each session.

Nothing here decodes. A worker that dies ends its own session with ``Failed`` and no other.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Self

from speechmq_emulator.engine import Emit, quota_exceeded
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.protocol.errors import ErrorType, Refusal
from speechmq_emulator.speech.events import ChunkTaken, Ended, Failed
from speechmq_emulator.sphinx.frames import HEADER, Kind, dump_time, frame, load_event
from speechmq_emulator.sphinx.nursing import Nursing

_CHUNKS_IN_FLIGHT = 8
_READY_TIMEOUT = 20.0


class SphinxEngine:
    """Recognises English. ``workers`` is the most sessions, and so processes, at once."""

    name = "sphinx"

    def __init__(self, workers: int | None = None) -> None:
        self.quota = max(8, 4 * (os.cpu_count() or 1)) if workers is None else workers
        if self.quota < 1:
            raise ValueError(f"workers is {workers}, but a session needs one")
        self._nursing = Nursing()
        self._streams = 0

    def speaks(self, language: str) -> bool:
        return language == "en"

    async def __aenter__(self) -> Self:
        await self._nursing.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._nursing.stop()

    @asynccontextmanager
    async def stream(self, start: StartRecognition, emit: Emit) -> AsyncIterator["SphinxStream"]:
        if self._streams >= self.quota:
            raise quota_exceeded(self.quota)
        self._streams += 1
        try:
            async with self._worker(start, emit) as stream:
                yield stream
        finally:
            self._streams -= 1

    @asynccontextmanager
    async def _worker(self, start: StartRecognition, emit: Emit) -> AsyncIterator["SphinxStream"]:
        reader, writer = await asyncio.open_unix_connection(sock=await self._nursing.fork())
        try:
            writer.write(frame(Kind.CONFIG, _json(start)))
            await _ready(reader)
            stream = SphinxStream(reader, writer, emit)
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(stream.listen())
                yield stream
                listening.cancel()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def _json(model: StartRecognition | TranscriptionConfig) -> bytes:
    # A field that was not given must not look given on the other side.
    return model.model_dump_json(by_alias=True, exclude_unset=True).encode()


async def _ready(reader: asyncio.StreamReader) -> None:
    try:
        async with asyncio.timeout(_READY_TIMEOUT):
            kind, payload = await _read_frame(reader)
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
        reason = "The recogniser's process did not start; start the session again"
        raise Refusal(ErrorType.JOB_ERROR, reason) from error
    if kind is Kind.EVENT and isinstance(failure := load_event(payload), Failed):
        raise Refusal(failure.type, failure.reason)


async def _read_frame(reader: asyncio.StreamReader) -> tuple[Kind, bytes]:
    kind, length = HEADER.unpack(await reader.readexactly(HEADER.size))
    return Kind(kind), await reader.readexactly(length)


class SphinxStream:
    """One session's socket to its worker; at most 8 chunks wait in it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, emit: Emit
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._emit = emit
        self._in_flight = 0
        self._over = False
        self._room = asyncio.Event()

    async def feed(self, audio: bytes) -> None:
        while self._in_flight >= _CHUNKS_IN_FLIGHT and not self._over:
            self._room.clear()
            await self._room.wait()
        self._in_flight += 1
        await self._write(frame(Kind.AUDIO, audio))

    async def end_utterance(self, at: float | None) -> None:
        await self._write(frame(Kind.END_UTTERANCE, dump_time(at)))

    async def configure(self, config: TranscriptionConfig) -> None:
        await self._write(frame(Kind.CONFIGURE, _json(config)))

    async def tell_speakers(self) -> None:
        await self._write(frame(Kind.TELL_SPEAKERS))

    async def finish(self) -> None:
        await self._write(frame(Kind.END))

    async def _write(self, data: bytes) -> None:
        if self._over:
            return
        with suppress(ConnectionError):  # ``listen`` reports a worker's death
            self._writer.write(data)
            await self._writer.drain()

    async def listen(self) -> None:
        """Report what the worker says until it is done or dead."""
        try:
            while await self._next_frame():
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            reason = "The recogniser's process ended unexpectedly; start the session again"
            self._emit(Failed(reason))
        finally:
            self._over = True
            self._room.set()

    async def _next_frame(self) -> bool:
        kind, payload = await _read_frame(self._reader)
        match kind:
            case Kind.TAKEN:
                self._in_flight -= 1
                self._room.set()
                self._emit(ChunkTaken())
            case Kind.EVENT:
                event = load_event(payload)
                self._emit(event)
                return not isinstance(event, Failed)
            case _:
                self._emit(Ended())
                return False
        return True
