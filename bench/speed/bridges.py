"""The three bridges that are measured, each a process of its own."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bench.processes import Child, running
from tests.support.worker import READY, worker_environment

CAPACITY = 200
"""Of a worker by default; it is raised for a load of more streams, and all else is as it comes."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """``dialect`` is what the load speaks to it; ``module`` is run with the broker's URL and the
    upstream's, or finds them in its environment, beside ``settings``."""

    dialect: str
    title: str
    module: tuple[str, ...]
    ready: str = "ready"
    is_ours: bool = False
    settings: tuple[tuple[str, str], ...] = ()

    @contextmanager
    def running(self, broker_url: str, upstream_url: str, streams: int) -> Iterator[Child]:
        """Raises ``RuntimeError`` with what it said last, when it ends early."""
        arguments = () if self.is_ours else (broker_url, upstream_url)
        with tempfile.TemporaryFile("w+") as errors:
            try:
                with running(
                    (*self.module, *arguments),
                    environment=self._environment(broker_url, upstream_url, streams),
                    errors=errors,
                ) as child:
                    child.wait_for(self.ready)
                    yield child
            except RuntimeError as error:
                errors.seek(0)
                raise RuntimeError(f"{self.title}: {error}\n{errors.read()[-4000:]}") from error

    def _environment(self, broker_url: str, upstream_url: str, streams: int) -> Mapping[str, str]:
        settings = dict(self.settings)
        if streams > CAPACITY:
            settings["SPEECHMQ_WORKER__CAPACITY"] = str(streams)
            settings["SPEECHMQ_LIMITS__STREAMS_PER_USER"] = "null"
        environment = worker_environment(broker_url, upstream_url, settings)
        return {**environment, "PYTHONPATH": os.getcwd()}


OURS = Bridge("ours", "speechmq", ("speechmq.cli", "worker"), READY, is_ours=True)
CLASSIC = replace(
    OURS,
    title="speechmq on classic queues",
    settings=(("SPEECHMQ_BROKER__QUEUE_TYPE", "classic"),),
)
"""Which one node of RabbitMQ keeps as safely, and with less work."""
NAIVE = Bridge("naive", "naive", ("bench.speed.naive",))
FLOOR = Bridge("floor", "floor", ("bench.speed.floor",))
BRIDGES = (OURS, NAIVE, FLOOR)
