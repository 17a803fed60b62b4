"""The recogniser's process as the driver of a chaos run sees it: its sessions, and its faults."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

_READY_SECONDS = 60.0
_END_SECONDS = 20.0
_LINE_LIMIT = 2**20


@dataclass(slots=True)
class Session:
    """Times are those of ``time.monotonic``; nothing where it has not happened.

    ``audio`` is when its first audio came.
    """

    id: str
    worker: str
    opened: float
    stream: str | None = None
    audio: float | None = None
    closed: float | None = None

    def was_open(self, at: float) -> bool:
        return self.opened <= at and (self.closed is None or self.closed > at)


@dataclass(frozen=True, slots=True)
class Fired:
    kind: str
    at: float
    session: str | None


@dataclass
class Recogniser:
    """``sessions`` in the order in which they were opened, by their ids."""

    process: Process
    url: str = ""
    sessions: dict[str, Session] = field(default_factory=dict)
    fired: list[Fired] = field(default_factory=list)
    _counts: asyncio.Queue[int] = field(default_factory=asyncio.Queue)

    def listening(self) -> list[Session]:
        """Those that have had audio and are still open, by the names of their streams."""
        heard = [s for s in self.sessions.values() if s.audio is not None and s.closed is None]
        return sorted(heard, key=lambda session: session.stream or "")

    def add(self, kind: str, fault: str) -> None:
        """For the sessions to come, or with ``now`` for all that are open."""
        self._order(do="add", kind=kind, fault=fault)

    def strike(self, kind: str, fault: str, session_id: str) -> None:
        self._order(do="strike", kind=kind, fault=fault, session=session_id)

    def clear(self) -> None:
        """Of what was added, no more begins."""
        self._order(do="clear")

    async def open_connections(self) -> int:
        self._order(do="count")
        async with asyncio.timeout(_READY_SECONDS):
            return await self._counts.get()

    def _order(self, **order: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")

    async def listen(self, serving: asyncio.Event) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self._note(json.loads(line), serving)

    def _note(self, told: dict[str, Any], serving: asyncio.Event) -> None:
        at, session_id = told["at"], told.get("session")
        match told["what"]:
            case "serving":
                self.url = told["url"]
                serving.set()
            case "counted":
                self._counts.put_nowait(told["connections"])
            case "fired":
                self.fired.append(Fired(told["kind"], at, session_id))
            case "opened":
                self.sessions[told["session"]] = Session(told["session"], told["worker"], at)
            case "started":
                self.sessions[told["session"]].stream = told["stream"]
            case "audio":
                self.sessions[told["session"]].audio = at
            case "closed":
                self.sessions[told["session"]].closed = at


@asynccontextmanager
async def recognising(seed: int) -> AsyncIterator[Recogniser]:
    """The ledger engine in a process of its own, which ends with the block or with its owner."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.recogniser_process", str(seed)),
        stdin=PIPE,
        stdout=PIPE,
        limit=_LINE_LIMIT,
        env=dict(os.environ),
    )
    recogniser, serving = Recogniser(process), asyncio.Event()
    listening = asyncio.create_task(recogniser.listen(serving))
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await serving.wait()
        yield recogniser
    finally:
        await _end(process)
        await listening


async def _end(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
