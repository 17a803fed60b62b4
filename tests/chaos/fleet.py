"""Worker processes that somebody starts anew whenever they end, as an orchestrator would.

Each reaches the broker through a proxy of its own, and tells the recogniser its name.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psutil
from tests.support.tcp_proxy import TcpProxy, proxying
from tests.support.worker import READY, worker_environment

from speechmq.dev.supervisor import Job

WORKER = ("-m", "speechmq.cli", "worker")
GRACE_SECONDS = 25.0
PAUSE = 0.2
"""Seconds between the end of a process and the start of the next."""

Log = Callable[[str, str], None]


@dataclass
class Worker:
    """One place in the fleet; whoever works there changes. ``busy_until`` is when it is fit to be
    met by another fault, on the clock of ``time.monotonic``."""

    name: str
    proxy: TcpProxy
    pid: int | None = None
    is_ready: bool = False
    busy_until: float = 0.0

    @property
    def is_fit(self) -> bool:
        return self.is_ready and time.monotonic() >= self.busy_until

    def signal(self, number: signal.Signals) -> None:
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Fleet:
    """``workers`` by their names w0, w1, …; made by ``working``."""

    def __init__(self, workers: Sequence[Worker], command: Sequence[str], log: Log) -> None:
        self.workers = workers
        self._command = command
        self._log = log
        self._changed = asyncio.Event()

    def pick(self, dice: random.Random) -> Worker | None:
        """A worker that is fit, or nothing if there is only one: somebody must go on."""
        fit = [worker for worker in self.workers if worker.is_fit]
        alone = len(self.workers) > 1 and len(fit) < 2
        return None if alone or not fit else dice.choice(fit)

    async def all_ready(self, within: float = 90.0) -> None:
        async with asyncio.timeout(within):
            while not all(worker.is_ready for worker in self.workers):
                self._changed.clear()
                await self._changed.wait()

    async def keep(self, worker: Worker, environment: Mapping[str, str]) -> None:
        """Runs one process after the other in this place, until cancelled."""
        while True:
            await self._run_once(worker, environment)
            await asyncio.sleep(PAUSE)

    async def _run_once(self, worker: Worker, environment: Mapping[str, str]) -> None:
        process = await asyncio.create_subprocess_exec(
            *Job((sys.executable, *self._command), grace=GRACE_SECONDS).arguments(),
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
        try:
            worker.pid = await _supervised(process)
            await self._read(worker, process)
            self._log(worker.name, f"ended with {await process.wait()}")
        finally:
            worker.pid, worker.is_ready = None, False
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()

    async def _read(self, worker: Worker, process: Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            said = line.decode(errors="replace").rstrip()
            self._log(worker.name, said)
            if said == READY:
                worker.is_ready = True
                self._changed.set()


async def _supervised(process: Process) -> int | None:
    """The pid of the worker under its supervisor; nothing if it has ended already."""
    while process.returncode is None:
        with suppress(psutil.Error):
            if children := psutil.Process(process.pid).children():
                return int(children[0].pid)
        await asyncio.sleep(0.01)
    return None


@asynccontextmanager
async def working(
    count: int,
    *,
    broker_url: str,
    upstream_url: str,
    settings: Mapping[str, str],
    log: Log,
    command: Sequence[str] = WORKER,
) -> AsyncIterator[Fleet]:
    """A fleet for the length of the block, which is left with SIGTERM."""
    parts = urlsplit(broker_url)
    async with AsyncExitStack() as resources:
        workers = [
            Worker(
                f"w{number}",
                await resources.enter_async_context(
                    proxying((parts.hostname or "", parts.port or 5672))
                ),
            )
            for number in range(count)
        ]
        fleet = Fleet(workers, command, log)
        keeping = [
            asyncio.create_task(
                fleet.keep(worker, _environment(worker, broker_url, upstream_url, settings))
            )
            for worker in workers
        ]
        try:
            yield fleet
        finally:
            for worker in workers:
                worker.proxy.heal()
                worker.signal(signal.SIGCONT)
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)


def _environment(
    worker: Worker, broker_url: str, upstream_url: str, settings: Mapping[str, str]
) -> dict[str, str]:
    parts = urlsplit(broker_url)
    credentials = parts.netloc.rpartition("@")[0]
    through_proxy = parts._replace(netloc=f"{credentials}@127.0.0.1:{worker.proxy.port}")
    named = {"SPEECHMQ_UPSTREAM__APP": worker.name, **settings}
    return worker_environment(urlunsplit(through_proxy), upstream_url, named)
