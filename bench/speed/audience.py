"""Who listens to the events of all streams: which have begun and ended, and how late words come."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import Counter

from aiormq.abc import AbstractChannel, DeliveredMessage
from bench.speed.chunks import word_stamp
from bench.speed.figures import Lags

TRANSCRIPTS = ("transcript.partial", "transcript.final")


class Audience:
    """``last`` is when the last event of each kind came, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.heard: Counter[str] = Counter()
        self.last: dict[str, float] = {}
        self._came: array[int] = array("q")
        self._took: array[int] = array("q")
        self._changed = asyncio.Event()

    @classmethod
    async def of(cls, channel: AbstractChannel, events: str) -> Audience:
        audience = cls()
        queue = (await channel.queue_declare(exclusive=True, auto_delete=True)).queue or ""
        for pattern in ("stream.#", "transcript.#"):
            await channel.queue_bind(queue, events, pattern)
        await channel.basic_consume(queue, audience.on_event, no_ack=True)
        return audience

    async def on_event(self, message: DeliveredMessage) -> None:
        now = time.monotonic_ns()
        kind = (message.routing_key or "").rpartition(".")[0]
        if kind in TRANSCRIPTS:
            stamp = word_stamp(message.body)
            if stamp is not None:
                self._came.append(now)
                self._took.append(now - stamp)
            return
        if kind == "stream.failed":
            raise RuntimeError(f"a stream failed: {message.body.decode()}")
        self.heard[kind] += 1
        self.last[kind] = now / 1e9
        self._changed.set()

    async def wait_for(self, kind: str, count: int, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                while self.heard[kind] < count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise RuntimeError(
                f"{self.heard[kind]} of {count} {kind} came within {within:.0f} s"
            ) from None

    def lags(self, since: int, until: int) -> Lags:
        """Of the transcripts that came between two moments, in nanoseconds."""
        pairs = zip(self._came, self._took, strict=True)
        return Lags.of([took / 1e9 for came, took in pairs if since <= came < until])
