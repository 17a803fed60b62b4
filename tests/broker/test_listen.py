"""`speechmq listen` against a real broker and a worker that answers by a script."""

from __future__ import annotations

import asyncio
import json

import aio_pika
import pytest
from pydantic import SecretStr
from tests.support.broker import Namespace
from tests.support.command_line import run_speechmq, speechmq
from tests.support.received_events import came, ended, final, partial
from tests.support.scripted_worker import scripted_worker

from speechmq.broker.amqp.plane import open_plane
from speechmq.broker.topology import declare, transcript_log
from speechmq.commandline.connection import connected
from speechmq.commandline.received import Received
from speechmq.commandline.subscription import PREFETCH, Subscription, replay, subscribe
from speechmq.errors import BrokerLost, ExchangeMissing
from speechmq.settings import BrokerSettings
from speechmq_schemas import AmqpMessage, Names, StreamFailed, from_event

TRANSLATION = AmqpMessage(
    "translation.final.de.one", "FinalTranslation", b'{"x": 1}', {"epoch": 1}, message_id="one/1/9"
)


async def take(events: Subscription, count: int) -> list[Received]:
    async with asyncio.timeout(20):
        return [await anext(events) for _ in range(count)]


async def test_subscription_hears_its_stream_alone_whatever_the_key_is(
    namespace: Namespace,
) -> None:
    async with scripted_worker(namespace.url) as worker, connected(namespace.url, "t") as link:
        events = await subscribe(link, "speechmq.events", "one")
        for event in (final("a", stream="one"), final("b", stream="two"), TRANSLATION):
            await worker.publish(event)
        await worker.publish(ended("one"))
        heard = [received.message.routing_key for received in await take(events, 3)]
    assert heard == ["transcript.final.one", "translation.final.de.one", "stream.ended.one"]


async def test_subscription_keeps_the_order_of_many_events(namespace: Namespace) -> None:
    count = 3 * PREFETCH
    async with scripted_worker(namespace.url) as worker, connected(namespace.url, "t") as link:
        events = await subscribe(link, "speechmq.events")
        for n in range(count):
            await worker.publish(partial("x", segment=n + 1))
        heard = await take(events, count)
    assert [received.position for received in heard] == [(1, n + 1) for n in range(count)]
    assert [received.at for received in heard] == sorted(received.at for received in heard)


async def test_subscription_holds_no_more_than_its_prefetch_while_nobody_reads(
    namespace: Namespace,
) -> None:
    async with scripted_worker(namespace.url) as worker, connected(namespace.url, "t") as link:
        await subscribe(link, "speechmq.events")
        for _ in range(PREFETCH + 10):
            await worker.publish(partial("x"))
        states = await namespace.wait_for_queues(
            lambda queues: any(state.ready == 10 for state in queues.values())
        )
    assert [state.unacked for state in states.values() if state.ready == 10] == [PREFETCH]


async def test_subscription_tells_that_the_connection_was_lost(namespace: Namespace) -> None:
    async with scripted_worker(namespace.url), connected(namespace.url, "t") as link:
        events = await subscribe(link, "speechmq.events")
        assert link.transport is not None
        await link.transport.connection.close(ConnectionError("the cable was pulled"))
        with pytest.raises(BrokerLost, match="lost while listening to events"):
            await take(events, 1)


async def test_subscription_tells_that_its_queue_was_deleted(namespace: Namespace) -> None:
    async with scripted_worker(namespace.url), connected(namespace.url, "t") as link:
        events = await subscribe(link, "speechmq.events")
        queues = await namespace.queues()
        (mine,) = (name for name in queues if name.startswith("amq.gen-"))
        async with link.channel() as channel:  # nobody but its own connection may
            await channel.queue_delete(mine)
        with pytest.raises(BrokerLost, match="lost while listening to events"):
            await take(events, 1)


async def test_subscription_tells_that_no_worker_was_ever_there(namespace: Namespace) -> None:
    async with connected(namespace.url, "t") as link:
        with pytest.raises(ExchangeMissing, match="speechmq worker"):
            await subscribe(link, "speechmq.events")


async def test_command_shows_captions_of_all_streams_with_their_names(
    namespace: Namespace,
) -> None:
    async with (
        scripted_worker(namespace.url) as worker,
        speechmq("listen", "--url", namespace.url) as command,
    ):
        await command.error_line("speechmq: listening to all streams")
        for event in (partial("a", stream="one"), final("b", stream="two"), ended("one")):
            await worker.publish(event)
        lines = [await command.line(name) for name in ("two", "one")]
        command.interrupt()
        done = await command.finish()
    assert lines == ["two   00:00.0  b", "one         ·  ended after 2.0 s of audio"]
    assert (done.code, done.out, done.err) == (0, "", "")


