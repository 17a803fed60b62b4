"""One bridge under one load: what it costs, and how late things come. Each process on its own."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import psutil
from bench.processes import Child, running
from bench.speed.bridges import OURS, Bridge
from bench.speed.figures import Lags
from bench.speed.pacing import Load
from bench.speed.speech import Pace


@dataclass(frozen=True, slots=True)
class Measured:
    """``cpu`` in seconds and ``memory`` in bytes are the bridge's, of the measured time and at its
    end. ``to_upstream`` counts from the chunk's publishing, ``to_consumer`` from upstream's word.
    ``published_late`` is the load's own fault. ``idle`` is the share of the machine that nobody
    used: without any, lags tell of the machine, and not of the bridge."""

    load: Load
    cpu: float
    memory: int
    chunks: int
    messages: int
    idle: float
    late_streams: int
    starting: float
    to_upstream: Lags
    to_consumer: Lags
    published_late: Lags

    @property
    def cost(self) -> float:
        """CPU seconds per chunk that came to upstream."""
        return self.cpu / self.chunks

    @property
    def share(self) -> float:
        """Of the chunks that were due, how many came."""
        return self.chunks / (self.load.chunks_per_second * self.load.seconds)

    @property
    def starts_per_second(self) -> float:
        return self.load.streams / self.starting


def measure(bridge: Bridge, broker_url: str, load: Load) -> Measured:
    """Raises ``RuntimeError`` when a process ends early."""
    pace = Pace(distance=load.distance_ms / 1000).hastened(load.haste)
    with standing(bridge, broker_url, load.streams, pace) as measured_under:
        return measured_under(load)


@contextmanager
def standing(
    bridge: Bridge, broker_url: str, streams: int, pace: Pace
) -> Iterator[Callable[[Load], Measured]]:
    """A bridge and its upstream, which wait for a load.

    Raises ``RuntimeError`` when a process ends early.
    """
    with (
        running(["bench.speed.acceptor", *pace.arguments]) as upstream,
        bridge.running(broker_url, upstream.line(), streams) as child,
    ):
        yield partial(under_load, child, upstream, bridge, broker_url)


def under_load(
    bridge: Child, upstream: Child, kind: Bridge, broker_url: str, load: Load
) -> Measured:
    with _speaking(kind, broker_url, load) as speaking:
        speaking.expect("speaking")
        cpu = bridge.cpu
        psutil.cpu_times_percent()
        speaking.expect("silent")
        cpu, memory = bridge.cpu - cpu, bridge.resident
        idle = psutil.cpu_times_percent().idle / 100
        results = json.loads(speaking.line())
    heard = json.loads(upstream.ask(f"{results['since']} {results['until']}"))
    return Measured(
        load,
        cpu,
        memory,
        heard["chunks"],
        heard["messages"],
        idle,
        heard["late_streams"],
        results["starting"],
        Lags(**heard["lags"]),
        Lags(**results["events"]),
        Lags(**results["late"]),
    )


@contextmanager
def _speaking(kind: Bridge, broker_url: str, load: Load) -> Iterator[Child]:
    options = {
        "--streams": load.streams,
        "--chunk-ms": load.chunk_ms,
        "--seconds": load.seconds,
        "--settle": load.settle,
        "--tick-ms": load.tick_ms,
    }
    arguments = [text for option in options.items() for text in map(str, option)]
    with running(["bench.speed.load", broker_url, kind.dialect, *arguments]) as speaking:
        yield speaking


@dataclass(frozen=True, slots=True)
class Drained:
    """Seconds from SIGTERM until the worker's process was over, and until the other worker had
    resumed the last stream."""

    over: float
    resumed: float


def drain(broker_url: str, load: Load) -> Drained:
    """A worker with all streams is told to stop; another, which is ready, takes them over."""
    with running(["bench.speed.acceptor", *Pace().arguments]) as upstream:
        url = upstream.line()
        with (
            OURS.running(broker_url, url, load.streams) as leaving,
            _speaking(OURS, broker_url, load) as speaking,
        ):
            speaking.expect("speaking")
            with OURS.running(broker_url, url, load.streams):
                return _drain(leaving, speaking, load)


def _drain(leaving: Child, speaking: Child, load: Load) -> Drained:
    told = time.monotonic()
    leaving.process.send_signal(signal.SIGTERM)
    leaving.process.wait(60)
    over = time.monotonic() - told
    speaking.expect("silent")
    results: dict[str, Any] = json.loads(speaking.line())
    if (resumed := results["heard"].get("stream.resumed", 0)) != load.streams:
        raise RuntimeError(f"{resumed} of {load.streams} streams were resumed")
    return Drained(over, results["last"]["stream.resumed"] - told)
