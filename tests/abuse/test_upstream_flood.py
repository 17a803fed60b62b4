"""An upstream that says far more than RabbitMQ takes: the worker's memory is bounded, the stream
of that upstream goes on or fails alone, and its neighbours lose no word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from tests.support.broker import Namespace
from tests.support.siege import bystanders, within_memory
from tests.support.speaker import Speaker, speaking, start_of
from tests.support.worker import running_worker
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from speechmq_emulator.server import serve as serve_emulator
from speechmq_schemas import from_command

pytestmark = pytest.mark.timeout(60)
STARTED = json.dumps({"message": "RecognitionStarted", "id": "x"})
TEXT = "x" * 1_900_000
HEARD = ("stream.#", "transcript.*.one", "transcript.*.two", "audio.#")


def message(kind: str) -> str:
    """Of 1.9 MB, whatever its kind."""
    times = {"start_time": 0.0, "end_time": 0.0}
    if kind == "AddPartialTranslation":
        results = [{"content": TEXT, **times}]
        return json.dumps({"message": kind, "language": "de", "results": results})
    metadata = {**times, "transcript": TEXT}
    return json.dumps({"message": kind, "metadata": metadata, "results": []})


@asynccontextmanager
async def flooding(kind: str) -> AsyncIterator[str]:
    """The URL of an upstream that sends such messages, as fast as they are read."""

    said = message(kind).encode()

    async def flood(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await socket.recv()
            await socket.send(STARTED)
            while True:
                await socket.send(said, text=True)
                await asyncio.sleep(0)  # a socket that has room lets nobody else have a turn

    async with serve(flood, "127.0.0.1", 0, max_size=None, compression=None) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def start_flooded(speaker: Speaker, stream_id: str) -> None:
    start = start_of(stream_id).model_copy(update={"credential": "flood"})
    await speaker.publish(from_command(stream_id, start))


@pytest.mark.parametrize("kind", ["AddPartialTranscript", "AddPartialTranslation"])
async def test_partials_without_end_are_superseded_and_hold_up_no_neighbour(
    namespace: Namespace, kind: str
) -> None:
    """As the stream that they are said in goes on: whoever listens has the newest, now and then."""
    async with (
        serve_emulator("ledger") as good,
        flooding(kind) as evil,
        running_worker(
            namespace.url, good.url, SPEECHMQ_UPSTREAM__CREDENTIALS__FLOOD__URL=evil
        ) as worker,
        speaking(namespace.url, *HEARD) as speaker,
    ):
        async with within_memory(worker, 120):
            await start_flooded(speaker, "flooded")
            async with bystanders(speaker, "one", "two", numbers=range(40), speed=2.0):
                await asyncio.sleep(0)
        assert speaker.ears.of("flooded", "StreamFailed", "StreamEnded") == []
        assert speaker.ears.of("flooded", "StreamStarted") != []


async def test_stream_with_more_finals_than_may_wait_fails_alone(namespace: Namespace) -> None:
    """None of them may be left out."""
    async with (
        serve_emulator("ledger") as good,
        flooding("AddTranscript") as evil,
        running_worker(
            namespace.url, good.url, SPEECHMQ_UPSTREAM__CREDENTIALS__FLOOD__URL=evil
        ) as worker,
        speaking(namespace.url, *HEARD) as speaker,
        within_memory(worker, 120),
        bystanders(speaker, "one", "two", numbers=range(40), speed=2.0),
    ):
        await start_flooded(speaker, "flooded")
        await speaker.ears.until_over("flooded", within=60.0)
    [failed] = speaker.ears.of("flooded", "StreamFailed")
    assert (failed.code, failed.retryable) == ("event_backlog", True)
    assert failed.reason.endswith("see SPEECHMQ_WORKER__STREAM_BACKLOG_BYTES")
