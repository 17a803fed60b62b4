"""The whole of speechmq on one machine: a private broker, the emulator, a worker.

The emulator and the worker are processes like any other: started, never imported. When one ends,
the stack ends; when the stack ends, however that happens, so do they.
"""

import importlib.util
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from speechmq.commandline.extras import console_is_installed
from speechmq.dev.program import Log, Program, RunningProgram, running, running_together
from speechmq.dev.rabbitmq import Broker, GivenBroker, private_broker
from speechmq.errors import ChildFailed
from speechmq.tasks import task_group
from speechmq_schemas import Names

EMULATOR = "speechmq_emulator"
LISTENING = "speechmq-emulator: listening on "
EMULATOR_READY = "speechmq-emulator: http on "  # behind the other
UPSTREAM_SECTION = "SPEECHMQ_UPSTREAM__"
WORKER_READY = "speechmq: worker ready"
CONSOLE_READY = "speechmq: console on "


@dataclass(frozen=True, slots=True)
class Stack:
    """Where to reach what runs.

    The URL of the broker has credentials in it. Those of a private one may be shown; those of a
    broker that was ``given`` are somebody's secret.
    """

    amqp_url: str
    upstream_url: str
    api_key: str
    management_url: str
    given: bool = False
    console_url: str | None = None
    """``None`` where the console's web server is not installed."""


@asynccontextmanager
async def running_stack(
    engine: str, *, report: Callable[[str], None], log: Log
) -> AsyncIterator[Stack]:
    """Run everything for the length of the block; `engine` is the emulator's.

    `report` hears of progress, `log` of every line of the programs. Raises ``ChildFailed``, also in
    the middle of the block, and ``DevelopmentBrokerError``.
    """
    if importlib.util.find_spec(EMULATOR) is None:
        raise ChildFailed("the emulator is not installed here: pip install speechmq-emulator")
    api_key = secrets.token_urlsafe(16)
    report("starting RabbitMQ")
    async with private_broker(report=report) as broker:
        report(f"{broker}; starting the emulator")
        urls: list[str] = []

        def note(program: str, line: str) -> None:
            if line.startswith(LISTENING):
                urls.append(line.removeprefix(LISTENING).strip())
            log(program, line)

        async with running(emulator(engine, api_key), log=note) as (upstream, line):
            management_url = f"{line.removeprefix(EMULATOR_READY).strip()}/v1"
            given = isinstance(broker, GivenBroker)
            stack = Stack(broker.url, urls[0], api_key, management_url, given)
            programs = [worker(stack, os.environ)]
            if console_is_installed():
                programs.append(console(stack, os.environ))
            report(f"starting the {' and the '.join(one.name for one in programs)}")
            async with (
                running_together(programs, log=log) as begun,
                _watched(broker, upstream, *(program for program, _ in begun)),
            ):
                lines = [line for _, line in begun if line.startswith(CONSOLE_READY)]
                pages = [line.removeprefix(CONSOLE_READY).strip() for line in lines]
                yield replace(stack, console_url=pages[0] if pages else None)


def console(stack: Stack, inherited: Mapping[str, str]) -> Program:
    settings = {
        "SPEECHMQ_BROKER__URL": stack.amqp_url,
        "SPEECHMQ_BROKER__NAMESPACE": Names().namespace,
    }
    command = (sys.executable, "-m", "speechmq.cli", "console", "--listen", "127.0.0.1:0")
    return Program("console", command, CONSOLE_READY, {**inherited, **settings})


def emulator(engine: str, api_key: str) -> Program:
    words = ("--port", "0", "--engine", engine, "--api-key", api_key)
    command = (sys.executable, "-m", f"{EMULATOR}.cli", *words)
    return Program("emulator", command, EMULATOR_READY, dict(os.environ))


def worker(stack: Stack, inherited: Mapping[str, str]) -> Program:
    """A worker with the settings that the caller's environment gives it, but on this stack: none
    of the caller's accounts, regions and proxies is for it."""
    others = {key: inherited[key] for key in inherited if not key.startswith(UPSTREAM_SECTION)}
    settings = {
        "SPEECHMQ_BROKER__URL": stack.amqp_url,
        "SPEECHMQ_BROKER__NAMESPACE": Names().namespace,
        "SPEECHMQ_UPSTREAM__URL": stack.upstream_url,
        "SPEECHMQ_UPSTREAM__API_KEY": stack.api_key,
        "SPEECHMQ_LOG__FORMAT": "console",  # which has the line that is waited for
        "SPEECHMQ_UPSTREAM__MANAGEMENT_URL": stack.management_url,
        "SPEECHMQ_UPSTREAM__PROXY": "direct",
    }
    command = (sys.executable, "-m", "speechmq.cli", "worker")
    return Program("worker", command, WORKER_READY, {**others, **settings})


@asynccontextmanager
async def _watched(broker: Broker, *programs: RunningProgram) -> AsyncIterator[None]:
    """Ends the block with ``ChildFailed`` when one of them is gone."""
    async with task_group() as tasks:
        watching = [tasks.create_task(program.fail_when_ended()) for program in programs]
        watching.append(tasks.create_task(_fail_when_broker_ended(broker)))
        yield
        for task in watching:
            task.cancel()


async def _fail_when_broker_ended(broker: Broker) -> None:
    code = await broker.ended()
    raise ChildFailed(f"RabbitMQ ({broker}) ended with exit code {code}, though nobody asked it to")
