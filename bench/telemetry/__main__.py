"""``python -m bench.telemetry``: what traces, metrics and a scraper cost a worker, per chunk.

A worker without telemetry and one with all of it run the same load at the same time, each with an
upstream and a vhost of its own, so that whatever else the machine does is shared out; each pair
gives one difference. Prints the workers' CPU a chunk (user and system, of the process) and the
median of the differences. Exit code 1 above 10 %.
"""

import argparse
import statistics
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

from bench.aside import aside, broker
from bench.speed.bridges import OURS, Bridge
from bench.speed.measurement import standing
from bench.speed.pacing import Load
from bench.speed.speech import Pace
from tests.support.broker import BrokerAddress
from tests.support.otlp_collector import running_collector

ALLOWED = 0.10
PACE = Pace(partials=0.2, finals=0.7)
SCRAPED_EVERY = 5.0
ADDRESS = "127.0.0.1:18099"
OFF = replace(OURS, dialect="traced", title="without")


def main(rounds: int, load: Load) -> int:
    pairs: list[tuple[float, float]] = []
    with broker() as address:
        for number in range(rounds):
            pairs.append(pair(address, load))
            off, on = (f"{one * 1e6:.0f} µs" for one in pairs[-1])
            print(f"round {number + 1}: {off} a chunk without, {on} with", flush=True)
    added = statistics.median(on / off - 1 for off, on in pairs)
    off, on = (statistics.median(one) * 1e6 for one in zip(*pairs, strict=True))
    print(f"median: {off:.0f} µs without, {on:.0f} µs with; telemetry adds {added:+.1%}")
    return 0 if added <= ALLOWED else 1


def pair(address: BrokerAddress, load: Load) -> tuple[float, float]:
    """CPU seconds a chunk, without telemetry and with it."""
    with (
        running_collector() as collector,
        aside(address) as one_url,
        aside(address) as other_url,
        standing(OFF, one_url, load.streams, PACE) as without,
        standing(watched(collector.url), other_url, load.streams, PACE) as watching,
        scraping(),
        ThreadPoolExecutor() as pool,
    ):
        off, on = pool.map(lambda measured_under: measured_under(load), (without, watching))
    if not collector.spans or not collector.metrics:
        raise RuntimeError("no span or no metric came to the collector: nothing was measured")
    return off.cost, on.cost


def watched(collector: str) -> Bridge:
    settings = {
        "SPEECHMQ_TELEMETRY__OTLP_ENDPOINT": collector,
        "SPEECHMQ_HEALTH__ADDRESS": ADDRESS,
    }
    return replace(OFF, title="with", settings=tuple(settings.items()))


@contextmanager
def scraping() -> Iterator[None]:
    """Asks for metrics as Prometheus does, from when there is somebody to ask."""
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(SCRAPED_EVERY):
            with urllib.request.urlopen(f"http://{ADDRESS}/metrics", timeout=5.0) as answer:
                answer.read()

    scraper = threading.Thread(target=scrape, name="scraper")
    scraper.start()
    try:
        yield
    finally:
        over.set()
        scraper.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.telemetry")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--streams", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=15.0)
    asked = parser.parse_args()
    began = time.monotonic()
    code = main(asked.rounds, Load(asked.streams, 100, asked.seconds))
    print(f"took {time.monotonic() - began:.0f} s", file=sys.stderr)
    sys.exit(code)
