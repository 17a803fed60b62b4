"""A real worker as a process of its own, to be signalled and killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

READY = "speechmq: worker ready"
JSON_READY = '"event": "worker_ready"'
READY_WITHIN = 40.0


@dataclass
class WorkerProcess:
    process: Process
    lines: list[str] = field(default_factory=list)

    def kill(self) -> None:
        self.process.kill()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self, within: float = 30.0) -> int:
        async with asyncio.timeout(within):
            return await self.process.wait()

    async def read(self, ready: asyncio.Event) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip())
            if self.lines[-1] == READY or JSON_READY in self.lines[-1]:
                ready.set()


def worker_environment(
    broker_url: str, upstream_url: str, settings: dict[str, str]
) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if "SPEECHMQ" not in key}
    return {
        **inherited,
        "SPEECHMQ_BROKER__URL": broker_url,
        "SPEECHMQ_UPSTREAM__URL": upstream_url,
        "SPEECHMQ_UPSTREAM__API_KEY": "dev",
        **settings,
    }


@asynccontextmanager
async def running_worker(
    broker_url: str, upstream_url: str, **settings: str
) -> AsyncIterator[WorkerProcess]:
    """Runs until the block is left; then SIGTERM, and SIGKILL if that does not help."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speechmq.cli", "worker"),
        stdout=PIPE,
        stderr=STDOUT,
        env=worker_environment(broker_url, upstream_url, settings),
    )
    worker, ready = WorkerProcess(process), asyncio.Event()
    reading = asyncio.create_task(worker.read(ready))
    try:
        try:
            async with asyncio.timeout(READY_WITHIN):
                await ready.wait()
        except TimeoutError:
            raise AssertionError(f"the worker was not ready: {worker.lines}") from None
        yield worker
    finally:
        if process.returncode is None:
            worker.terminate()
        try:
            await worker.ended()
        except TimeoutError:
            worker.kill()
        await reading
