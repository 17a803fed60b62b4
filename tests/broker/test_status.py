"""Questions about streams, right and wrong, to workers in every situation."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import aio_pika
import pytest
from tests.support.asker import asking
from tests.support.broker import Namespace
from tests.support.command_line import run_speechmq
from tests.support.speaker import speaking
from tests.support.worker import running_worker

from speechmq.broker.amqp.plane import open_plane
from speechmq.broker.control.status import Ownership, StatusDesk
from speechmq.broker.topology import declare, shared
from speechmq.settings import BrokerSettings
from speechmq_emulator.server import serve
from speechmq_schemas import AmqpMessage, EndStream, Names, RequestFailed

pytestmark = pytest.mark.timeout(180)

NOWHERE = "ws://127.0.0.1:9/v2"  # port 9: nobody listens


async def test_status_is_not_behind_the_audio_that_a_stream_cannot_get_rid_of(
    namespace: Namespace,
) -> None:
    async with (
        running_worker(namespace.url, NOWHERE, SPEECHMQ_SESSION__PREFETCH="20"),
        speaking(namespace.url) as speaker,
        asking(namespace.url) as asker,
    ):
        await speaker.start("one")
        await speaker.say("one", list(range(50)), finish=False)
        told = await asker.until("one", lambda told: bool(getattr(told, "lag_seconds", 0)))
        queues = await namespace.wait_for_queues(
            lambda queues: bool(queues["speechmq.stream.one"].ready)
        )
    assert told.state == "connecting"
    assert (told.received_seconds, told.finalised_seconds) == (told.lag_seconds, 0.0)
    assert told.lag_seconds < 10.0, "what the broker holds is not known"
    assert queues["speechmq.stream.one"].ready


async def test_next_owner_answers_when_a_worker_is_killed(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        AsyncExitStack() as later,
        running_worker(namespace.url, upstream.url) as first,
        speaking(namespace.url) as speaker,
        asking(namespace.url) as asker,
    ):
        await speaker.start("one")
        seq = await speaker.say("one", [1, 2, 3], finish=False)
        before = await asker.until_state("one", "streaming")
        await later.enter_async_context(running_worker(namespace.url, upstream.url))
        first.kill()
        after = await asker.until(
            "one", lambda told: (told.state, told.epoch) == ("streaming", before.epoch + 1)
        )
        await speaker.send("one", EndStream(seq=seq))
        await speaker.ears.until_over("one")
    assert (after.epoch, after.worker == before.worker) == (before.epoch + 1, False)
    assert after.since >= before.since


async def test_next_owner_answers_when_a_worker_stops(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        AsyncExitStack() as later,
        running_worker(namespace.url, upstream.url) as first,
        speaking(namespace.url) as speaker,
        asking(namespace.url) as asker,
    ):
        await speaker.start("one")
        seq = await speaker.say("one", [1, 2, 3], finish=False)
        before = await asker.until_state("one", "streaming")
        await later.enter_async_context(running_worker(namespace.url, upstream.url))
        first.terminate()
        await first.ended()
        after = await asker.until_state("one", "streaming")
        await speaker.send("one", EndStream(seq=seq))
        await speaker.ears.until_over("one")
        over = await asker.until("one", lambda told: isinstance(told, RequestFailed))
    assert (after.epoch, after.worker == before.worker) == (before.epoch + 1, False)
    assert over.code == "unknown_stream"


@pytest.mark.parametrize("is_owned", [True, False])
async def test_bad_question_is_answered_or_dead_lettered(
    namespace: Namespace, is_owned: bool
) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
        asking(namespace.url) as asker,
    ):
        if is_owned:
            await speaker.start("one")
            await asker.until_state("one", "streaming")
        wrong = [
            await asker.question("status.one", body=b"["),
            await asker.question("status.one", body=b'{"verbose": true}'),
            await asker.question("status.one", type="AudioChunk", headers={"seq": 1}),
        ]
        for reply_to in (None, Names().claims):
            await asker.send(AmqpMessage("status.one", "GetStreamStatus", b"", reply_to=reply_to))
        await namespace.wait_for_queues(lambda queues: queues["speechmq.dead"].ready == 2)
        gone = "amq.gen-of-nobody"
        await asker.send(AmqpMessage("status.one", "GetStreamStatus", b"", reply_to=gone))
        still = await asker.status("one")
        claims = (await namespace.queues())["speechmq.claims"].ready
    codes = [one.code for one in wrong if isinstance(one, RequestFailed)]
    assert codes == ["bad_json", "invalid_field", "wrong_place"]
    assert (isinstance(still, RequestFailed), claims) == (not is_owned, 0)


async def test_command_tells_in_lines_and_by_its_exit_code(namespace: Namespace) -> None:
    async with (
        running_worker(namespace.url, NOWHERE),
        speaking(namespace.url) as speaker,
        asking(namespace.url) as asker,
    ):
        await speaker.start("one")
        await speaker.say("one", [1], finish=False)
        await asker.until("one", lambda told: bool(getattr(told, "lag_seconds", 0)))
        told, as_json, unknown, pattern = [
            await run_speechmq("status", *words, "--url", namespace.url)
            for words in (("one",), ("one", "--json"), ("two",), ("a.*",))
        ]
    lines = dict(line.split(maxsplit=1) for line in told.out.splitlines())
    assert lines["stream"] == "one"
    assert lines["state"].startswith("connecting: ")
    assert " since 20" in lines["worker"]
    assert (lines["received"], lines["finalised"], lines["lag"]) == ("0.2 s", "0.0 s", "0.2 s")
    assert as_json.out.startswith('{"stream_id":"one","state":"connecting","epoch":')
    assert unknown.out == (
        "there is no stream 'two': it was never accepted, or it is over (unknown_stream)\n"
    )
    assert [one.code for one in (told, as_json, unknown, pattern)] == [0, 0, 1, 2]


async def test_command_tells_that_nobody_answers(namespace: Namespace) -> None:
    nobody = await run_speechmq("status", "one", "--url", namespace.url)
    async with await aio_pika.connect(namespace.url) as connection:
        channel = await connection.channel()
        await channel.declare_exchange("speechmq.in", "direct", durable=True)
        silent = await run_speechmq("status", "one", "--timeout", "0.5", "--url", namespace.url)
    assert (nobody.code, silent.code) == (3, 3)
    assert nobody.err.startswith("speechmq: no worker has declared the exchange")
    assert silent.err.startswith("speechmq: nobody told of stream one within 0.5 s;")


async def test_stream_that_is_given_up_while_it_is_bound_costs_no_other_stream_its_desk(
    namespace: Namespace,
) -> None:
    """The desk's channel is shared: a question that is cut short would close it."""
    settings = BrokerSettings.model_validate({"url": namespace.url})
    ownership = Ownership(1, datetime.now(UTC), lambda: None)
    async with open_plane(settings) as plane:
        await declare(await plane.channel(), shared(Names(), "quorum"))
        unused: Any = None
        desk = await StatusDesk.open(plane, unused, Names(), "me")
        for number in range(20):
            attending = asyncio.create_task(desk.register(f"s{number}", ownership))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            attending.cancel()
            await asyncio.wait([attending])
        await desk.register("last", ownership)
        assert not plane.is_lost
