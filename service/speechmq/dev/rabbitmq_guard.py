"""The process between us and a private node, so that the node never outlives us.

Run as a script. It holds the reading end of a pipe; when the other end closes, however its owner
died, every process of the node is killed and the node's folder removed. It lives in a session of
its own, so Ctrl-C at a terminal reaches the owner only. Depends on psutil and nothing of ours.

Orders, one a line on stdin: `start`, `stop` (SIGTERM), `kill`. For every `start`, exactly one line
`ended <exit code>` comes back on stdout when that run of the node is over, for whatever reason.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psutil

POLL_SECONDS = 0.1


class Guard:
    """One node: its command, its folder, and its run if there is one now."""

    def __init__(self, folder: Path, mark: str, command: list[str], farewell: list[str]) -> None:
        self._folder = folder
        self._mark = mark
        self._command = command
        self._farewell = farewell
        self._server: subprocess.Popen[bytes] | None = None

    def obey(self, order: str) -> None:
        if order == "start" and self._server is None:
            self._start()
        elif order == "stop" and self._server is not None:
            self._server.terminate()
        elif order == "kill" and self._server is not None:
            self._sweep()

    def _start(self) -> None:
        with (self._folder / "output.log").open("ab") as output:
            self._server = subprocess.Popen(  # noqa: S603
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
            )

    def report_end(self) -> None:
        """If the node has ended, take what it left behind away and say so."""
        if self._server is None or self._server.poll() is None:
            return
        self._sweep()
        code = self._server.returncode
        self._server = None
        with suppress(BrokenPipeError):  # nobody is left to hear it
            print(f"ended {code}", flush=True)

    def clear_up(self) -> None:
        self._sweep()
        if self._farewell:
            subprocess.run(self._farewell, check=False, capture_output=True)  # noqa: S603
        shutil.rmtree(self._folder, ignore_errors=True)

    def _sweep(self) -> None:
        while family := self._family():
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            if self._server is not None:
                self._server.wait()
            time.sleep(0.01)

    def _family(self) -> list[psutil.Process]:
        """Our descendants, and whoever carries the node's mark: daemons leave the family tree."""
        descendants = psutil.Process().children(recursive=True)
        marked = [process for process in psutil.process_iter() if self._is_marked(process)]
        return [p for p in {*descendants, *marked} if p.pid != os.getpid() and _is_alive(p)]

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(self._mark) == str(self._folder)
        except (psutil.Error, OSError):  # gone, a zombie, or not ours to look at
            return False


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def orders(pipe: int, meanwhile: Callable[[], None]) -> Iterator[str]:
    """Yield the owner's orders until the owner is gone.

    A process that the owner forked may hold the pipe open after the owner's death. So the
    parent's identity is looked at too.
    """
    owner = os.getppid()
    pending = b""
    while os.getppid() == owner:
        meanwhile()
        if not select.select([pipe], [], [], POLL_SECONDS)[0]:
            continue
        received = os.read(pipe, 4096)
        if not received:
            return
        *lines, pending = (pending + received).split(b"\n")
        yield from (line.decode() for line in lines)


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(1)


def main(argv: list[str]) -> None:
    """Guard until the owner is gone. `argv`: folder, mark, and two JSON lists of words."""
    folder, mark, command, farewell = argv
    guard = Guard(Path(folder), mark, json.loads(command), json.loads(farewell))
    ends = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in ends:
        signal.signal(number, _end)
    try:
        for order in orders(sys.stdin.fileno(), guard.report_end):
            guard.obey(order)
    finally:
        for number in ends:
            signal.signal(number, signal.SIG_IGN)
        guard.clear_up()


if __name__ == "__main__":
    main(sys.argv[1:])
