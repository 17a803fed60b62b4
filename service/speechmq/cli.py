"""The command line: reads options, calls what does the work, makes an exit code of the outcome."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from aio_pika.abc import AbstractConnection
from rich.console import Console

from speechmq.commandline.audio_file import read_audio_file
from speechmq.commandline.caption_formats import Format, format_of
from speechmq.commandline.caption_output import CaptionFile, CaptionStream, Output
from speechmq.commandline.connection import connected
from speechmq.commandline.dead import app as dead_letters
from speechmq.commandline.exits import ExitCode, code_of
from speechmq.commandline.extras import console_is_installed
from speechmq.commandline.follow import follow
from speechmq.commandline.listen import listen as listen_to
from speechmq.commandline.options import (
    DEFAULT_NAMESPACE,
    DEFAULT_URL,
    Namespace,
    Url,
    run,
    tell,
    told,
)
from speechmq.commandline.report import show_result
from speechmq.commandline.request import (
    Wishes,
    checked_stream_id,
    new_stream_id,
    read_config,
    start_stream,
)
from speechmq.commandline.screen import print_plain, screen_for
from speechmq.commandline.send import SendRequest
from speechmq.commandline.send import send as send_recording
from speechmq.commandline.status import EXIT_CODES as STATUS_EXIT_CODES
from speechmq.commandline.status import status
from speechmq.commandline.subscription import Subscription, replay, subscribe
from speechmq.commandline.summary import DEFINITIONS
from speechmq.dev.demo import find_sample, run_demo, run_stack
from speechmq.errors import RequestError
from speechmq_schemas import Names, Transcript

EXIT_CODES = (
    "Exit codes: 0 the stream ended; 1 it failed; 2 the options or the file are wrong; 3 no answer "
    "in time, or no broker; 130 interrupted."
)
app = typer.Typer(
    name="speechmq",
    help="Live speech over message queues.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON line an event, and nothing else.")]


FromStart = Annotated[
    bool,
    typer.Option(
        "--from-start",
        help="Read the transcript log from its beginning, then go on: finals, and no partials.",
    ),
]
FROM_THE_LOG = " from the beginning of the log"


class Engine(StrEnum):
    SPHINX = "sphinx"
    LEDGER = "ledger"


@app.command(epilog=f"{EXIT_CODES} Latencies in the summary. {DEFINITIONS}")
def send(  # noqa: PLR0913, PLR0917  # each is an option
    file: Annotated[Path, typer.Argument(help="Any audio file: WAV, MP3, AAC, Ogg, WebM, FLAC …")],
    stream_id: Annotated[str | None, typer.Option(help="A new one if not given.")] = None,
    language: Annotated[str | None, typer.Option(help="[default: en]")] = None,
    speed: Annotated[float, typer.Option(min=0.01, max=1000, help="1 is real time.")] = 1.0,
    url: Url = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
    chunk_ms: Annotated[float, typer.Option(min=5, max=5000, help="Audio per message.")] = 100,
    max_delay: Annotated[float | None, typer.Option(help="Seconds from word to final.")] = None,
    end_of_utterance: Annotated[
        float | None, typer.Option(help="Seconds of silence that end an utterance.")
    ] = None,
    config: Annotated[
        str, typer.Option(help="JSON, or @FILE: the transcription_config to begin with.")
    ] = "{}",
    credential: Annotated[
        str | None, typer.Option(help="One of the accounts in the workers' settings.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Where it is to stay: eu, us, global or a URL.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to wait for the end after the last message.")
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Send a recording as if it were spoken now, and show its captions.

    Ctrl-C ends the stream cleanly; a second one leaves at once.
    """
    with told():
        recording = read_audio_file(file)
        wishes = Wishes(language, max_delay, end_of_utterance)
        name = new_stream_id(file, secrets.token_hex(3)) if stream_id is None else stream_id
        start = start_stream(
            name,
            recording,
            wishes.over(read_config(config)),
            credential=credential,
            region=region,
        )
        request = SendRequest(start, recording, chunk_ms, speed, timeout)
        names = Names(namespace)
        code = run(lambda halt: _send(request, url, names, halt, as_json=as_json))
    raise typer.Exit(code)


async def _send(
    request: SendRequest, url: str, names: Names, halt: asyncio.Event, *, as_json: bool
) -> ExitCode:
    console = Console()
    async with connected(url, f"speechmq send {request.start.stream_id}") as connection:
        if not as_json:
            print_plain(console, f"sending as stream {request.start.stream_id}")
        with screen_for(console, as_json=as_json, total=request.recording.seconds) as screen:
            result = await send_recording(request, connection, names, screen, halt)
    if not as_json:
        show_result(console, result)
    return code_of(result.end)


@app.command(epilog=EXIT_CODES)
def listen(  # noqa: PLR0917  # each is an option
    stream: Annotated[str | None, typer.Argument(help="A stream id; all streams if none.")] = None,
    url: Url = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Leave when the stream is over, with 0 or 1.")
    ] = False,
    from_start: FromStart = False,
    as_json: AsJson = False,
) -> None:
    """Show the captions of one stream, or of all, as they come; Ctrl-C leaves."""
    with told():
        if stream is not None:
            checked_stream_id(stream)
        elif until_end:
            raise RequestError("--until-end needs a stream: speechmq listen STREAM --until-end")
        names = Names(namespace)
        code = run(
            lambda _: _listen(
                stream,
                url,
                names,
                until_end=until_end,
                from_start=from_start,
                as_json=as_json,
            ),
            at_once=True,
        )
    raise typer.Exit(ExitCode.ENDED if code is ExitCode.INTERRUPTED else code)


