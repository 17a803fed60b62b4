"""A program of the development stack: started, waited for until it is ready, watched, ended."""

import asyncio
from asyncio.subprocess import Process
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from speechmq.dev.supervision import end_supervisor, start_supervisor
from speechmq.dev.supervisor import Job
from speechmq.errors import ChildFailed
from speechmq.tasks import task_group

GRACE_SECONDS = 25.0  # a worker takes up to 20 to let go of its streams
READY_SECONDS = 60.0
LAST_WORDS = 20

Log = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. It is ready when it prints a line that begins with ``ready``."""

    name: str
    command: Sequence[str]
    ready: str
    environment: Mapping[str, str] = field(default_factory=dict)


class RunningProgram:
    """Made by ``running``."""

    def __init__(self, program: Program, process: Process, log: Log) -> None:
        self._program = program
        self._process = process
        self._log = log
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._over: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def read(self) -> None:
        """Take everything that the program prints, until it is over."""
        async for line in self._lines():
            self._last_words.append(line)
            self._log(self._program.name, line)
            if line.startswith(self._program.ready) and not self._ready.done():
                self._ready.set_result(line)
        code = await self._process.wait()
        self._over.set_result(code)
        if not self._ready.done():
            self._ready.set_exception(
                self._failure(f"ended with exit code {code} before it was ready")
            )

    async def _lines(self) -> AsyncIterator[str]:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101  # opened as a pipe
        while True:
            try:
                line = await stdout.readline()
            except ValueError:  # longer than LINE_LIMIT: asyncio has thrown it away
                continue
            if not line:
                return
            yield line.decode(errors="replace").rstrip()

    async def ready(self, within: float) -> str:
        """Return the line that says so; raises ``ChildFailed``."""
        try:
            async with asyncio.timeout(within):
                return await self._ready
        except TimeoutError:
            raise self._failure(f"was not ready within {within:g} s") from None

    async def fail_when_ended(self) -> None:
        """Raise ``ChildFailed`` when the program ends by itself; it never should."""
        code = await asyncio.shield(self._over)
        raise self._failure(f"ended with exit code {code} although nobody asked it to")

    def _failure(self, what: str) -> ChildFailed:
        words = "\n".join(f"  {line}" for line in self._last_words) or "  (it said nothing)"
        return ChildFailed(f"the {self._program.name} {what}. Its last words:\n{words}")


@asynccontextmanager
async def running(
    program: Program, *, log: Log, within: float = READY_SECONDS
) -> AsyncIterator[tuple[RunningProgram, str]]:
    """Run a program for the length of the block; gives it, and the line that said it is ready.

    Raises ``ChildFailed``. On the way out it gets SIGTERM and after ``GRACE_SECONDS`` SIGKILL, with
    all that it started; the same happens when this process dies without a word.
    """
    job = Job(program.command, grace=GRACE_SECONDS)
    supervisor = await start_supervisor(job, environment=program.environment)
    running_program = RunningProgram(program, supervisor, log)
    reading = asyncio.create_task(running_program.read())
    try:
        yield running_program, await running_program.ready(within)
    finally:
        await end_supervisor(supervisor, job)
        await reading


@asynccontextmanager
async def running_together(
    programs: Sequence[Program], *, log: Log, within: float = READY_SECONDS
) -> AsyncIterator[list[tuple[RunningProgram, str]]]:
    """As ``running``, for programs that do not wait for each other to be ready."""
    async with AsyncExitStack() as stack:
        async with task_group() as tasks:
            begun = [
                tasks.create_task(stack.enter_async_context(running(one, log=log, within=within)))
                for one in programs
            ]
        yield [one.result() for one in begun]
