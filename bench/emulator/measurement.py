"""One server and one load generator, each a process on cores of its own, and what they cost.

A server's children count with it. Without ``sched_setaffinity`` (macOS) nothing is pinned.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import psutil

_END_TIMEOUT = 60.0


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


def cores() -> list[int]:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


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
    with _running(server, server_cores) as (process, lines):
        url = _line(lines).split()[-1]
        counted = [*load, url, "--sessions", str(sessions)]
        with _running(counted, load_cores) as (_, answers):
            return _watch(psutil.Process(process.pid), answers, sessions)


def _watch(server: psutil.Process, answers: IO[str], sessions: int) -> Measurement:
    _await(answers, "speaking")
    began, cpu = time.monotonic(), _cpu(server)
    _await(answers, "silent")
    seconds, cpu = time.monotonic() - began, _cpu(server) - cpu
    memory = sum(_memory(process) for process in _family(server))
    return Measurement(sessions, seconds, cpu, memory, json.loads(_line(answers)))


def _await(lines: IO[str], word: str) -> None:
    if (line := _line(lines)) != word:
        raise RuntimeError(f"the load generator said {line!r} in the place of {word!r}")


def _line(lines: IO[str]) -> str:
    line = lines.readline()
    if not line:
        raise RuntimeError("a process ended early; what it said stands above")
    return line.strip()


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _cpu(server: psutil.Process) -> float:
    """Seconds of user and system time so far, children's included."""
    times = [process.cpu_times() for process in _family(server)]
    return sum(each.user + each.system for each in times)


def _memory(process: psutil.Process) -> int:
    """Proportional set size, where the system tells it: forks share most of their pages."""
    usage = process.memory_full_info() if psutil.LINUX else process.memory_info()
    return int(getattr(usage, "pss", usage.rss))


@contextmanager
def _running(
    module: Sequence[str], on_cores: Sequence[int]
) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    process = subprocess.Popen(  # noqa: S603  # our own modules
        [sys.executable, "-m", *module], stdout=subprocess.PIPE, text=True
    )
    try:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, on_cores)
        if process.stdout is None:
            raise RuntimeError("there is no pipe to read")
        with process.stdout as lines:
            yield process, lines
    finally:
        process.terminate()
        process.wait(_END_TIMEOUT)
