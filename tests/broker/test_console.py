"""`speechmq console` against a real broker and a worker that answers by a script."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.support.broker import Namespace
from tests.support.command_line import speechmq
from tests.support.console import Page, looking_at, request_for, running_console
from tests.support.received_events import ended, final, partial
from tests.support.scripted_worker import ScriptedWorker, scripted_worker

from speechmq.console.command import run_console
from speechmq.errors import RequestError
from speechmq_schemas import AmqpMessage, Event, StreamAccepted, StreamResumed, from_event


async def until(page: Page, wanted: Callable[[dict[str, Any]], bool]) -> None:
    try:
        async with asyncio.timeout(30):
            while not wanted(page.rows):
                assert await page.take(), "the events ended"
    except TimeoutError:
        raise AssertionError(f"the page still has {page.rows}") from None


def is_connected(rows: dict[str, Any]) -> bool:
    console = rows.get("@console")
    return console is not None and console["broker"]["state"] == "connected"


async def tell(worker: ScriptedWorker, *events: Event | AmqpMessage) -> None:
    for event in events:
        await worker.publish(event)


async def test_streams_are_shown_from_their_next_event_on_and_keep_their_words(
    namespace: Namespace,
) -> None:
    resumed = StreamResumed(stream_id="one", session_id="2", origin=0.0, reason="lost")
    async with (
        scripted_worker(namespace.url) as worker,
        running_console(request_for(namespace.url)) as console,
        looking_at(f"{console.url}/events") as overview,
        looking_at(f"{console.url}/streams/one/events") as page,
        httpx.AsyncClient(base_url=console.url) as client,
    ):
        await until(overview, is_connected)
        await tell(worker, final("late", segment=4, start=30, stream="one"))
        await until(overview, lambda rows: "one" in rows)
        await tell(worker, resumed, partial("hm", segment=5, start=31, stream="one"))
        await until(overview, lambda rows: rows["one"]["live"] == [{"text": "hm"}])
        await tell(worker, final("bye", segment=5, start=31, stream="one"), ended("one"))
        await until(page, lambda rows: rows.get("stream", {}).get("state") == "ended")
        await until(page, lambda rows: len(page.text()) == 4)
        files = [
            (await client.get(f"/streams/one/transcript.{style}")).text
            for style in ("txt", "srt", "vtt")
        ]
    assert page.rows["kept"]["missing"] == [[1, 3]]
    assert page.text() == [
        "late",
        "recognition resumed at 0.00 s: lost",
        "bye",
        "ended after 2.0 s of audio",
    ]
    assert files == [
        "late bye\n",
        "1\n00:00:30,000 --> 00:00:31,400\nlate bye\n\n",
        "WEBVTT\n\n00:00:30.000 --> 00:00:31.400\nlate bye\n\n",
    ]


async def test_page_that_comes_back_goes_on_where_it_was(namespace: Namespace) -> None:
    async with (
        scripted_worker(namespace.url) as worker,
        running_console(request_for(namespace.url)) as console,
    ):
        async with looking_at(f"{console.url}/events") as before:
            await until(before, is_connected)
            await tell(worker, final("a", stream="one"), final("b", stream="two"))
            await until(before, lambda rows: {"one", "two"} <= rows.keys())
        async with looking_at(f"{console.url}/events") as other:
            await tell(worker, final("c", stream="two", segment=2, start=1))
            await until(other, lambda rows: rows.get("two", {}).get("heard") == 1.5)
        async with looking_at(f"{console.url}/events", before.last_id) as after:
            await until(after, lambda rows: "two" in rows)
    assert (after.resets, "one" in after.rows) == (0, False)


async def test_lost_broker_is_shown_and_listened_to_again(namespace: Namespace) -> None:
    async with (
        running_console(request_for(namespace.url)) as console,
        looking_at(f"{console.url}/events") as overview,
    ):
        async with scripted_worker(namespace.url) as worker:
            await until(overview, is_connected)
            await tell(worker, final("before", stream="one"))
            await until(overview, lambda rows: "one" in rows)
            await namespace.management.delete_vhost(namespace.prefix)
            await until(overview, lambda rows: not is_connected(rows))
            text = overview.rows["@console"]["broker"]["text"]
        await namespace.management.create_vhost(namespace.prefix)
        async with scripted_worker(namespace.url) as worker:
            await until(overview, is_connected)
            behind = final("behind", segment=7, start=5, stream="one")
            await tell(worker, from_event(behind, epoch=2, seq=1))
            await until(overview, lambda rows: len(rows["one"]["lines"]) == 2)
    assert text.endswith("; trying again")
    assert overview.rows["one"]["news"].startswith("not_listening: the console heard nothing for")
    assert console.told[0].endswith("; trying again")
    assert console.told[-1].startswith("connected to RabbitMQ at ")


async def test_console_waits_for_the_first_worker(namespace: Namespace) -> None:
    async with (
        running_console(request_for(namespace.url)) as console,
        looking_at(f"{console.url}/events") as overview,
    ):
        await until(
            overview,
            lambda rows: rows.get("@console", {}).get("broker", {}).get("state") == "waiting",
        )
        async with scripted_worker(namespace.url):
            await until(overview, is_connected)


async def test_interrupt_ends_what_is_being_sent_and_leaves_no_queue(namespace: Namespace) -> None:
    words = ("console", "--url", namespace.url, "--listen", "127.0.0.1:0")
    async with scripted_worker(namespace.url), speechmq(*words) as command:
        url = (await command.line("speechmq: console on ")).split()[-1]
        async with (
            looking_at(f"{url}events") as overview,
            looking_at(f"{url}streams/one/events") as page,
        ):
            await until(overview, is_connected)
            await until(page, is_connected)
            assert any(name.startswith("amq.gen") for name in await namespace.queues())
            command.interrupt()
            async with asyncio.timeout(20):
                while await overview.take() or await page.take():
                    pass
        done = await command.finish()
        await namespace.wait_for_queues(
            lambda queues: not any(name.startswith("amq.gen") for name in queues)
        )
    assert (done.code, done.out, done.err) == (0, "", "")


async def test_browser_that_takes_nothing_holds_nobody_up(namespace: Namespace) -> None:
    async with (
        scripted_worker(namespace.url) as worker,
        running_console(request_for(namespace.url)) as console,
        looking_at(f"{console.url}/events") as overview,
    ):
        await until(overview, is_connected)
        host, port = console.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(f"GET /events HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            long = " ".join(["word"] * 50)
            for n in range(1, 1001):
                await tell(worker, final(long, segment=n, start=5 * n, stream=f"s{n % 100}"))
            await tell(worker, final("end", stream="last"))
            await until(overview, lambda rows: "last" in rows and len(rows) == 102)


async def test_thousand_streams_and_hostile_words_arrive_as_they_are(namespace: Namespace) -> None:
    hostile = "</script><img src=x onerror=alert(1)>\u202e\u0000"
    long = [f"word{n}" for n in range(10_000)]
    async with (
        scripted_worker(namespace.url) as worker,
        running_console(request_for(namespace.url, streams=500)) as console,
        looking_at(f"{console.url}/events") as overview,
    ):
        await until(overview, is_connected)
        for n in range(999):
            await tell(worker, StreamAccepted(stream_id=f"s{n}"))
        await tell(worker, final(hostile, *long, stream="long"))
        await until(overview, lambda rows: "long" in rows and len(rows) == 501)
        await until(overview, lambda rows: rows["@console"]["forgotten"] == 500)
        async with looking_at(f"{console.url}/streams/long/events") as page:
            await until(page, lambda rows: len(page.text()) == 67)
    assert page.text()[0].startswith(hostile.replace("\0", "\ufffd") + " word0 ")
    assert page.text()[-1].endswith(" word9999")
    assert overview.rows["long"]["lines"][-1]["text"].endswith(" word9999")


async def test_addresses_that_cannot_be_used_are_refused() -> None:
    def ignore(_: str) -> None: ...

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for request, reason in (
            (request_for("amqp://x", listen=f"127.0.0.1:{port}"), "Address already in use"),
            (request_for("amqp://x", listen="8642"), "--listen looks like 127.0.0.1:8642"),
            (request_for("http://x"), "an AMQP URL looks like"),
        ):
            with pytest.raises(RequestError, match=reason):
                async with asyncio.timeout(20):
                    await run_console(request, ready=ignore, tell=ignore)


async def test_console_that_all_can_reach_needs_a_login(namespace: Namespace) -> None:
    refused = r"cannot listen on 0\.0\.0\.0: .* set SPEECHMQ_CONSOLE_TOKEN"
    with pytest.raises(RequestError, match=refused):
        async with running_console(request_for(namespace.url, listen="0.0.0.0:0")):
            pass
