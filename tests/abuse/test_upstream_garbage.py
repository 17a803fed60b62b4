"""Whatever an upstream says: the stream that it says it to goes on or fails with a reason, the
worker's memory is bounded, and no other stream loses a word."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiormq.exceptions import ConnectionInternalError
from tests.support.broker import Namespace
from tests.support.siege import MIB, bystanders, within_memory
from tests.support.speaker import Speaker, speaking, start_of
from tests.support.worker import running_worker
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from speechmq_emulator.server import serve as serve_emulator
from speechmq_schemas import from_command

pytestmark = pytest.mark.timeout(180)
RANDOM = random.Random(7)
STARTED = json.dumps({"message": "RecognitionStarted", "id": "x"})
TERMINAL = json.dumps({"message": "Error", "type": "not_allowed", "reason": "that is all"})


async def bytes_of_no_meaning(socket: ServerConnection) -> None:
    for size in (0, 1, 1000, 100_000):
        await socket.send(RANDOM.randbytes(size))


async def text_that_is_none(socket: ServerConnection) -> None:
    await socket.send(b'{"message": "\xff\xfe"}', text=True)


async def audio_in_answer(socket: ServerConnection) -> None:
    """Binary frames belong to nobody."""
    await socket.send(STARTED)
    await socket.send(bytes(3200))


async def depths(socket: ServerConnection) -> None:
    await socket.send(STARTED)
    await socket.send('{"message": "New", "x": ' + "[" * MIB)


async def strangers(socket: ServerConnection) -> None:
    """Messages of a later version, many and large: each is told, in its order."""
    await socket.send(STARTED)
    for number in range(300):
        await socket.send(json.dumps({"message": f"New{number}", "text": "x" * 10_000}))
    await socket.send(TERMINAL)


async def warnings(socket: ServerConnection) -> None:
    await socket.send(STARTED)
    for _ in range(300):
        await socket.send(
            json.dumps({"message": "Warning", "type": "?" * 300, "reason": "x" * 999})
        )
    await socket.send(TERMINAL)


async def fifty_megabytes(socket: ServerConnection) -> None:
    await socket.send(STARTED)
    await socket.send("x" * (50 * 1000 * 1000))


async def fragments_without_end(socket: ServerConnection) -> None:
    await socket.send(STARTED)

    async def pieces() -> AsyncIterator[str]:
        while True:
            yield "x" * 1000

    await socket.send(pieces())


async def nothing_without_end(socket: ServerConnection) -> None:
    """Fragments of no bytes: no bound of a message's size is ever met."""
    await socket.send(STARTED)

    async def pieces() -> AsyncIterator[str]:
        while True:
            for _ in range(100):
                yield ""
            await asyncio.sleep(0)

    await socket.send(pieces())


def final(start: Any, end: Any, results: Any = ()) -> str:
    times = {"start_time": start, "end_time": end, "transcript": "x "}
    return json.dumps({"message": "AddTranscript", "metadata": times, "results": results})


async def wrong_types(socket: ServerConnection) -> None:
    await socket.send(STARTED)
    await socket.send(final("now", None))


async def results_of_no_kind(socket: ServerConnection) -> None:
    await socket.send(STARTED)
    await socket.send(final(0, 0.1, {"a": 1}))


async def confirmations(socket: ServerConnection) -> None:
    await socket.send(STARTED)
    await socket.send(json.dumps({"message": "AudioAdded", "seq_no": 10**9}))


async def absurd_times(socket: ServerConnection) -> None:
    """Nothing is covered that was not sent, and the stream ends as it should."""
    await socket.send(STARTED)
    for start, end in ((9e8, 0.0), (0.0, 1e9), (1e9, 1e9)):
        await socket.send(final(start, end))
        times = {"start_time": start, "end_time": end}
        await socket.send(json.dumps({"message": "EndOfUtterance", "metadata": times}))
    async for message in socket:
        if isinstance(message, str) and "EndOfStream" in message:
            await socket.send(json.dumps({"message": "EndOfTranscript"}))


async def time_before_all_time(socket: ServerConnection) -> None:
    await socket.send(STARTED)
    await socket.send(final(-1.0, 0.1))


