"""`speechmq send`, `listen` and `captions`: what goes into a stream, and what comes out of it."""

from __future__ import annotations

import asyncio
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer
from aio_pika.abc import AbstractConnection
from rich.console import Console

from speechmq.errors import RequestError
from speechmq_schemas import Names, Transcript

from .audio_file import read_audio_file
from .caption_formats import Format, format_of
from .caption_output import CaptionFile, CaptionStream, Output
from .connection import connected
from .exits import ExitCode, code_of
from .follow import follow
from .listen import listen as listen_to
from .options import (
    DEFAULT_NAMESPACE,
    DEFAULT_URL,
    Namespace,
    Url,
    run,
    tell,
    told,
)
from .report import show_result
from .request import (
    Wishes,
    checked_stream_id,
    new_stream_id,
    read_config,
    start_stream,
)
from .screen import print_plain, screen_for
from .send import SendRequest
from .send import send as send_recording
from .subscription import Subscription, replay, subscribe
from .summary import DEFINITIONS

EXIT_CODES = (
    "Exit codes: 0 the stream ended; 1 it failed; 2 the options or the file are wrong; 3 no answer "
    "in time, or no broker; 130 interrupted."
)
SEND_EXIT_CODES = f"{EXIT_CODES} Latencies in the summary. {DEFINITIONS}"
AsJson = Annotated[bool, typer.Option("--json", help="One JSON line an event, and nothing else.")]


FromStart = Annotated[
    bool,
    typer.Option(
        "--from-start",
        help="Read the transcript log from its beginning, then go on: finals, and no partials.",
    ),
]
FROM_THE_LOG = " from the beginning of the log"


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
