"""Python modules as processes of their own that talk by lines, and what they cost.

Without ``sched_setaffinity`` (macOS) nothing is pinned.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import psutil

_END_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Child:
    """A module that runs; made by ``running``."""

    process: psutil.Popen
    answers: IO[str]
    questions: IO[str]

    def line(self) -> str:
        """The next one that it prints; raises ``RuntimeError`` when it has ended instead."""
        line = self.answers.readline()
        if not line:
            raise RuntimeError(f"process {self.process.pid} ended early; what it said stands above")
        return line.strip()

    def expect(self, word: str) -> None:
        if (line := self.line()) != word:
            raise RuntimeError(f"a process said {line!r} in the place of {word!r}")

    def wait_for(self, word: str) -> None:
        """Passes over other lines."""
        while self.line() != word:
            pass

    def ask(self, question: str) -> str:
        self.questions.write(f"{question}\n")
        self.questions.flush()
        return self.line()

    @property
    def cpu(self) -> float:
        """Seconds of user and system time so far, children's included."""
        times = [process.cpu_times() for process in self._family]
        return float(sum(each.user + each.system for each in times))

    @property
    def memory(self) -> int:
        """Proportional set size, where the system tells it: forks share most of their pages."""
        return sum(_memory(process) for process in self._family)

    @property
    def resident(self) -> int:
        """Bytes of the process alone that are in memory now."""
        return int(self.process.memory_info().rss)

    @property
    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def _memory(process: psutil.Process) -> int:
    usage = process.memory_full_info() if psutil.LINUX else process.memory_info()
    return int(getattr(usage, "pss", usage.rss))


def cores() -> list[int]:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextmanager
def running(
    module: Sequence[str],
    *,
    on_cores: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    errors: IO[str] | None = None,
) -> Iterator[Child]:
    """``python -m *module`` for the length of the block; ends with SIGTERM."""
    process = psutil.Popen(
        [sys.executable, "-m", *module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=None if environment is None else dict(environment),
        text=True,
    )
    try:
        if on_cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, on_cores)
        with process.stdout as answers, process.stdin as questions:
            yield Child(process, answers, questions)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(_END_TIMEOUT)
