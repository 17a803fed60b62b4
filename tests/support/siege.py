"""What abuse may cost a worker, and what it leaves behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aio_pika
import psutil
from tests.support.broker import Namespace
from tests.support.speaker import Speaker, said
from tests.support.worker import WorkerProcess

from speechmq_schemas import Names

MIB = 1024 * 1024
CODE, REASON, SIZE = "x-speechmq-code", "x-speechmq-reason", "x-speechmq-body-bytes"


@dataclass(frozen=True, slots=True)
class Letter:
    type: str
    body: bytes
    headers: dict[str, Any]

    @property
    def code(self) -> str:
        return str(self.headers[CODE])


async def letters(namespace: Namespace, count: int, within: float = 60.0) -> list[Letter]:
    """All dead letters, once there are ``count``; more of them are an error."""
    dead = Names().dead
    await namespace.wait_for_queues(lambda queues: (queues[dead].ready or 0) >= count, within)
    found = []
    async with await aio_pika.connect(namespace.url) as connection:
        queue = await (await connection.channel()).get_queue(dead)
        while (letter := await queue.get(no_ack=True, fail=False)) is not None:
            found.append(Letter(letter.type or "", letter.body, dict(letter.headers)))
    listed = Counter((one.type, one.code) for one in found)
    assert len(found) == count, f"{len(found)} dead letters in place of {count}: {listed}"
    return found


async def nothing_is_stuck(namespace: Namespace) -> None:
    """Every queue that all publishers share is empty, and nobody holds anything of it."""
    names = Names()
    shared = (names.start, names.early, names.temporary_key)
    await namespace.wait_for_queues(
        lambda queues: all((queues[name].ready, queues[name].unacked) == (0, 0) for name in shared)
    )


@asynccontextmanager
async def within_memory(worker: WorkerProcess, mib: float) -> AsyncIterator[None]:
    """The worker's memory grows by less than that, whenever one looks."""
    process = psutil.Process(worker.process.pid)
    before = most = process.memory_info().rss

    async def look() -> None:
        nonlocal most
        while True:
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.02)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
    grown = (most - before) / MIB
    assert grown < mib, f"the worker's memory grew by {grown:.0f} MiB"


@asynccontextmanager
async def bystanders(
    speaker: Speaker, *stream_ids: str, numbers: Sequence[int] = range(30), speed: float = 2.0
) -> AsyncIterator[None]:
    """Streams that speak all the while: their words are exact, and their sessions undisturbed."""
    for stream_id in stream_ids:
        await speaker.start(stream_id)
    async with asyncio.TaskGroup() as tasks:
        for stream_id in stream_ids:
            tasks.create_task(speaker.say(stream_id, numbers, speed=speed))
        yield
    await speaker.ears.until_over(*stream_ids)
    for stream_id in stream_ids:
        assert speaker.ears.words(stream_id) == said(numbers)
        assert speaker.ears.of(stream_id, "StreamResumed", "StreamWarning", "AudioGap") == []
