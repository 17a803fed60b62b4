"""`speechmq captions` against a real broker and a worker that answers by a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from tests.support.broker import Namespace
from tests.support.command_line import run_speechmq, speechmq
from tests.support.received_events import ended, final, partial
from tests.support.scripted_worker import ScriptedWorker, scripted_worker

from speechmq_schemas import Event, StreamFailed, from_event

FAILED = StreamFailed(stream_id="one", code="x", reason="y", retryable=False)


async def tell(worker: ScriptedWorker, *events: Event) -> None:
    for event in events:
        await worker.publish(event)


async def until(path: Path, wanted: Callable[[str], bool]) -> str:
    """What is in the file when it is as wanted; every state of it is looked at."""
    async with asyncio.timeout(20):
        while not (path.exists() and wanted(path.read_text())):  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.01)
    return path.read_text()  # noqa: ASYNC240


async def test_file_grows_with_the_stream_and_is_complete_at_its_end(
    namespace: Namespace, tmp_path: Path
) -> None:
    path = tmp_path / "one.vtt"
    async with (
        scripted_worker(namespace.url) as worker,
        speechmq("captions", "one", "-o", str(path), "--url", namespace.url) as command,
    ):
        await command.error_line("speechmq: following stream one")
        waiting = await until(path, bool)
        await tell(worker, partial("good", stream="one"), final("good", "day", stream="one"))
        live = await until(path, lambda text: "good" in text)
        late = final("bye", segment=2, start=61, stream="one")
        await tell(worker, final("else", stream="two"), late, ended("one"))
        done = await command.finish()
    first = "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\ngood day\n\n"
    assert (waiting, live) == ("WEBVTT\n\n", first)
    assert path.read_text() == f"{first}00:01:01.000 --> 00:01:02.000\nbye\n\n"
    assert (done.code, done.out, done.err) == (0, "", "")


async def test_stdout_gets_cues_as_they_are_settled(namespace: Namespace) -> None:
    async with (
        scripted_worker(namespace.url) as worker,
        speechmq("captions", "one", "--format", "srt", "--url", namespace.url) as command,
    ):
        await command.error_line("speechmq: following stream one")
        first = from_event(final("one", stream="one"), epoch=1, seq=1)
        second = from_event(final("two", segment=2, start=10, stream="one"), epoch=1, seq=2)
        for message in (second, first, second, first):  # in any order, and twice
            await worker.publish(message)
        await command.line("one")
        await worker.publish(from_event(ended("one"), epoch=1, seq=3))
        done = await command.finish()
    assert done.out == "\n2\n00:00:10,000 --> 00:00:11,000\ntwo\n\n"
    assert (done.code, done.err) == (0, "")


async def test_interrupt_leaves_a_complete_file(namespace: Namespace, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    async with (
        scripted_worker(namespace.url) as worker,
        speechmq("captions", "one", "-o", str(path), "--url", namespace.url) as command,
    ):
        await command.error_line("speechmq: following stream one")
        await tell(worker, final("heard", stream="one"))
        await until(path, lambda text: "heard" in text)
        command.interrupt()
        done = await command.finish()
    assert (done.code, done.err) == (130, "")
    written = json.loads(path.read_text())
    assert (written["state"], written["text"]) == ("live", "heard")


async def test_lost_broker_leaves_what_was_heard(namespace: Namespace, tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    async with (
        scripted_worker(namespace.url) as worker,
        speechmq("captions", "one", "-o", str(path), "--url", namespace.url) as command,
    ):
        await command.error_line("speechmq: following stream one")
        await tell(worker, final("heard", stream="one"))
        await until(path, lambda text: "heard" in text)
        await namespace.management.delete_vhost(namespace.prefix)
        await namespace.management.create_vhost(namespace.prefix)
        done = await command.finish()
    assert done.code == 3
    assert "lost while listening to events" in done.err
    assert path.read_text() == "heard\n"


async def test_command_tells_what_it_has_not_heard_and_how_the_stream_ended(
    namespace: Namespace,
) -> None:
    async with (
        scripted_worker(namespace.url) as worker,
        speechmq("captions", "one", "--url", namespace.url) as command,
    ):
        await command.error_line("speechmq: following stream one")
        await tell(worker, final("late", segment=4, start=30, stream="one"), FAILED)
        done = await command.finish()
    assert (done.code, done.out) == (1, "late\n")
    assert done.err == (
        "speechmq: segments 1 to 3 were not heard; start before the stream does, or with "
        "--from-start where workers keep a log, to have all of it\n"
    )


async def test_command_refuses_what_it_cannot_do(namespace: Namespace, tmp_path: Path) -> None:
    pattern = await run_speechmq("captions", "a.*", "--url", namespace.url)
    unnamed = await run_speechmq("captions", "one", "-o", str(tmp_path / "one.doc"))
    folder = await run_speechmq("captions", "one", "--format", "srt", "-o", str(tmp_path))
    nobody = await run_speechmq("captions", "one", "--url", namespace.url)
    assert [one.code for one in (pattern, unnamed, folder, nobody)] == [2, 2, 2, 3]
    assert nobody.err.startswith("speechmq: no worker has declared the exchange")
