"""``python -m bench.speed``: what a chunk costs, beside two other bridges under the same load.

Prints the tables and writes them to ``--write FILE``. With ``--full``, longer and more, and holds
as many streams on one core as the costs promise; with ``--hold N`` does only that, with N streams.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from bench.aside import aside, broker
from bench.machine import machine
from bench.speed.bridges import CLASSIC, OURS
from bench.speed.measurement import Drained, Measured, drain, measure
from bench.speed.pacing import Load
from bench.speed.plan import FULL, QUICK, Plan, Step
from bench.speed.report import Results, held, kept_of, written
from tests.support.broker import BrokerAddress

LIBRARIES = (
    *("aio-pika", "aiormq", "pamqp", "websockets", "uvloop", "msgspec"),
    *("faststream", "speechmatics-rt"),
)


MINUTE = 60.0
TICK_MS = 2
"""A load that keeps awake would take from RabbitMQ what it needs."""


class Bench:
    """Carries a plan out, each measurement in a vhost of its own."""

    def __init__(self, broker: BrokerAddress) -> None:
        self._broker = broker

    def run(self, plan: Plan) -> Results:
        results = Results()
        for step in plan.steps():
            results.costs.setdefault((step.bridge.dialect, step.load), []).append(self._cost(step))
        for _ in range(plan.scale_runs):
            results.drains.append(self._drain(plan.drained))
        if plan.held is not None:
            self.hold(results, plan, results.held_by_a_core(OURS, plan.many), plan.held)
        return results

    def _cost(self, step: Step) -> Measured:
        _tell(f"{step.bridge.title}, {step.load}")
        with aside(self._broker) as url:
            measured = measure(step.bridge, url, step.load)
        _tell(f"  {measured.cost * 1e6:.0f} µs a chunk, {measured.share:.1%} came")
        return measured

    def hold(self, results: Results, plan: Plan, streams: int, seconds: float) -> None:
        """Classic queues first: RabbitMQ is busy for a while behind many quorum queues."""
        load = Load(streams, plan.many.chunk_ms, seconds, plan.settle, tick_ms=TICK_MS)
        for bridge in (CLASSIC, OURS):
            results.held.append((bridge.title, self._cost(Step(bridge, load))))

    def _drain(self, load: Load) -> Drained:
        _tell(f"drain of {load}")
        with aside(self._broker) as url:
            return drain(url, load)

    def version(self) -> str:
        return asyncio.run(self._broker.management.version())


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.speed")
    parser.add_argument("--full", action="store_true", help="longer, and more of it")
    parser.add_argument("--hold", type=int, help="only so many streams, for a minute")
    parser.add_argument("--write", type=Path, help="the file for the tables")
    asked = parser.parse_args()
    plan = FULL if asked.full else QUICK
    began = time.monotonic()
    with broker() as address:
        bench = Bench(address)
        about = f"{machine(LIBRARIES)}, RabbitMQ {bench.version()}"
        if asked.hold is not None:
            results = Results()
            bench.hold(results, plan, asked.hold, MINUTE)
            page = f"{about}\n\n{held(results)}"
        else:
            page = written(bench.run(plan), plan, about)
    print(page)
    if asked.write is not None:
        kept = kept_of(asked.write.read_text()) if asked.write.exists() else ""
        asked.write.write_text(page + kept)
    _tell(f"took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
