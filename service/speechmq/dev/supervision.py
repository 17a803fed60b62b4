"""Starts and ends the supervisor of a job."""

import asyncio
import shutil
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Mapping
from contextlib import suppress

from speechmq.dev.supervisor import Job

CLEAR_UP_SECONDS = 60.0
LINE_LIMIT = 2**20


async def start_supervisor(job: Job, *, environment: Mapping[str, str]) -> Process:
    """Its stdout has the job's output, or the reports of a job with orders.

    The job's folder is removed where the supervisor cannot start.
    """
    try:
        return await asyncio.create_subprocess_exec(
            *job.arguments(),
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT if job.folder is None else None,
            limit=LINE_LIMIT,
            env=dict(environment),
            start_new_session=True,
        )
    except BaseException:
        if job.folder is not None:
            shutil.rmtree(job.folder, ignore_errors=True)
        raise


async def end_supervisor(supervisor: Process, job: Job) -> None:
    """Closes the pipe and waits until the job has ended and nothing of it is left.

    Kills the supervisor a minute after the job's grace.
    """
    assert supervisor.stdin is not None  # noqa: S101  # opened as a pipe
    supervisor.stdin.close()
    try:
        async with asyncio.timeout(job.grace + CLEAR_UP_SECONDS):
            await supervisor.wait()
    except TimeoutError:
        supervisor.kill()
        await supervisor.wait()
    with suppress(BrokenPipeError, ConnectionResetError):
        await supervisor.stdin.wait_closed()
