"""What the exit code of a command says, and how a command is interrupted."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from enum import IntEnum

from speechmq.errors import RecordingError, RequestError, SpeechmqError
from speechmq_schemas import StreamEnded, StreamFailed

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ExitCode(IntEnum):
    ENDED = 0
    FAILED = 1
    USAGE = 2
    NO_ANSWER = 3
    INTERRUPTED = 130


def code_of(end: StreamEnded | StreamFailed) -> ExitCode:
    return ExitCode.ENDED if isinstance(end, StreamEnded) else ExitCode.FAILED


def code_for(error: SpeechmqError) -> ExitCode:
    """Ours to mend: ``USAGE``. Everything else means that nothing came back in time."""
    usage = isinstance(error, RecordingError | RequestError)
    return ExitCode.USAGE if usage else ExitCode.NO_ANSWER


async def interruptible(
    work: Callable[[asyncio.Event], Awaitable[ExitCode]], *, at_once: bool = False
) -> ExitCode:
    """Runs ``work``. The first Ctrl-C (or SIGTERM) sets its event, the second cancels it.

    With ``at_once`` the first one cancels.
    """
    halt = asyncio.Event()
    loop = asyncio.get_running_loop()
    working = asyncio.ensure_future(work(halt))

    def interrupt() -> None:
        if at_once or halt.is_set():
            working.cancel()
        halt.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, interrupt)
    try:
        await asyncio.wait([working])
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        working.cancel()
    return ExitCode.INTERRUPTED if working.cancelled() else working.result()