async def test_command_shows_an_event_that_comes_twice_once(namespace: Namespace) -> None:
    twice = from_event(final("once", stream="one"), epoch=1, seq=5)
    async with (
        scripted_worker(namespace.url) as worker,
        speechmq("listen", "one", "--until-end", "--url", namespace.url) as command,
    ):
        await command.error_line("speechmq: listening to stream one")
        for event in (twice, twice, ended("two"), ended("one")):
            await worker.publish(event)
        done = await command.finish()
    assert done.code == 0
    assert done.out.splitlines() == [
        " 00:00.0  once",
        "       ·  ended after 2.0 s of audio",
    ]


async def test_command_prints_json_of_every_event_and_leaves_with_the_stream(
    namespace: Namespace,
) -> None:
    failed = StreamFailed(stream_id="one", code="x", reason="y", retryable=True)
    async with (
        scripted_worker(namespace.url) as worker,
        speechmq("listen", "one", "--until-end", "--json", "--url", namespace.url) as command,
    ):
        await command.error_line("speechmq: listening to stream one")
        for event in (final("ä", stream="one"), TRANSLATION, failed):
            await worker.publish(event)
        done = await command.finish()
    events = [json.loads(line) for line in done.out.splitlines()]
    expected = came(final("ä", stream="one")).message
    assert events[0] == {
        "type": "FinalTranscript",
        "routing_key": "transcript.final.one",
        "headers": dict(expected.headers),
        "message_id": "one/1/1",
        "body": json.loads(expected.body),
    }
    assert events[1]["body"] == {"x": 1}
    assert [event["type"] for event in events[1:]] == ["FinalTranslation", "StreamFailed"]
    assert done.code == 1


async def test_command_goes_on_after_an_event_that_is_no_event(namespace: Namespace) -> None:
    async with (
        scripted_worker(namespace.url) as worker,
        speechmq("listen", "one", "--until-end", "--url", namespace.url) as command,
    ):
        await command.error_line("speechmq: listening")
        await worker.events.publish(aio_pika.Message(b"\xff"), "transcript.final.one")
        await worker.publish(AmqpMessage("stream.ended.one", "StreamEnded", b"[]"))
        await worker.publish(ended("one"))
        done = await command.finish()
    first, second, last = done.out.splitlines()
    assert first.startswith("       ·  the message has no type; known types: ")
    assert second.startswith("       ·  StreamEnded is not valid: ")
    assert (last, done.code) == ("       ·  ended after 2.0 s of audio", 0)


async def test_command_leaves_quietly_when_its_reader_does(namespace: Namespace) -> None:
    async with (
        scripted_worker(namespace.url) as worker,
        speechmq("listen", "--json", "--url", namespace.url) as command,
    ):
        await command.error_line("speechmq: listening")
        command.stop_reading()
        async with asyncio.timeout(20):
            while command.is_running:
                await worker.publish(partial("x"))
        done = await command.finish()
    assert (done.code, done.err) == (1, "")


async def test_command_refuses_what_it_cannot_do(namespace: Namespace) -> None:
    endless = await run_speechmq("listen", "--until-end", "--url", namespace.url)
    pattern = await run_speechmq("listen", "a.*", "--url", namespace.url)
    nobody = await run_speechmq("listen", "--url", namespace.url)
    assert [one.code for one in (endless, pattern, nobody)] == [2, 2, 3]
    assert endless.err.startswith("speechmq: --until-end needs a stream")
    assert pattern.err.startswith("speechmq: 'a.*' cannot be a stream id")
    assert nobody.err.startswith("speechmq: no worker has declared the exchange")


async def test_log_is_read_from_its_beginning_and_on_in_order(namespace: Namespace) -> None:
    count = 3 * PREFETCH
    async with scripted_worker(namespace.url) as worker, connected(namespace.url, "t") as link:
        await make_log(namespace)
        for n in range(count):
            await worker.publish(final("x", segment=n + 1, stream="one" if n % 3 else "two"))
        await worker.publish(partial("no final", stream="one"))
        events = await replay(link, "speechmq.log", "one")
        past = await take(events, count - count // 3)
        await worker.publish(ended("two"))
        await worker.publish(ended("one"))
        [last] = await take(events, 1)
        again = await take(await replay(link, "speechmq.log"), count + 2)
    assert {received.stream_id for received in past} == {"one"}
    positions = [received.position for received in past]
    assert positions == sorted(positions)
    assert last.message.routing_key == "stream.ended.one"
    assert [received.stream_id for received in again[-2:]] == ["two", "one"]


async def test_commands_tell_that_there_is_no_log(namespace: Namespace) -> None:
    async with scripted_worker(namespace.url):
        for command in (("listen",), ("captions", "one")):
            done = await run_speechmq(*command, "--from-start", "--url", namespace.url)
            assert (done.code, done.out) == (3, "")
            assert done.err == (
                "speechmq: there is no transcript log, the queue 'speechmq.log': workers keep one "
                "with SPEECHMQ_BROKER__TRANSCRIPT_LOG=true, from then on; or check --url and "
                "--namespace\n"
            )


async def make_log(namespace: Namespace) -> None:
    settings = BrokerSettings(url=SecretStr(namespace.url))
    async with open_plane(settings) as plane:
        log = transcript_log(Names(), max_age=3600, max_bytes=10_000_000)
        await declare(await plane.channel(), log)
