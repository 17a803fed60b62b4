"""The process between this program and one that it starts, so that nothing outlives this program.

Run as a script, with a ``Job`` as JSON. It holds the reading end of a pipe as stdin. When the other
end closes, however its owner died, or on SIGTERM, it ends all that it started. It lives in a
session of its own, so Ctrl-C at a terminal reaches the owner only. Depends on psutil alone.

A job without a folder runs once, and the script ends with it and with its exit code. A job with a
folder runs by orders, one a line on stdin: `start`, `stop` (SIGTERM), `kill`. For each `start`,
exactly one line `ended <exit code>` comes on stdout when that run is over, for whatever reason.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import psutil

POLL_SECONDS = 0.1
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Job:
    """What to run, and how it ends.

    At the end it gets SIGTERM and ``grace`` seconds later SIGKILL, with all that it started; with
    no grace SIGKILL at once. ``folder`` is its working directory, with its output in `output.log`,
    and is removed at the end. Processes that have the folder in the environment variable ``mark``
    belong to the job, also those that have left the family tree. ``cleanup`` runs last.
    """

    command: Sequence[str]
    grace: float = 0.0
    folder: str | None = None
    mark: str | None = None
    cleanup: Sequence[str] = ()

    def arguments(self) -> tuple[str, ...]:
        """The command line that runs this job under a supervisor."""
        return (sys.executable, "-I", __file__, json.dumps(asdict(self)))


class Supervisor:
    """One job, and its run if there is one now."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, pipe: int) -> int:
        """Returns when the owner is gone, or a job without orders has ended.

        Returns the exit code as a shell shows it.
        """
        if self._job.folder is None:
            self._process = self._started()
        for order in orders(pipe):
            if self._job.folder is None:
                if self._has_ended():
                    break
            elif order is None:
                self._report_end()
            else:
                self._obey(order)
        code = self._end_run()
        return code if code >= 0 else 128 - code

    def close(self) -> None:
        """Ends what still runs, and removes what the job leaves on the disk."""
        self._end_run()
        if self._job.cleanup:
            subprocess.run(self._job.cleanup, check=False, capture_output=True)  # noqa: S603
        if self._job.folder is not None:
            shutil.rmtree(self._job.folder, ignore_errors=True)

    def _started(self) -> "subprocess.Popen[bytes]":
        folder = self._job.folder
        with (
            nullcontext() if folder is None else (Path(folder) / "output.log").open("ab") as output
        ):
            return subprocess.Popen(  # noqa: S603
                self._job.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                start_new_session=True,
            )

    def _obey(self, order: str) -> None:
        if order == "start" and self._process is None:
            self._process = self._started()
        elif order == "stop" and self._process is not None:
            self._process.terminate()
        elif order == "kill" and self._process is not None:
            self._sweep()

    def _has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _report_end(self) -> None:
        """If the run has ended, ends what it has left and reports its exit code."""
        if self._has_ended():
            code = self._end_run()
            with suppress(BrokenPipeError):  # the owner has died
                print(f"ended {code}", flush=True)

    def _end_run(self) -> int:
        """The exit code, or the negative number of a signal."""
        process = self._process
        if process is not None and self._job.grace:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(self._job.grace)
        self._sweep()
        self._process = None
        return 0 if process is None else process.returncode

    def _sweep(self) -> None:
        """Kills all that belongs to the job, until nothing of it is left."""
        if self._process is not None:
            # macOS answers EPERM where only zombies are left.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        while family := self._family():
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.01)

    def _family(self) -> list[psutil.Process]:
        """Descendants, and processes with the mark: daemons leave the family tree."""
        descendants = psutil.Process().children(recursive=True)
        marked = [] if self._job.mark is None else filter(self._is_marked, psutil.process_iter())
        return [p for p in {*descendants, *marked} if p.pid != os.getpid() and _is_alive(p)]

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(self._job.mark or "") == self._job.folder
        except (psutil.Error, OSError):  # gone, a zombie, or another user's
            return False


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def orders(pipe: int) -> Iterator[str | None]:
    """The owner's orders until the owner is gone, and nothing ten times a second between them.

    A process that the owner forked may hold the pipe open after the owner's death. So the
    parent's identity is looked at too.
    """
    owner = os.getppid()
    pending = b""
    while os.getppid() == owner:
        yield None
        if not select.select([pipe], [], [], POLL_SECONDS)[0]:
            continue
        received = os.read(pipe, 4096)
        if not received:
            return
        *lines, pending = (pending + received).split(b"\n")
        yield from (line.decode() for line in lines)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(1)


def main(job: str) -> int:
    supervisor = Supervisor(Job(**json.loads(job)))
    for number in SIGNALS:
        signal.signal(number, _leave)
    try:
        return supervisor.run(sys.stdin.fileno())
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        supervisor.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
