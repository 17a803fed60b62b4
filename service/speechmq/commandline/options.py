"""Options that commands share, and how a command runs and tells what went wrong."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn, TypeVar

import typer

from speechmq.dev.rabbitmq_errors import DevelopmentBrokerError
from speechmq.errors import SpeechmqError

from .exits import ExitCode, code_for, interruptible

T = TypeVar("T")

DEFAULT_URL = "amqp://guest:guest@localhost:5672/"
DEFAULT_NAMESPACE = "speechmq"

Url = Annotated[
    str,
    typer.Option(
        envvar="SPEECHMQ_BROKER__URL", help="RabbitMQ's AMQP URL; several with commas between."
    ),
]
Namespace = Annotated[
    str,
    typer.Option(envvar="SPEECHMQ_BROKER__NAMESPACE", help="What names of exchanges begin with."),
]


def run(work: Callable[[asyncio.Event], Awaitable[ExitCode]], *, at_once: bool = False) -> ExitCode:
    """Runs ``work`` to its end; Ctrl-C sets its event, or cancels it ``at_once``."""
    return asyncio.run(interruptible(work, at_once=at_once))


def result_of(work: Callable[[], Awaitable[T]]) -> T:
    """What ``work`` returns; Ctrl-C leaves the command."""
    results: list[T] = []

    async def keep(_: asyncio.Event) -> ExitCode:
        results.append(await work())
        return ExitCode.ENDED

    code = run(keep, at_once=True)
    if not results:
        raise typer.Exit(code)
    return results[0]


@contextmanager
def told() -> Iterator[None]:
    """Tells an error on purpose in one sentence, and leaves with its exit code."""
    try:
        yield
    except SpeechmqError as error:
        leave(str(error), code_for(error))
    except DevelopmentBrokerError as error:
        leave(str(error), ExitCode.NO_ANSWER)


def leave(text: str, code: ExitCode) -> NoReturn:
    tell(text)
    raise typer.Exit(code)


def tell(text: str) -> None:
    """What is not a command's output."""
    print(f"speechmq: {text}", file=sys.stderr, flush=True)
