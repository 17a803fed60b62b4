"""``python -m bench.telemetry``: what traces, metrics and a scraper cost a worker, per chunk.

A worker without telemetry and one with all of it run the same streams, traced by their publisher,
in turns, on a broker and beside an emulator of their own; each pair gives one difference. Prints
the worker's CPU a chunk (user and system, of the process) and the median of the differences. Exit
code 1 above 10 %.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import httpx
import psutil
import uvloop
from bench.telemetry.load import say
from tests.support.otlp_collector import running_collector
from tests.support.worker import running_worker

from speechmq.dev.rabbitmq import private_broker
from speechmq_emulator.server import serve

ALLOWED = 0.10
SCRAPED_EVERY = 5.0


@dataclass(frozen=True, slots=True)
class Load:
    streams: int
    seconds: float


async def main(rounds: int, load: Load) -> int:
    pairs: list[tuple[float, float]] = []
    async with (
        private_broker(tell=partial(print, file=sys.stderr)) as broker,
        serve("ledger") as upstream,
    ):
        for number in range(rounds):
            order = (False, True) if number % 2 == 0 else (True, False)
            costs = {on: await cost(broker.url, upstream.url, load, on=on) for on in order}
            pairs.append((costs[False], costs[True]))
            off, on = (f"{one * 1e6:.0f} µs" for one in pairs[-1])
            print(f"round {number + 1}: {off} a chunk without, {on} with", flush=True)
    added = statistics.median(on / off - 1 for off, on in pairs)
    off, on = (statistics.median(one) * 1e6 for one in zip(*pairs, strict=True))
    print(f"median: {off:.0f} µs without, {on:.0f} µs with; telemetry adds {added:+.1%}")
    return 0 if added <= ALLOWED else 1


async def cost(broker_url: str, upstream_url: str, load: Load, *, on: bool) -> float:
    """CPU seconds a chunk of a worker that runs ``load``, from its first chunk to its last end."""
    with running_collector() if on else nullcontext() as collector:
        settings = {"SPEECHMQ_LOG__FORMAT": "json"}
        if collector is not None:
            settings |= {
                "SPEECHMQ_TELEMETRY__OTLP_ENDPOINT": collector.url,
                "SPEECHMQ_HEALTH__ADDRESS": "127.0.0.1:18099",
            }
        async with (
            running_worker(broker_url, upstream_url, **settings) as worker,
            scraping(on=on),
        ):
            process = psutil.Process(worker.process.pid)
            before = process.cpu_times()
            chunks = await say(broker_url, load.streams, load.seconds)
            after = process.cpu_times()
        if collector is not None and not collector.spans:
            raise RuntimeError("no span came to the collector: nothing was measured")
    return (after.user + after.system - before.user - before.system) / chunks


@asynccontextmanager
async def scraping(*, on: bool) -> AsyncIterator[None]:
    """Asks for metrics as Prometheus does."""
    if not on:
        yield
        return

    async def scrape() -> None:
        async with httpx.AsyncClient() as http:
            while True:
                await asyncio.sleep(SCRAPED_EVERY)
                (await http.get("http://127.0.0.1:18099/metrics")).raise_for_status()

    task = asyncio.create_task(scrape())
    try:
        yield
    finally:
        task.cancel()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.telemetry")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--streams", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=20.0)
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    started = time.monotonic()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(main(given.rounds, Load(given.streams, given.seconds)))
    print(f"took {time.monotonic() - started:.0f} s", file=sys.stderr)
    sys.exit(code)
