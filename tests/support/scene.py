"""What most tests of a whole worker need: a recogniser, the worker, and one who speaks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.broker import Namespace
from tests.support.speaker import Speaker, speaking
from tests.support.worker import WorkerProcess, running_worker

from speechmq_emulator.server import serve


@asynccontextmanager
async def scene(
    namespace: Namespace, **settings: str
) -> AsyncIterator[tuple[WorkerProcess, Speaker]]:
    """``settings`` are the worker's."""
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url, **settings) as worker,
        speaking(namespace.url) as speaker,
    ):
        yield worker, speaker
