"""The command line: reads options, calls what does the work, makes an exit code of the outcome."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from speechmq.commandline.dead import app as dead_letters
from speechmq.commandline.exits import ExitCode
from speechmq.commandline.extras import console_is_installed
from speechmq.commandline.options import (
    DEFAULT_NAMESPACE,
    DEFAULT_URL,
    Namespace,
    Url,
    run,
    tell,
    told,
)
from speechmq.commandline.screen import print_plain
from speechmq.commandline.status import EXIT_CODES as STATUS_EXIT_CODES
from speechmq.commandline.status import status
from speechmq.commandline.streams import EXIT_CODES, SEND_EXIT_CODES, captions, listen, send
from speechmq.commandline.topology import app as topology
from speechmq.dev.demo import find_sample, run_demo, run_stack
from speechmq.errors import RequestError
from speechmq_schemas import Names

app = typer.Typer(
    name="speechmq",
    help="Live speech over message queues.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(asked: bool) -> None:  # typer calls it
    if asked:
        print(f"speechmq {version_of('speechmq')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version, and leave."
        ),
    ] = False,
) -> None:
    """Live speech over message queues."""


class Engine(StrEnum):
    SPHINX = "sphinx"
    LEDGER = "ledger"


app.command(epilog=SEND_EXIT_CODES, short_help="Send a recording, show its captions.")(send)
app.command(epilog=EXIT_CODES, short_help="Show captions as they come.")(listen)
app.command(epilog=EXIT_CODES, short_help="Write captions to a file.")(captions)


@app.command(
    epilog=f"{EXIT_CODES} 3 also tells that a process did not start, or ended.",
    short_help="Run all of speechmq on this machine.",
)
def dev(
    demo: Annotated[bool, typer.Option("--demo", help="Send a recording, sum up, leave.")] = False,
    engine: Annotated[Engine, typer.Option(help="What the emulator recognises with.")] = (
        Engine.SPHINX
    ),
    file: Annotated[
        Path | None, typer.Option(help="What --demo sends; the checkout's sample if not given.")
    ] = None,
    logs: Annotated[bool, typer.Option("--logs", help="Show the processes' logs too.")] = False,
) -> None:
    """Run a private RabbitMQ, the emulator and a worker until Ctrl-C, or for one recording."""
    console, log = Console(), _show_log if logs else _drop_log
    with told():
        if not demo:
            if file is not None:
                raise RequestError("--file names what --demo sends: give both")
            code = run(lambda _: run_stack(engine, console, log), at_once=True)
            raise typer.Exit(ExitCode.ENDED if code is ExitCode.INTERRUPTED else code)
        chosen = find_sample() if file is None else file
        code = run(lambda _: run_demo(engine, chosen, console, log), at_once=True)
    raise typer.Exit(code)


app.command(epilog=STATUS_EXIT_CODES, short_help="Ask how a stream is doing.")(status)


@app.command(
    epilog="Exit codes: 0 it was told to leave; 2 the options are wrong, the address is in use, or "
    "the page's server is not installed.",
    short_help="Show all streams on a web page.",
)
def console(
    *,
    url: Url = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
    listen: Annotated[
        str, typer.Option(help="HOST:PORT of the page; port 0 takes a free one.")
    ] = "127.0.0.1:8642",
    streams: Annotated[int, typer.Option(min=1, help="Streams that are kept at most.")] = 1000,
    memory: Annotated[
        int, typer.Option(min=8, help="MiB that their events may take; the oldest go first.")
    ] = 256,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            envvar="SPEECHMQ_CONSOLE_ALLOWED_HOSTS",
            help="A name that browsers call the page by, besides those of loopback; may be "
            "repeated. Requests by other names are answered with 400.",
        ),
    ] = None,
    user_header: Annotated[
        str | None,
        typer.Option(
            envvar="SPEECHMQ_CONSOLE_USER_HEADER",
            help="A header in which a reverse proxy says who is there; without it, 401.",
        ),
    ] = None,
) -> None:
    """Show all streams on a web page while they run, until Ctrl-C.

    SPEECHMQ_CONSOLE_TOKEN is the password that the page asks for. Without it, or --user-header,
    the page is served on loopback alone.

    Waits for a broker that is not there yet, and comes back to one that was restarted.
    """
    with told():
        if not console_is_installed():
            raise RequestError(
                "the page's web server is not installed here: pip install 'speechmq[console]'"
            )
        # Only this command needs a web server.
        from speechmq.console.command import ConsoleRequest, access_from, run_console  # noqa: PLC0415

        request = ConsoleRequest(
            url,
            Names(namespace),
            listen,
            streams,
            memory * 2**20,
            hosts=tuple(allowed_host or ()),
            access=access_from(os.environ, user_header),
        )
        code = run(lambda _: run_console(request, ready=_show_url, tell=tell), at_once=True)
    raise typer.Exit(ExitCode.ENDED if code is ExitCode.INTERRUPTED else code)


def _show_url(url: str) -> None:
    print(f"speechmq: console on {url}", flush=True)


app.add_typer(dead_letters, name="dead", short_help="Look at what was refused.")
app.add_typer(topology, name="topology", short_help="Make, check or print the topology.")


@app.command(
    epilog="Exit codes: 0 nothing has failed; 1 something has; 130 interrupted.",
    short_help="Say what is wrong with an installation.",
)
def doctor(
    management_url: Annotated[
        str | None,
        typer.Option(
            envvar="SPEECHMQ_MANAGEMENT_URL",
            help="RabbitMQ's HTTP API. [default: port 15672 of the broker, unless it speaks TLS]",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a finding.")] = False,
) -> None:
    """Examine what a worker with these settings would meet, and say what cures it.

    Starts a session upstream without audio, and ends it. Leaves nothing behind.
    """
    if management_url is not None and not management_url.startswith(("http://", "https://")):
        raise typer.BadParameter("--management-url begins with http:// or https://")
    code = run(lambda _: _doctor(management_url, as_json=as_json), at_once=True)
    raise typer.Exit(code)


async def _doctor(management_url: str | None, *, as_json: bool) -> ExitCode:
    # Takes as long to import as a worker does.
    from speechmq.commandline.doctor.examination import examine  # noqa: PLC0415
    from speechmq.commandline.doctor.finding import Verdict  # noqa: PLC0415

    console, code = Console(), ExitCode.ENDED
    async for finding in examine(management_url):
        for line in [finding.json_line()] if as_json else finding.lines():
            print_plain(console, line)
        if finding.verdict is Verdict.FAILED:
            code = ExitCode.FAILED
    return code


@app.command(short_help="Serve streams until SIGTERM.")
def worker(
    check: Annotated[
        bool, typer.Option("--check", help="Show the settings, secrets redacted, and leave.")
    ] = False,
) -> None:
    """Serve streams until SIGTERM. Settings are environment variables: see --check."""
    # Everything that a worker needs takes a second to import; the other commands don't need it.
    from speechmq.worker.app import check_settings, run_worker  # noqa: PLC0415

    with told():
        code = check_settings() if check else run_worker()
    raise typer.Exit(code)


def _show_log(name: str, line: str) -> None:
    print(f"{name}: {line}", file=sys.stderr, flush=True)


def _drop_log(name: str, line: str) -> None: ...


def main() -> None:
    try:
        app()
    except BrokenPipeError:
        # Whoever read our output has left; Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.FAILED)


if __name__ == "__main__":
    main()