async def time_behind_all_time(socket: ServerConnection) -> None:
    await socket.send(STARTED)
    await socket.send(final(0.0, 1e308))


async def everything_at_once(socket: ServerConnection) -> None:
    """Before the session has begun."""
    await socket.send(final(0, 0))


EVIL: dict[str, tuple[Callable[[ServerConnection], Awaitable[None]], str]] = {
    "bytes": (bytes_of_no_meaning, "connection_lost"),
    "text": (text_that_is_none, "connection_lost"),
    "audio": (audio_in_answer, "connection_lost"),
    "depths": (depths, "connection_lost"),
    "strangers": (strangers, "not_allowed"),
    "warnings": (warnings, "not_allowed"),
    "huge": (fifty_megabytes, "connection_lost"),
    "fragments": (fragments_without_end, "connection_lost"),
    "nothing": (nothing_without_end, "connection_lost"),
    "types": (wrong_types, "connection_lost"),
    "results": (results_of_no_kind, "protocol_error"),
    "confirmations": (confirmations, "protocol_error"),
    "times": (absurd_times, "ended"),
    "before": (time_before_all_time, "connection_lost"),
    "behind": (time_behind_all_time, "connection_lost"),
    "early": (everything_at_once, "protocol_error"),
}


@asynccontextmanager
async def evil_upstreams() -> AsyncIterator[dict[str, str]]:
    """Settings with an account for each."""

    async def converse(socket: ServerConnection) -> None:
        assert socket.request is not None
        say, _ = EVIL[socket.request.path.strip("/")]
        with suppress(ConnectionClosed):
            await socket.recv()
            await say(socket)
            async for _ in socket:
                pass

    async with serve(converse, "127.0.0.1", 0, max_size=None, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        yield dict(accounts((name, f"ws://127.0.0.1:{port}/{name}") for name in EVIL))


def accounts(urls: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, url in urls:
        yield f"SPEECHMQ_UPSTREAM__CREDENTIALS__{name.upper()}__URL", url


QUICK = {
    "SPEECHMQ_SESSION__RETRY_ATTEMPTS": "1",
    "SPEECHMQ_SESSION__ANSWER_TIMEOUT": "4",
    "SPEECHMQ_SESSION__START_TIMEOUT": "8",
}


async def send_to(url: str, name: str) -> None:
    """From a connection of its own: RabbitMQ 3.10 may close it with the queue of a stream that
    fails meanwhile."""
    start = start_of(name).model_copy(update={"credential": name})
    async with speaking(url) as speaker:
        with suppress(ConnectionInternalError):
            await speaker.publish(from_command(name, start))
            await speaker.say(name, range(10))


def outcome(speaker: Speaker, name: str) -> str:
    """What no answer comes from may be noticed by its pings, or by the audio that it does not
    read."""
    [last] = speaker.ears.of(name, "StreamFailed", "StreamEnded")
    return getattr(last, "code", "ended").replace("unanswered", "connection_lost")


async def test_garbage_of_an_upstream_harms_only_the_stream_that_it_is_said_to(
    namespace: Namespace,
) -> None:
    async with (
        serve_emulator("ledger") as good,
        evil_upstreams() as evil,
        running_worker(namespace.url, good.url, **evil, **QUICK) as worker,
        speaking(namespace.url) as speaker,
        within_memory(worker, 150),
    ):
        async with bystanders(speaker, "one", "two", numbers=range(60), speed=1.0):
            for name in EVIL:
                await send_to(namespace.url, name)
            await speaker.ears.until_over(*EVIL, within=90.0)
        assert [line for line in worker.lines if "stream_crashed" in line] == []
    assert {name: outcome(speaker, name) for name in EVIL} == {
        name: expected for name, (_, expected) in EVIL.items()
    }
    told = [event.message for event in speaker.ears.of("strangers", "UpstreamMessage")]
    assert told == [f"New{number}" for number in range(300)]
    [ended] = speaker.ears.of("times", "StreamEnded")
    assert (ended.received_seconds, ended.finalised_seconds) == (2.0, 2.0)
