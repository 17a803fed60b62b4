"""The commands `dead list`, `show`, `replay` and `drop`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from speechmq.broker.amqp import safe_decode
from speechmq_schemas import Names

from .connection import connected
from .dead_queue import HeldLetters, drop_letters, read_letters
from .exits import ExitCode
from .letter_view import json_row, table, whole
from .letters import DeadLetter, select
from .options import DEFAULT_NAMESPACE, DEFAULT_URL, Namespace, Url, result_of, tell, told
from .replay import Replayed, replay_letters
from .screen import print_plain

NAME = "speechmq dead"

app = typer.Typer(
    pretty_exceptions_enable=False,
    help="Look at what was refused, and send it again or throw it away.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Limit = Annotated[
    int, typer.Option(min=1, max=10_000, help="How many letters to look at, the oldest first.")
]
Which = Annotated[str | None, typer.Argument(help="A letter's number or id, as listed.")]
All = Annotated[bool, typer.Option("--all", help="All of them, up to --limit.")]
Code = Annotated[str | None, typer.Option(help="Of all, those that were refused for this.")]


@app.callback()
def prepare() -> None:
    # Anybody may have put anything into the queue: it is to be shown, not to break the connection.
    safe_decode.install()


@app.command("list")
def list_letters(
    code: Annotated[str | None, typer.Option(help="Those that were refused for this.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a letter.")] = False,
    limit: Limit = 100,
    url: Url = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
) -> None:
    """List what was refused, and why; the oldest first."""
    names, now = Names(namespace), datetime.now(UTC)
    with told():
        found = _read(url, names, limit)
        chosen = select(found.letters, None, everything=True, code=code)
        if as_json:
            _print(json_row(letter, names, now) for letter in chosen)
        elif chosen:
            _print(table(chosen, names, now))
        else:
            tell("there are no dead letters" if code is None else f"none were refused for {code!r}")
        _tell_more(found.more)


@app.command()
def show(
    which: Annotated[str, typer.Argument(help="A letter's number or id, as listed.")],
    limit: Limit = 100,
    url: Url = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
) -> None:
    """Show one letter with its headers and its body."""
    names = Names(namespace)
    with told():
        (letter,) = select(_read(url, names, limit).letters, which, everything=False)
        _print(whole(letter, names, datetime.now(UTC)))


@app.command()
def replay(  # noqa: PLR0917  # each is an option
    which: Which = None,
    everything: All = False,
    code: Code = None,
    routing_key: Annotated[
        str | None, typer.Option(help="Where to, for a letter that does not tell.")
    ] = None,
    limit: Limit = 100,
    url: Url = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
) -> None:
    """Send a letter again to where it was meant to go; it leaves the queue when it has arrived.

    Should the connection be lost right then, the letter was sent and stays too.
    """
    names = Names(namespace)

    def choose(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        return select(letters, which, everything=everything, code=code)

    async def work() -> Replayed:
        async with connected(url, NAME) as connection:
            return await replay_letters(connection, names, limit, choose, routing_key)

    with told():
        done = result_of(work)
        for problem in done.problems:
            tell(problem)
        tell(f"{_count(done.count)} replayed")
        _tell_more(done.more)
    raise typer.Exit(ExitCode.FAILED if done.problems else ExitCode.ENDED)


@app.command()
def drop(  # noqa: PLR0917  # each is an option
    which: Which = None,
    everything: All = False,
    code: Code = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    limit: Limit = 100,
    url: Url = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
) -> None:
    """Throw a letter away for good."""
    names = Names(namespace)
    with told():
        found = _read(url, names, limit)
        chosen = select(found.letters, which, everything=everything, code=code)
        if chosen and not yes:
            # Nothing is held while a person thinks.
            _print(table(chosen, names, datetime.now(UTC)))
            typer.confirm(f"Drop {_count(len(chosen))} for good?", abort=True)
        dropped = result_of(lambda: _drop(chosen, url, names, limit)) if chosen else 0
        tell(f"{_count(dropped)} dropped")
        _tell_more(found.more)


async def _drop(chosen: list[DeadLetter], url: str, names: Names, limit: int) -> int:
    async with connected(url, NAME) as connection:
        return await drop_letters(connection, names, limit, chosen)


def _read(url: str, names: Names, limit: int) -> HeldLetters:
    async def read() -> HeldLetters:
        async with connected(url, NAME) as connection:
            return await read_letters(connection, names, limit)

    return result_of(read)


def _print(lines: Iterable[str]) -> None:
    console = Console()
    for line in lines:
        print_plain(console, line)


def _count(letters: int) -> str:
    return "1 dead letter" if letters == 1 else f"{letters} dead letters"


def _tell_more(more: int) -> None:
    if more:
        tell(f"{_count(more)} more behind these: see --limit")
