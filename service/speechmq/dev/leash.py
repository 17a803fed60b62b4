"""The process between us and a child, so that the child never outlives us.

Run as a script: `leash.py GRACE COMMAND…`. When stdin closes, however its owner died, or on
SIGTERM, the child gets SIGTERM and GRACE seconds later SIGKILL, with all that it started in its
session. Ends with the child and with its exit code. It lives in a session of its own, so Ctrl-C at
a terminal reaches the owner only. Depends on nothing of ours.
"""

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from types import FrameType

POLL_SECONDS = 0.1
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def wait_for_either(child: "subprocess.Popen[bytes]", pipe: int) -> None:
    """Return when the child has ended or the owner is gone.

    A process that the owner forked may hold the pipe open after the owner's death. So the
    parent's identity is looked at too.
    """
    owner = os.getppid()
    while child.poll() is None and os.getppid() == owner:
        if select.select([pipe], [], [], POLL_SECONDS)[0] and not os.read(pipe, 4096):
            return


def end(child: "subprocess.Popen[bytes]", grace: float) -> int:
    """End the child and its descendants, and return its exit code as a shell would tell it."""
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(grace)
    # macOS answers EPERM where only zombies are left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    code = child.wait()
    return code if code >= 0 else 128 - code


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(1)


def main(grace: str, *command: str) -> int:
    for number in SIGNALS:
        signal.signal(number, _leave)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    try:
        wait_for_either(child, sys.stdin.fileno())
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        code = end(child, float(grace))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
