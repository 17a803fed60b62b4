"""The command ``speechmq-emulator``."""

import asyncio
import signal
import sys
from contextlib import suppress
from enum import StrEnum
from typing import Annotated

import typer

from speechmq_emulator.keys import DEFAULT_KEYS
from speechmq_emulator.server import serve
from speechmq_emulator.sphinx.nursing import NurseryError


class EngineName(StrEnum):
    SPHINX = "sphinx"
    LEDGER = "ledger"


def run(  # noqa: PLR0917  # typer calls it, by name
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 9000,
    engine: Annotated[
        EngineName,
        typer.Option(help="sphinx recognises English speech, ledger reads numbers from audio."),
    ] = EngineName.SPHINX,
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
        typer.Option(min=1, help="Sessions that sphinx recognises at once, a process each."),
    ] = None,
) -> None:
    """A local Speechmatics Realtime server with real speech recognition."""
    keys = api_key or _split(api_keys) or DEFAULT_KEYS
    try:
        with asyncio.Runner(loop_factory=_event_loop) as runner:
            runner.run(_serve(host, port, engine, tuple(keys), workers))
    except (OSError, NurseryError) as error:
        typer.echo(f"speechmq-emulator: can not serve on {host}:{port}: {error}", err=True)
        raise typer.Exit(1) from error


def _split(keys: str | None) -> list[str]:
    return [key.strip() for key in (keys or "").split(",") if key.strip()]


async def _serve(
    host: str, port: int, engine: EngineName, api_keys: tuple[str, ...], workers: int | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    serving = serve(engine.value, host=host, port=port, api_keys=api_keys, workers=workers)
    async with serving as emulator:
        # A parent process reads the port from this line.
        sys.stdout.write(f"speechmq-emulator: listening on {emulator.url}\n")
        sys.stdout.flush()
        await stop.wait()


def _event_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it is installed: it halves the cost of a chunk."""
    with suppress(ImportError):
        import uvloop  # noqa: PLC0415  # optional

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def main() -> None:
    typer.run(run)


if __name__ == "__main__":
    main()