async def _listen(  # each is an option
    stream_id: str | None,
    url: str,
    names: Names,
    *,
    until_end: bool,
    from_start: bool,
    as_json: bool,
) -> ExitCode:
    async with connected(url, "speechmq listen") as connection:
        events = await _events(connection, names, stream_id, from_start=from_start)
        whom = "all streams" if stream_id is None else f"stream {stream_id}"
        tell(f"listening to {whom}{FROM_THE_LOG if from_start else ''}")
        with screen_for(Console(), as_json=as_json, name_streams=stream_id is None) as screen:
            return code_of(await listen_to(events, screen, until_end=until_end))


async def _events(
    connection: AbstractConnection, names: Names, stream_id: str | None, *, from_start: bool
) -> Subscription:
    if from_start:
        return await replay(connection, names.log, stream_id)
    return await subscribe(connection, names.events, stream_id)


@app.command(epilog=EXIT_CODES)
def captions(  # noqa: PLR0917  # each is an option
    stream: Annotated[str, typer.Argument(help="A stream id.")],
    style: Annotated[
        Format | None, typer.Option("--format", help="[default: as the file's name ends, or txt]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Overwritten; stdout if not given.")
    ] = None,
    from_start: FromStart = False,
    url: Url = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
) -> None:
    """Write a stream's captions to a file while it goes on, until it is over.

    The file is whole at every moment. Ctrl-C leaves, with everything that was heard written.
    """
    with told():
        checked_stream_id(stream)
        sink = _caption_output(output, style)
        names = Names(namespace)
        code = run(lambda halt: _captions(stream, sink, url, names, halt, from_start=from_start))
    raise typer.Exit(code)


def _caption_output(path: Path | None, style: Format | None) -> Output:
    if path is None:
        return CaptionStream(sys.stdout, style or Format.TXT)
    return CaptionFile(path, style or format_of(path))


async def _captions(
    stream_id: str,
    output: Output,
    url: str,
    names: Names,
    halt: asyncio.Event,
    *,
    from_start: bool,
) -> ExitCode:
    async with connected(url, f"speechmq captions {stream_id}") as connection:
        events = await _events(connection, names, stream_id, from_start=from_start)
        tell(f"following stream {stream_id}{FROM_THE_LOG if from_start else ''}")
        transcript = await follow(events, stream_id, output, halt, tell)
    _tell_missing(transcript)
    if transcript.state == "live":
        return ExitCode.INTERRUPTED
    return ExitCode.ENDED if transcript.state == "ended" else ExitCode.FAILED


def _tell_missing(transcript: Transcript) -> None:
    if transcript.missing:
        listed = ", ".join(
            f"{first}" if first == last else f"{first} to {last}"
            for first, last in transcript.missing
        )
        tell(
            f"segments {listed} were not heard; start before the stream does, or with --from-start "
            "where workers keep a log, to have all of it"
        )


@app.command(epilog=f"{EXIT_CODES} 3 also tells that a process did not start, or ended.")
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


app.command(epilog=STATUS_EXIT_CODES)(status)


@app.command(
    epilog="Exit codes: 0 it was told to leave; 2 the options are wrong, the address is in use, or "
    "the page's server is not installed."
)
def console(
    url: Url = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
    listen: Annotated[
        str, typer.Option(help="HOST:PORT of the page; port 0 takes a free one.")
    ] = "127.0.0.1:8642",
    streams: Annotated[int, typer.Option(min=1, help="Streams that are kept at most.")] = 1000,
    memory: Annotated[
        int, typer.Option(min=8, help="MiB that their events may take; the oldest go first.")
    ] = 256,
) -> None:
    """Show all streams on a web page while they run, until Ctrl-C.

    Waits for a broker that is not there yet, and comes back to one that was restarted.
    """
    with told():
        if not console_is_installed():
            raise RequestError(
                "the page's web server is not installed here: pip install 'speechmq[console]'"
            )
        # Only this command needs a web server.
        from speechmq.console.command import ConsoleRequest, run_console  # noqa: PLC0415

        request = ConsoleRequest(url, Names(namespace), listen, streams, memory * 2**20)
        code = run(lambda _: run_console(request, ready=_show_url, tell=tell), at_once=True)
    raise typer.Exit(ExitCode.ENDED if code is ExitCode.INTERRUPTED else code)


def _show_url(url: str) -> None:
    print(f"speechmq: console on {url}", flush=True)


app.add_typer(dead_letters, name="dead")


@app.command(epilog="Exit codes: 0 nothing has failed; 1 something has; 130 interrupted.")
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


@app.command()
def worker(
    check: Annotated[
        bool, typer.Option("--check", help="Show the settings, secrets redacted, and leave.")
    ] = False,
) -> None:
    """Serve streams until SIGTERM. Settings are environment variables: see --check."""
    # Everything that a worker needs takes a second to import; the other commands don't need it.
    from speechmq.app import check_settings, run_worker  # noqa: PLC0415

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
