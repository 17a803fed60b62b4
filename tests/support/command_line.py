"""Runs the command line as its users do: as a process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Finished:
    code: int
    out: str
    err: str


class Running:
    """A command that runs; made by ``speechmq``."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def error_line(self, beginning: str, within: float = 30.0) -> str:
        """Waits for the line on stderr; fails when it ends before."""
        return await self._line(self._process.stderr, beginning, within)

    async def line(self, beginning: str, within: float = 30.0) -> str:
        """Waits for the line on stdout."""
        return await self._line(self._process.stdout, beginning, within)

    async def _line(
        self, stream: asyncio.StreamReader | None, beginning: str, within: float
    ) -> str:
        assert stream is not None
        seen: list[str] = []
        async with asyncio.timeout(within):
            async for line in stream:
                seen.append(line.decode().rstrip("\n"))
                if seen[-1].startswith(beginning):
                    return seen[-1]
        raise AssertionError(f"there was no {beginning!r} among {seen}")

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    def stop_reading(self) -> None:
        """Closes our end of its stdout, as ``| head`` does."""
        transport = self._process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
        transport.close()

    def interrupt(self) -> None:
        self.send_signal(signal.SIGINT)

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def descendants(self) -> list[psutil.Process]:
        """Every process that it has started, and those that they have."""
        return psutil.Process(self._process.pid).children(recursive=True)

    async def finish(self, within: float = 30.0) -> Finished:
        """Waits for its end; gives what it printed and was not read yet."""
        async with asyncio.timeout(within):
            out, err = await self._process.communicate()
        assert self._process.returncode is not None
        return Finished(self._process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def speechmq(
    *words: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    """Runs ``speechmq …``; what still runs at the block's end is killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speechmq.cli", *words),
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, **(environment or {})},
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run_speechmq(*words: str) -> Finished:
    async with speechmq(*words) as running:
        return await running.finish()
