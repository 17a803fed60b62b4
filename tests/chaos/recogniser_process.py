"""The recogniser of a chaos run, as a process: tells what it sees, one JSON object a line.

What it is told to do comes in the same form; when stdin ends, so does it. Times are those of
``time.monotonic``, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection

from speechmq_emulator.engine import Emit, EngineStream
from speechmq_emulator.faults import FaultBook
from speechmq_emulator.faults.course import Course
from speechmq_emulator.faults.plan import Drawn
from speechmq_emulator.faults.socket import FaultySocket
from speechmq_emulator.ledger.engine import LedgerEngine
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.server import Emulator, serve

SESSION: ContextVar[str] = ContextVar("session")
"""The session that the present task serves."""


def tell(what: str, **more: Any) -> None:
    print(json.dumps({"what": what, "at": time.monotonic(), **more}), flush=True)


class ToldFaults(FaultBook):
    """Tells of sessions and of every fault that acts, by the kind that it was planned as."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed)
        self.kinds: dict[int, str] = {}

    def enter(self, drawn: Drawn, course: Course, session_id: str | None) -> bool:
        acts = super().enter(drawn, course, session_id)
        if acts:
            tell("fired", session=session_id, kind=self.kinds.get(drawn.planned.number, ""))
        return acts

    @asynccontextmanager
    async def attend(
        self, connection: ServerConnection, session_id: str
    ) -> AsyncIterator[FaultySocket]:
        SESSION.set(session_id)
        path = connection.request.path if connection.request else ""
        (worker,) = parse_qs(urlsplit(path).query).get("sm-app", [""])
        tell("opened", session=session_id, worker=worker)
        try:
            async with super().attend(connection, session_id) as socket:
                yield socket
        finally:
            tell("closed", session=session_id)


class ToldStream:
    """An engine stream that tells when its first audio comes."""

    def __init__(self, stream: EngineStream, session_id: str) -> None:
        self._stream = stream
        self._session_id = session_id
        self._hears = False

    async def feed(self, audio: bytes) -> None:
        if not self._hears:
            self._hears = True
            tell("audio", session=self._session_id)
        await self._stream.feed(audio)

    async def end_utterance(self, at: float | None) -> None:
        await self._stream.end_utterance(at)

    async def configure(self, config: TranscriptionConfig) -> None:
        await self._stream.configure(config)

    async def tell_speakers(self) -> None:
        await self._stream.tell_speakers()

    async def finish(self) -> None:
        await self._stream.finish()


class ToldEngine:
    """The ledger engine; a session's only additional word is the name of its stream."""

    def __init__(self) -> None:
        self._ledger = LedgerEngine()
        self.name, self.quota = self._ledger.name, self._ledger.quota

    def speaks(self, language: str) -> bool:
        return self._ledger.speaks(language)

    @asynccontextmanager
    async def stream(self, start: StartRecognition, emit: Emit) -> AsyncIterator[EngineStream]:
        session_id = SESSION.get()
        told = start.model_dump()["transcription_config"]["additional_vocab"]
        async with self._ledger.stream(start, emit) as stream:
            tell("started", session=session_id, stream=told[0]["content"])
            yield ToldStream(stream, session_id)


def obey(order: dict[str, Any], emulator: Emulator, book: ToldFaults) -> None:
    """A fault acts in a task of its own, so that its kind is known by then."""
    match order["do"]:
        case "add":
            book.kinds[book.add(order["fault"]).number] = order["kind"]
        case "strike":
            # The session may have ended meanwhile.
            with suppress(KeyError):
                planned = book.strike(order["session"], order["fault"])
                book.kinds[planned.number] = order["kind"]
        case "clear":
            book.clear()
        case "count":
            tell("counted", connections=emulator.open_connections)


async def main(seed: int) -> None:
    loop, orders = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    book = ToldFaults(seed)
    async with serve(ToldEngine(), faults=book) as emulator:
        tell("serving", url=emulator.url)
        async for line in orders:
            obey(json.loads(line), emulator, book)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
