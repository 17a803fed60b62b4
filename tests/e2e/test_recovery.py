"""Worker processes that are stopped, killed and left without an answer: no word is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psutil
import pytest
from tests.support.broker import Namespace
from tests.support.broker_management import ManagementApi
from tests.support.speaker import Speaker, said, speaking
from tests.support.worker import WorkerProcess, running_worker

from speechmq.dev.rabbitmq_debian import install_server
from speechmq.dev.rabbitmq_layout import MARK, Management
from speechmq.dev.rabbitmq_node import PrivateNode, private_node
from speechmq.dev.rabbitmq_source import DebianPackage, InstalledServer, choose, look_around
from speechmq_emulator.faults import FaultBook
from speechmq_emulator.server import Emulator, serve

pytestmark = pytest.mark.timeout(240)
NUMBERS = list(range(500, 560))
SPOKEN_BEFORE = NUMBERS[:30]
SPOKEN_BEHIND = NUMBERS[30:]


def is_clean(queues: dict[str, Any]) -> bool:
    kinds = {name.removeprefix("speechmq.").split(".")[0] for name in queues}
    claims = queues["speechmq.claims"]
    is_empty = not kinds & {"stream", "state", "memo", "owner"}
    return is_empty and (claims.ready, claims.unacked) == (0, 0)


async def begin(speaker: Speaker, *stream_ids: str) -> dict[str, int]:
    """Each is half said, and has been heard; the next seq of each."""
    seqs = {}
    for stream_id in stream_ids:
        await speaker.start(stream_id)
        seqs[stream_id] = await speaker.say(stream_id, SPOKEN_BEFORE, finish=False)
    ears = speaker.ears
    await ears.wait_for(lambda: all(len(ears.words(one)) >= 10 for one in stream_ids))
    return seqs


async def finish(speaker: Speaker, seqs: dict[str, int]) -> None:
    """The other half; every word is there once."""
    for stream_id, seq in seqs.items():
        await speaker.say(stream_id, SPOKEN_BEHIND, first_seq=seq)
    await speaker.ears.until_over(*seqs, within=120.0)
    assert {one: speaker.ears.words(one) for one in seqs} == {one: said(NUMBERS) for one in seqs}


def assert_epochs_only_grow(speaker: Speaker, *stream_ids: str) -> None:
    for stream_id in stream_ids:
        places = [one.place for one in speaker.ears.streams[stream_id] if one.place[0]]
        epochs = [epoch for epoch, _ in places]
        assert epochs == sorted(epochs)


async def test_stopped_worker_hands_many_streams_over_within_its_grace(
    namespace: Namespace,
) -> None:
    ids = [f"s{number}" for number in range(15)]
    async with (
        serve("ledger") as upstream,
        AsyncExitStack() as later,
        running_worker(namespace.url, upstream.url) as first,
        speaking(namespace.url) as speaker,
    ):
        seqs = await begin(speaker, *ids)
        await later.enter_async_context(running_worker(namespace.url, upstream.url))
        first.terminate()
        assert await first.ended(within=40.0) == 0
        assert [line for line in first.lines if "leaving them" in line] == []
        await finish(speaker, seqs)
        await namespace.wait_for_queues(is_clean)
        assert_epochs_only_grow(speaker, *ids)
        assert {len(speaker.ears.of(one, "StreamDetached")) for one in ids} == {1}


async def test_second_signal_ends_a_worker_whose_upstream_does_not_answer(
    namespace: Namespace,
) -> None:
    book = FaultBook()
    async with (
        serve("ledger", faults=book) as upstream,
        AsyncExitStack() as later,
        running_worker(namespace.url, upstream.url) as first,
        speaking(namespace.url) as speaker,
    ):
        seqs = await begin(speaker, "one", "two")
        await later.enter_async_context(running_worker(namespace.url, upstream.url))
        book.add("silence now")
        await signal_twice(first)
        await finish(speaker, seqs)
        await namespace.wait_for_queues(is_clean)
        assert_epochs_only_grow(speaker, "one", "two")


async def signal_twice(worker: WorkerProcess) -> None:
    """The process is gone in a second or two, by its own hand, whatever it meant to wait for."""
    worker.terminate()
    await asyncio.sleep(0.1)  # two signals at once would be one
    worker.terminate()
    began = time.monotonic()
    assert await worker.ended(within=30.0) in {0, 1}
    assert time.monotonic() - began < 8.0  # a second, and what a loaded machine takes


# -- the broker, for itself ------------------------------------------------------------------------


@asynccontextmanager
async def node_of_ones_own() -> AsyncIterator[PrivateNode]:
    match choose(look_around({"PATH": os.environ["PATH"]})):
        case InstalledServer(script):
            pass
        case DebianPackage():
            script = install_server()
        case _:
            pytest.skip("needs an installed rabbitmq-server")
    async with private_node(script, management=Management.FRESH) as node:
        yield node


async def control(node: PrivateNode, *command: str) -> None:
    running = await asyncio.create_subprocess_exec(
        "/usr/lib/rabbitmq/bin/rabbitmqctl",
        *command,
        env=node.layout.environment(os.environ),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await running.communicate()
    assert running.returncode == 0, complaint


@asynccontextmanager
async def short_of_memory(node: PrivateNode) -> AsyncIterator[None]:
    """Connections that publish are not read meanwhile."""
    await control(node, "set_vm_memory_high_watermark", "0.0000001")
    try:
        yield
    finally:
        await control(node, "set_vm_memory_high_watermark", "0.4")


async def wait_for_queues(node: PrivateNode) -> None:
    assert node.management_url is not None
    management = ManagementApi(node.management_url, node.url)
    async with asyncio.timeout(40):
        while not is_clean(await management.queues("/")):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def wait_for_line(worker: WorkerProcess, words: str, within: float = 60.0) -> None:
    try:
        async with asyncio.timeout(within):
            while not any(words in line for line in worker.lines):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"no {words!r} among {worker.lines}") from None


@pytest.mark.parametrize("answer_timeout", ["60", "2"], ids=["shorter", "longer"])
async def test_words_are_whole_when_the_broker_is_short_of_memory_for(answer_timeout: str) -> None:
    """For a shorter or a longer time than a worker waits for an answer."""
    in_real_time = FaultBook(["slow rate=16000"])
    async with (
        node_of_ones_own() as node,
        serve("ledger", faults=in_real_time) as upstream,
        running_worker(
            node.url, upstream.url, SPEECHMQ_BROKER__ANSWER_TIMEOUT=answer_timeout
        ) as worker,
        speaking(node.url) as speaker,
    ):
        ears = speaker.ears
        for stream_id in ("one", "two"):
            await speaker.start(stream_id)
            await speaker.say(stream_id, NUMBERS)
        await ears.wait_for(lambda: bool(ears.words("one") and ears.words("two")))
        async with short_of_memory(node):
            if answer_timeout == "2":
                await wait_for_line(worker, "did not answer for 2.0 s")
            else:
                await asyncio.sleep(4.0)  # for as long as the shortage is to last
        await ears.until_over("one", "two", within=120.0)
        for stream_id in ("one", "two"):
            assert ears.words(stream_id) == said(NUMBERS)
        assert_epochs_only_grow(speaker, "one", "two")
        await wait_for_queues(node)


async def test_second_signal_ends_a_worker_whose_broker_does_not_answer() -> None:
    async with (
        node_of_ones_own() as node,
        serve("ledger") as upstream,
        AsyncExitStack() as later,
        running_worker(node.url, upstream.url) as first,
        speaking(node.url) as speaker,
    ):
        seqs = await begin(speaker, "one", "two")
        with frozen(node):
            await signal_twice(first)
        await later.enter_async_context(running_worker(node.url, upstream.url))
        await finish(speaker, seqs)
        assert_epochs_only_grow(speaker, *seqs)
        await wait_for_queues(node)


class frozen:  # noqa: N801  # reads as a phrase
    """A node whose process stands still for the length of the block."""

    def __init__(self, node: PrivateNode) -> None:
        self._machine = next(
            process for process in psutil.process_iter(["name"]) if _is_machine_of(process, node)
        )

    def __enter__(self) -> None:
        self._machine.send_signal(signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        self._machine.send_signal(signal.SIGCONT)


def _is_machine_of(process: psutil.Process, node: PrivateNode) -> bool:
    try:
        return "beam" in process.name() and process.environ().get(MARK) == str(node.layout.folder)
    except (psutil.Error, OSError):
        return False


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_words_are_whole_when_the_broker_ends_and_comes_back(end: str) -> None:
    async with (
        node_of_ones_own() as node,
        serve("ledger") as upstream,
        running_worker(node.url, upstream.url) as worker,
    ):
        async with speaking(node.url) as speaker:
            # What is said before anybody listens again has to lie somewhere.
            kept = await speaker.channel.declare_queue("kept", durable=True)
            await kept.bind("speechmq.events", "#")
            seqs = await begin(speaker, "one", "two")
            if end == "kill":
                # RabbitMQ keeps its table of quorum queues in memory for half a second: a queue
                # that is younger when the machine goes down does not come back.
                await asyncio.sleep(3.0)
            await (node.kill() if end == "kill" else node.stop())
        await node.start()
        await wait_for_line(worker, "broker_lost")
        async with asyncio.timeout(60):
            while len(upstream.sessions) < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        async with speaking(node.url) as speaker:
            kept = await speaker.channel.declare_queue("kept", durable=True)
            await kept.consume(speaker.ears.hear, no_ack=True)
            await finish(speaker, seqs)
            await wait_for_queues(node)
            assert_no_session_is_left(upstream)


def assert_no_session_is_left(upstream: Emulator) -> None:
    assert [one for one in upstream.sessions if one.close_code is None] == []


async def test_voices_keep_their_labels_when_their_worker_is_killed(namespace: Namespace) -> None:
    """Of a process that had no chance to say a last word."""
    async with (
        serve("ledger") as upstream,
        AsyncExitStack() as later,
        running_worker(
            namespace.url, upstream.url, SPEECHMQ_SESSION__SPEAKERS_EVERY="0.2"
        ) as first,
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await speaker.start("one", diarization="speaker")
        seq = await speaker.say("one", SPOKEN_BEFORE, speed=2.0, finish=False)
        await ears.wait_for(lambda: len(ears.words("one")) >= 20)
        await namespace.wait_for_queues(lambda queues: "speechmq.memo.one" in queues)
        first.kill()
        await later.enter_async_context(running_worker(namespace.url, upstream.url))
        await speaker.say("one", SPOKEN_BEHIND, first_seq=seq)
        await ears.until_over("one")
        await namespace.wait_for_queues(is_clean)
    assert ears.words("one") == said(NUMBERS)
    labels = {
        result.alternatives[0].speaker
        for final in ears.of("one", "FinalTranscript")
        for result in final.results
    }
    assert labels == {"S1"}
