"""The load's process: speaks all streams in real time, and hears their events.

Prints ``speaking`` and ``silent`` at the two ends of the measured time, and its results as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from array import array
from dataclasses import asdict
from typing import cast

import aiormq
import uvloop
from bench.speed.audience import Audience
from bench.speed.chunks import stamped
from bench.speed.dialects import DIALECTS, Dialect, Letter
from bench.speed.figures import Lags
from bench.speed.pacing import Load, turns

START_WITHIN = 120.0
END_WITHIN = 120.0
SEED = 8


class Speaker:
    """Publishes the chunks of all streams when they are due; ``late`` is by how much it was not."""

    def __init__(self, channel: aiormq.Channel, dialect: Dialect, load: Load) -> None:
        self._channel = channel
        self._dialect = dialect
        self._load = load
        self._audio = bytes(range(256)) * (load.chunk_bytes // 256 + 1)
        self._audio = self._audio[: load.chunk_bytes]
        self._is_over = False
        self._spoken = [0] * load.streams
        self.late: array[float] = array("d")

    async def start(self) -> None:
        for stream in range(self._load.streams):
            await self._send(self._dialect.start(_id(stream)))

    async def speak(self) -> None:
        """Until ``stop``."""
        began = time.monotonic()
        for turn in turns(self._load, seed=SEED):
            ahead = began + turn.due - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(max(ahead, self._load.tick_ms / 1000))
            if self._is_over:
                return
            self.late.append(time.monotonic() - began - turn.due)
            audio = stamped(self._audio, time.monotonic_ns())
            await self._send(self._dialect.chunk(_id(turn.stream), turn.seq, audio))
            self._spoken[turn.stream] = turn.seq

    def stop(self) -> None:
        self._is_over = True

    async def end(self) -> None:
        for stream, spoken in enumerate(self._spoken):
            await self._send(self._dialect.end(_id(stream), spoken + 1))

    async def _send(self, letter: Letter) -> None:
        await self._channel.basic_publish(
            letter.body,
            exchange=letter.exchange,
            routing_key=letter.routing_key,
            properties=letter.properties,
            wait=False,
        )


def _id(stream: int) -> str:
    return f"stream-{stream}"


async def run(url: str, dialect: Dialect, load: Load) -> dict[str, object]:
    inbound, outbound = await aiormq.connect(url), await aiormq.connect(url)
    # The interface does not have `wait`, which the class does.
    channel = cast("aiormq.Channel", await inbound.channel(publisher_confirms=False))
    speaker = Speaker(channel, dialect, load)
    audience = await Audience.of(await outbound.channel(publisher_confirms=False), dialect.events)
    starting = time.monotonic()
    await speaker.start()
    await audience.wait_for("stream.started", load.streams, START_WITHIN)
    took = audience.last["stream.started"] - starting
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(speaker.speak())
        since, until = await _measured(load)
        speaker.stop()
    await speaker.end()
    await audience.wait_for("stream.ended", load.streams, END_WITHIN)
    await outbound.close()
    await inbound.close()
    return {
        "since": since,
        "until": until,
        "starting": took,
        "events": asdict(audience.lags(since, until)),
        "late": asdict(Lags.of(speaker.late)),
        "heard": audience.heard,
        "last": audience.last,
    }


async def _measured(load: Load) -> tuple[int, int]:
    await asyncio.sleep(load.settle)
    since = time.monotonic_ns()
    print("speaking", flush=True)
    await asyncio.sleep(load.seconds)
    until = time.monotonic_ns()
    print("silent", flush=True)
    return since, until


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("dialect", choices=DIALECTS)
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("--chunk-ms", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--settle", type=float, required=True)
    parser.add_argument("--tick-ms", type=int, required=True)
    asked = parser.parse_args()
    load = Load(asked.streams, asked.chunk_ms, asked.seconds, asked.settle, tick_ms=asked.tick_ms)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(run(asked.url, DIALECTS[asked.dialect], load))
    sys.stdout.write(f"{json.dumps(results)}\n")


if __name__ == "__main__":
    main()
