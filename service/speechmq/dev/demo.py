"""Runs the development stack: for a recording, or until Ctrl-C."""

from __future__ import annotations

import asyncio
import secrets
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

import speechmq
from speechmq.commandline.audio_file import read_audio_file
from speechmq.commandline.connection import connected
from speechmq.commandline.exits import ExitCode, code_of
from speechmq.commandline.report import show_result
from speechmq.commandline.request import Wishes, new_stream_id, start_stream
from speechmq.commandline.screen import print_plain, screen_for
from speechmq.commandline.send import SendRequest, SendResult, send
from speechmq.dev.program import Log
from speechmq.dev.rabbitmq_source import URL_VARIABLE
from speechmq.dev.stack import Stack, running_stack
from speechmq.errors import RecordingError
from speechmq_schemas import Names

NO_CONSOLE = "is not installed here: pip install 'speechmq[console]'"
SAMPLE = Path("samples", "dialogue-16k-mono.wav")
ENVIRONMENT_FILE = Path(".speechmq", "env")


def find_sample() -> Path:
    """The sample of the checkout that this package or the caller is in; else ``RecordingError``."""
    for folder in (Path(speechmq.__file__).resolve().parents[2], Path.cwd()):
        if (folder / SAMPLE).is_file():
            return folder / SAMPLE
    raise RecordingError(f"there is no {SAMPLE} here: name a recording with --file")


async def run_demo(engine: str, file: Path, console: Console, log: Log) -> ExitCode:
    """Sends one recording through the whole stack and tells what came of it."""
    request = demo_request(file, secrets.token_hex(3))
    async with running_stack(engine, report=_reporter(console), log=log) as stack:
        if stack.console_url is not None:
            print_plain(console, f"watch it in a browser: {stack.console_url}")
        print_plain(console, f"sending {file} as stream {request.start.stream_id}")
        result = await _send(request, stack, console)
        show_result(console, result)
    return code_of(result.end)


def demo_request(file: Path, token: str) -> SendRequest:
    """What the demo sends: everything as a publisher would by default, and ends of utterance."""
    recording = read_audio_file(file)
    config = Wishes(end_of_utterance=0.2).over({})
    return SendRequest(start_stream(new_stream_id(file, token), recording, config), recording)


async def _send(request: SendRequest, stack: Stack, console: Console) -> SendResult:
    async with connected(stack.amqp_url, "speechmq demo") as connection:
        with screen_for(console, as_json=False, total=request.recording.seconds) as screen:
            return await send(request, connection, Names(), screen, asyncio.Event())


async def run_stack(engine: str, console: Console, log: Log) -> ExitCode:
    """Keeps the stack up until cancelled. While it is up, ``ENVIRONMENT_FILE`` names it."""
    async with running_stack(engine, report=_reporter(console), log=log) as stack:
        with environment_file(ENVIRONMENT_FILE, stack):
            for line in directions(stack, _own_command()):
                print_plain(console, line)
            await asyncio.Event().wait()
    return ExitCode.ENDED


@contextmanager
def environment_file(path: Path, stack: Stack) -> Iterator[None]:
    """A file for the shell, which nobody else can read: there is a password in it."""
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text("".join(f"{line}\n" for line in exports(stack)))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def exports(stack: Stack) -> list[str]:
    """Lines of a shell after which commands and examples use the stack."""
    url = f'"${URL_VARIABLE}"' if stack.given else shlex.quote(stack.amqp_url)
    return [f"export AMQP_URL={url}", f"export SPEECHMQ_BROKER__URL={url}"]


def directions(stack: Stack, command: str) -> list[str]:
    """What one wants to know of a running stack, and can copy."""
    return [
        "",
        f"broker      {f'${URL_VARIABLE}' if stack.given else stack.amqp_url}",
        f"recogniser  {stack.upstream_url}  (API key {stack.api_key})",
        f"console     {stack.console_url or NO_CONSOLE}",
        "",
        f"In another terminal, after these lines or `. {ENVIRONMENT_FILE}`:",
        *(f"  {line}" for line in exports(stack)),
        f"  {command} listen",
        f"  {command} send {SAMPLE}",
        "",
        "Ctrl-C ends it all.",
    ]


def _own_command() -> str:
    """How to call this command line again from a terminal like ours."""
    if shutil.which("speechmq"):
        return "speechmq"
    beside = Path(sys.executable).with_name("speechmq")
    return shlex.quote(str(beside)) if beside.is_file() else f"{sys.executable} -m speechmq.cli"


def _reporter(console: Console) -> Callable[[str], None]:
    return lambda text: print_plain(console, f"· {text}")
