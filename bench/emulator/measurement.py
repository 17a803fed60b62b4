"""One server and one load generator, each a process on cores of its own, and what they cost.

A server's children count with it.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.processes import Child, running


@dataclass(frozen=True, slots=True)
class Measurement:
    """``cpu`` and ``memory`` are the server's: seconds, bytes. Lags are in seconds.

    ``seconds`` and ``cpu`` run from the first chunk to the last one's confirmation, without
    handshakes.
    """

    sessions: int
    seconds: float
    cpu: float
    memory: int
    results: dict[str, float]

    @property
    def cpu_share(self) -> float:
        """Of one core."""
        return self.cpu / self.seconds

    @property
    def cpu_per_chunk(self) -> float:
        return self.cpu / self.results["chunks"]


def measure(
    server: Sequence[str],
    load: Sequence[str],
    *,
    sessions: int,
    server_cores: Sequence[int],
    load_cores: Sequence[int],
) -> Measurement:
    """Start ``python -m *server``, wait for the address that it prints, and load it.

    Raises:
        RuntimeError: the server or the load generator ended early.
    """
    with running(server, on_cores=server_cores) as child:
        url = child.line().split()[-1]
        counted = [*load, url, "--sessions", str(sessions)]
        with running(counted, on_cores=load_cores) as speaking:
            return _watch(child, speaking, sessions)


def _watch(server: Child, speaking: Child, sessions: int) -> Measurement:
    speaking.expect("speaking")
    began, cpu = time.monotonic(), server.cpu
    speaking.expect("silent")
    seconds, cpu = time.monotonic() - began, server.cpu - cpu
    return Measurement(sessions, seconds, cpu, server.memory, json.loads(speaking.line()))
