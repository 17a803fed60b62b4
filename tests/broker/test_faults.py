"""Faults of messages, of queues and of connections: each costs what it touches, and no more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import aio_pika
import pytest
from pamqp import commands as spec
from tests.support.broker import Namespace
from tests.support.owners import manager_on
from tests.support.raw_messages import publish_raw
from tests.support.speaker import Speaker, said, speaking, start_of
from tests.support.worker import running_worker

from speechmq.broker import dead_letters, topology
from speechmq.broker.amqp.plane import DataPlane, open_plane
from speechmq.broker.control import admission as admission_module
from speechmq.broker.control.admission import Admission
from speechmq.broker.control.claims import Claims, publish_claim
from speechmq.broker.control.seats import seats_of
from speechmq.errors import BrokerError
from speechmq.settings import BrokerSettings, Settings
from speechmq.upstream.service import Upstream
from speechmq.worker import app
from speechmq_emulator.server import serve
from speechmq_schemas import AmqpMessage, AudioChunk, Names, StreamEnded, from_command

pytestmark = pytest.mark.timeout(120)
NAMES = Names()


def is_clean(queues: dict[str, Any]) -> bool:
    names = {name for name in queues if ".stream." in name or ".state." in name}
    claims = queues["speechmq.claims"]
    return not names and (claims.ready, claims.unacked) == (0, 0)


def broker_settings(namespace: Namespace) -> BrokerSettings:
    return BrokerSettings.model_validate({"url": namespace.url})


async def assert_stream_is_whole(speaker: Speaker, stream_id: str, within: float = 30.0) -> None:
    """A stream beside the bad one."""
    numbers = list(range(10))
    await speaker.start(stream_id)
    await speaker.say(stream_id, numbers)
    await speaker.ears.until_over(stream_id, within=within)
    assert speaker.ears.words(stream_id) == said(numbers)
    assert speaker.ears.of(stream_id, "StreamResumed") == []


# -- poison: one message that costs every stream its worker ----------------------------------------

MICROSECONDS = (b"\x00\x00\x00\x00\x11\x11\x11\x11", (1_700_000_000_000_000).to_bytes(8, "big"))


def poisoned(message_type: str) -> dict[str, tuple[spec.Basic.Properties, tuple[bytes, bytes]]]:
    when = datetime.fromtimestamp(0x11111111, UTC)
    return {
        "timestamp in microseconds": (
            spec.Basic.Properties(message_type=message_type, timestamp=when, headers={"seq": 1}),
            MICROSECONDS,
        ),
        "header of a time far away": (
            spec.Basic.Properties(message_type=message_type, headers={"seq": 1, "t": when}),
            MICROSECONDS,
        ),
        "property that is not UTF-8": (
            spec.Basic.Properties(
                message_type=message_type, correlation_id="QQQQQQ", headers={"seq": 1}
            ),
            (b"QQQQQQ", b"\xff\xfe\xff\xfe\xff\xfe"),
        ),
        "header name that is not UTF-8": (
            spec.Basic.Properties(message_type=message_type, headers={"seq": 1, "QQQQQQ": 1}),
            (b"QQQQQQ", b"\xff\xfe\xff\xfe\xff\xfe"),
        ),
        "property that is longer when it is replaced": (
            spec.Basic.Properties(
                message_type="Nonsense", correlation_id="Q" * 200, headers={"seq": 1}
            ),
            (b"Q" * 200, b"\xff" * 200),
        ),
        "headers of a thousand parts": (
            spec.Basic.Properties(
                message_type="Nonsense", headers={"seq": 1, "many": [None] * 100_000}
            ),
            (b"", b""),
        ),
        "headers that are nested deeply": (
            spec.Basic.Properties(message_type="Nonsense", headers=nested(300)),
            (b"", b""),
        ),
        "trace that fills a frame": (
            spec.Basic.Properties(
                message_type="Nonsense",
                headers={"seq": 1, "traceparent": PARENT + "x" * 130_000},
            ),
            (b"", b""),
        ),
    }


PARENT = f"01-{'a' * 32}-{'b' * 16}-01-"


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"seq": 1}
    for _ in range(depth):
        inner = {"t": inner}
    return inner


@pytest.mark.parametrize("kind", list(poisoned("")))
async def test_chunk_whose_properties_the_client_cannot_read_harms_no_other_stream(
    namespace: Namespace, kind: str
) -> None:
    """It is in a live stream's queue: whoever gets it loses its connection, one after another."""
    properties, replaced = poisoned("AudioChunk")[kind]
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url) as worker,
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await speaker.start("bad")
        await ears.wait_for(lambda: ears.of("bad", "StreamStarted") != [])
        await publish_raw(namespace, properties, routing_key="stream.bad", replace=replaced)
        await assert_stream_is_whole(speaker, "good")
        assert [line for line in worker.lines if "broker_lost" in line] == []
        assert ears.of("bad", "StreamFailed") == []


@pytest.mark.parametrize("kind", list(poisoned("")))
async def test_start_whose_properties_the_client_cannot_read_does_not_stop_admission(
    namespace: Namespace, kind: str
) -> None:
    properties, replaced = poisoned("StartStream")[kind]
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        await publish_raw(namespace, properties, routing_key="start", replace=replaced)
        await assert_stream_is_whole(speaker, "good")
        await namespace.wait_for_queues(
            lambda queues: (
                (queues[NAMES.start].ready, queues[NAMES.start].unacked) == (0, 0)
                and queues[NAMES.dead].ready == 1
            )
        )


async def test_start_with_a_trace_of_a_whole_frame_runs_without_it(namespace: Namespace) -> None:
    """The trace goes with every event, and with more headers than the start had."""
    properties = spec.Basic.Properties(
        message_type="StartStream", headers={"traceparent": PARENT + "x" * (131_072 - 160)}
    )
    body = from_command("one", start_of("one")).body
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url) as worker,
        speaking(namespace.url) as speaker,
    ):
        await publish_raw(namespace, properties, routing_key="start", body=body)
        await speaker.say("one", [1, 2, 3])
        await speaker.ears.until_over("one")
        assert [line for line in worker.lines if "broker_lost" in line] == []
    assert speaker.ears.words("one") == said([1, 2, 3])


async def test_garbage_with_headers_of_a_whole_frame_harms_no_other_stream(
    namespace: Namespace,
) -> None:
    """Its copy has more headers than the original, and a header must fit one frame."""
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url) as worker,
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await speaker.start("bad")
        await ears.wait_for(lambda: ears.of("bad", "StreamStarted") != [])
        headers: dict[str, Any] = {"seq": 1, "h": "x" * (131_072 - 120)}
        properties = spec.Basic.Properties(message_type="Nonsense", headers=headers)
        await publish_raw(namespace, properties, routing_key="stream.bad")
        await assert_stream_is_whole(speaker, "good")
        assert [line for line in worker.lines if "broker_lost" in line] == []


async def test_garbage_with_a_header_of_bytes_is_dead_lettered_and_its_stream_goes_on(
    namespace: Namespace,
) -> None:
    """A string that is not UTF-8 is read as bytes, which cannot be written again."""
    properties = spec.Basic.Properties(
        message_type="Nonsense", headers={"seq": 1, "trace": "QQQQQQ"}
    )
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await speaker.start("one")
        await ears.wait_for(lambda: ears.of("one", "StreamStarted") != [])
        await publish_raw(
            namespace,
            properties,
            routing_key="stream.one",
            replace=(b"QQQQQQ", b"\xff\xfe\xff\xfe\xff\xfe"),
        )
        await speaker.say("one", [1, 2, 3])
        await ears.until_over("one", within=20.0)
        assert ears.words("one") == said([1, 2, 3])


@pytest.mark.parametrize(
    "routing_key", ["stream." + "x" * 248, "stream.one"], ids=["long key", "header of bytes"]
)
async def test_early_message_that_cannot_be_forwarded_is_dead_lettered(
    namespace: Namespace, routing_key: str
) -> None:
    """Any exception but BrokerLost leaves it unsettled for ever: 2000 of them close the lane."""
    properties = spec.Basic.Properties(
        message_type="AudioChunk", headers={"seq": 1, "trace": "QQQQQQ"}
    )
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url, SPEECHMQ_SESSION__EARLY_WAIT="2"),
    ):
        await publish_raw(
            namespace,
            properties,
            routing_key=routing_key,
            replace=(b"QQQQQQ", b"\xff\xfe\xff\xfe\xff\xfe"),
        )
        await namespace.wait_for_queues(lambda queues: queues[NAMES.dead].ready == 1)


@pytest.mark.timeout(240)
async def test_flood_of_unknown_streams_does_not_delay_another_streams_early_audio(
    namespace: Namespace,
) -> None:
    """Publishers that speak on behind a StreamFailed fill the lane for ``early_wait``."""
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url, SPEECHMQ_SESSION__EARLY_WAIT="60"),
        speaking(namespace.url) as speaker,
    ):
        for seq in range(1, 2501):
            await speaker.send(f"ghost{seq % 8}", AudioChunk(seq=seq), b"\0" * 160)
        await assert_stream_is_whole(speaker, "good", within=180.0)


# -- claims and owners -----------------------------------------------------------------------------


@asynccontextmanager
async def admitted_by_hand(namespace: Namespace, stream_id: str) -> AsyncIterator[tuple[Any, Any]]:
    """A plane and a stream that is admitted, but not yet claimed, before any worker runs."""
    settings = broker_settings(namespace)
    async with open_plane(settings) as plane:
        channel = await plane.channel()
        await topology.declare(channel, topology.shared(NAMES, "quorum"))
        start = start_of(stream_id)
        body = start.model_dump_json(by_alias=True, exclude_unset=True).encode()
        queues = topology.per_stream(
            NAMES,
            stream_id,
            body,
            queue_type="quorum",
            max_bytes=settings.stream_max_bytes,
            expires=settings.stream_expires,
        )
        await topology.declare_queue(channel, queues.stream)
        await topology.declare_queue(channel, queues.state)
        await topology.bind(channel, queues.inbound)
        yield channel, body


async def test_stream_that_has_two_claims_runs_once(namespace: Namespace) -> None:
    """A worker died behind publishing the claim and before acknowledging the start."""
    async with serve("ledger") as upstream, admitted_by_hand(namespace, "one") as (channel, body):
        await publish_claim(channel, NAMES, body)
        await publish_claim(channel, NAMES, body)
        async with (
            speaking(namespace.url) as speaker,
            running_worker(namespace.url, upstream.url, SPEECHMQ_BROKER__HEARTBEAT="1") as worker,
        ):
            await speaker.say("one", list(range(20)), speed=2.0)
            await speaker.ears.until_over("one")
            await namespace.wait_for_queues(is_clean, within=15.0)
            kinds = [type(event).__name__ for event in speaker.ears.of("one")]
            assert (kinds.count("StreamStarted"), kinds.count("StreamEnded")) == (1, 1)
            assert kinds.count("StreamResumed") == 0
            assert speaker.ears.words("one") == said(range(20))
            assert [line for line in worker.lines if "Traceback" in line] == []
            assert (await namespace.queues())[NAMES.dead].ready == 0


async def test_stream_is_not_ended_by_what_a_crash_left_of_its_namesake(
    namespace: Namespace,
) -> None:
    """Killed between deleting the stream's queue and its state queue. Whoever gets the claim
    finds no stream queue and settles it; the state stays, and says that the stream is over."""
    async with serve("ledger") as upstream:
        async with admitted_by_hand(namespace, "one") as (channel, body):
            properties = spec.Basic.Properties(
                message_type="StreamEnded", headers={"epoch": 1, "seq": 9}, delivery_mode=2
            )
            ended = StreamEnded(
                stream_id="one",
                reason="end",
                received_seconds=0.0,
                finalised_seconds=0.0,
                gap_seconds=0.0,
                chunks=0,
                duplicates=0,
                finals=0,
            )
            body_of_end = ended.model_dump_json().encode()
            await channel.basic_publish(
                body_of_end, routing_key=NAMES.state("one"), properties=properties
            )
            await channel.queue_delete(NAMES.stream("one"))
            await publish_claim(channel, NAMES, body)
        async with running_worker(namespace.url, upstream.url), speaking(namespace.url) as speaker:
            await namespace.wait_for_queues(
                lambda queues: (queues[NAMES.claims].ready, queues[NAMES.claims].unacked) == (0, 0)
            )
            await speaker.start("one")
            await speaker.say("one", [1, 2, 3])
            await speaker.ears.wait_for(
                lambda: speaker.ears.words("one") == said([1, 2, 3]), within=15.0
            )


async def test_second_life_of_a_stream_does_not_repeat_message_ids(namespace: Namespace) -> None:
    """The message id is the deduplication key: a consumer drops the second life's finals."""
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        ids = []
        for _ in range(2):
            speaker.ears.streams.clear()
            await speaker.start("one")
            await speaker.say("one", [1, 2, 3])
            await speaker.ears.until_over("one")
            ids.append({heard.message.message_id for heard in speaker.ears.streams["one"]})
            await namespace.wait_for_queues(is_clean)
        assert ids[0] & ids[1] == set()


async def test_claim_of_a_stream_whose_queue_has_expired_is_told(namespace: Namespace) -> None:
    """No worker had room for an hour: accepted, and then never heard of again. The state lasts."""
    async with serve("ledger") as upstream, admitted_by_hand(namespace, "one") as (channel, body):
        await publish_claim(channel, NAMES, body)
        await channel.queue_delete(NAMES.stream("one"))
        async with speaking(namespace.url) as speaker, running_worker(namespace.url, upstream.url):
            await speaker.ears.until_over("one", within=15.0)


# -- one stream's trouble with the broker ----------------------------------------------------------


async def test_full_queue_of_one_consumer_does_not_orphan_a_stream(namespace: Namespace) -> None:
    """``reject-publish`` nacks although other queues have the event. The runner's BrokerLost comes
    out of ``_run`` inside an ExceptionGroup, counts as an internal error, and buries the claim."""
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        arguments: Any = {"x-max-length": 1, "x-overflow": "reject-publish"}
        queue = await speaker.channel.declare_queue("full", arguments=arguments)
        await queue.bind(NAMES.events, "transcript.#")
        await speaker.start("one")
        await speaker.say("one", list(range(20)), speed=4.0)
        await speaker.ears.until_over("one", within=20.0)
        assert speaker.ears.words("one") == said(range(20))


async def test_stream_whose_queue_is_deleted_fails_at_once(namespace: Namespace) -> None:
    """The broker cancels the consumer, which nobody hears: deaf until ``idle_timeout``."""
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await speaker.start("one")
        await speaker.say("one", [1, 2], finish=False)
        await ears.wait_for(lambda: ears.of("one", "FinalTranscript") != [])
        await speaker.channel.queue_delete(NAMES.stream("one"))
        await ears.until_over("one", within=15.0)


async def test_stream_without_its_state_queue_harms_no_other_and_is_told(
    namespace: Namespace,
) -> None:
    async with serve("ledger") as upstream, admitted_by_hand(namespace, "one") as (channel, body):
        await channel.queue_delete(NAMES.state("one"))
        await publish_claim(channel, NAMES, body)
        async with (
            speaking(namespace.url) as speaker,
            running_worker(namespace.url, upstream.url) as worker,
        ):
            await assert_stream_is_whole(speaker, "good")
            await speaker.ears.until_over("one", within=10.0)
            assert [line for line in worker.lines if "broker_lost" in line] == []


async def test_stream_with_a_state_that_cannot_be_read_fails_and_leaves_nothing(
    namespace: Namespace,
) -> None:
    async with serve("ledger") as upstream, admitted_by_hand(namespace, "one") as (channel, body):
        own = spec.Basic.Properties(user_id=channel.users.own)
        await channel.basic_publish(b"{}", routing_key=NAMES.state("one"), properties=own)
        await publish_claim(channel, NAMES, body)
        async with speaking(namespace.url) as speaker, running_worker(namespace.url, upstream.url):
            await speaker.ears.until_over("one", within=15.0)
            await namespace.wait_for_queues(is_clean, within=10.0)


async def test_loss_of_the_claims_channel_is_noticed(namespace: Namespace) -> None:
    """The broker closes it when a claim is older than ``consumer_timeout``, half an hour: every
    claim goes to another worker, while this one keeps its streams and takes no more."""
    settings = Settings(broker=broker_settings(namespace))
    async with open_plane(settings.broker) as plane:
        await topology.declare(await plane.channel(), topology.shared(NAMES, "quorum"))
        claims = await Claims.open(plane, NAMES, 10)
        upstream = Upstream(settings.upstream, time.monotonic)
        manager = manager_on(plane, claims, upstream, settings)
        ready = asyncio.Event()
        running = asyncio.create_task(manager.run(ready.set))
        await ready.wait()
        await manager._claims._channel.basic_ack(4711)  # the broker answers by closing the channel
        done, _ = await asyncio.wait([running], timeout=10.0)
        running.cancel()
        await asyncio.wait([running])
    assert done == {running}
    with pytest.raises(ExceptionGroup):
        running.result()


async def test_deleted_claims_queue_is_noticed(namespace: Namespace) -> None:
    settings = Settings(broker=broker_settings(namespace))
    async with open_plane(settings.broker) as plane:
        channel = await plane.channel()
        await topology.declare(channel, topology.shared(NAMES, "quorum"))
        claims = await Claims.open(plane, NAMES, 10)
        upstream = Upstream(settings.upstream, time.monotonic)
        manager = manager_on(plane, claims, upstream, settings)
        ready = asyncio.Event()
        running = asyncio.create_task(manager.run(ready.set))
        await ready.wait()
        await channel.queue_delete(NAMES.claims)
        done, _ = await asyncio.wait([running], timeout=10.0)
        running.cancel()
        await asyncio.wait([running])
    assert done == {running}


# -- publishing into nowhere -----------------------------------------------------------------------


async def test_claim_that_no_queue_takes_is_not_thought_safe(namespace: Namespace) -> None:
    """``mandatory`` without ``on_return_raises`` returns as if all were well."""
    async with open_plane(broker_settings(namespace)) as plane:
        with pytest.raises(BrokerError):
            await publish_claim(await plane.channel(), NAMES, b"{}")


async def test_dead_letter_that_no_queue_takes_is_not_thought_safe(namespace: Namespace) -> None:
    async with open_plane(broker_settings(namespace)) as plane:
        letter = dead_letters.RejectedMessage("q", b"", "x", {})
        with pytest.raises(BrokerError):
            await dead_letters.dead_letter(
                await plane.channel(), NAMES.dead, letter, code="c", reason="r"
            )


# -- admission -------------------------------------------------------------------------------------


async def test_refusal_that_races_a_valid_start_does_not_end_its_stream(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refused start looks for the stream, the valid one is admitted, and StreamFailed lands
    in the state of a stream that has just begun: its owner thinks that it is over."""
    settings = broker_settings(namespace)
    dead_letter = dead_letters.dead_letter

    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
        open_plane(settings) as plane,
    ):
        # A check that lets everything pass.
        seats = seats_of(plane, Settings(broker=settings), clock=time.monotonic)
        admission = Admission(plane, Settings(broker=settings), check=repr, seats=seats)

        async def slow_dead_letter(*where: Any, **what: Any) -> None:
            await admission.admit(from_command("one", start_of("one")), False)
            await dead_letter(*where, **what)

        monkeypatch.setattr(admission_module, "dead_letter", slow_dead_letter)
        invalid = AmqpMessage("start", "StartStream", b'{"stream_id":"one"}')
        # No claim may be taken before the refusal is out: hold them back.
        held: list[tuple[Any, ...]] = []

        async def hold_claim(*claim: Any) -> None:
            held.append(claim)

        monkeypatch.setattr(admission_module, "publish_claim", hold_claim)
        await admission.admit(invalid, False)
        await publish_claim(await plane.channel(), *held[0][1:])
        await speaker.say("one", [1, 2, 3])
        await speaker.ears.wait_for(
            lambda: speaker.ears.words("one") == said([1, 2, 3]), within=15.0
        )


async def test_refused_start_with_a_header_of_bytes_is_settled(namespace: Namespace) -> None:
    """Otherwise it stays unacknowledged: 16 of them, and the worker admits nobody."""
    properties = spec.Basic.Properties(message_type="StartStream", headers={"trace": "QQQQQQ"})
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        for _ in range(20):
            await publish_raw(
                namespace,
                properties,
                routing_key="start",
                replace=(b"QQQQQQ", b"\xff\xfe\xff\xfe\xff\xfe"),
            )
        await assert_stream_is_whole(speaker, "good")


def told_again(lines: list[str]) -> bool:
    return any("broker_lost" in line for line in lines)


# -- the worker itself -----------------------------------------------------------------------------


async def test_worker_that_finds_a_queue_of_another_kind_says_so(namespace: Namespace) -> None:
    """What ``declare`` raises is the client's own error, and no reason to try again either."""
    async with await aio_pika.connect(namespace.url) as connection:
        await (await connection.channel()).declare_queue(NAMES.start, durable=True)
    worker = app.Worker(Settings(broker=broker_settings(namespace)), ready=lambda: None)
    running = asyncio.create_task(worker.run())
    await asyncio.wait([running], timeout=10.0)
    worker.stop()
    with pytest.raises(BrokerError):
        await running


async def test_worker_that_is_told_to_stop_while_it_starts_ends_cleanly(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = app.Worker(Settings(broker=broker_settings(namespace)), ready=lambda: None)
    open_claims = Claims.open

    async def slow_open(plane: DataPlane, names: Names, capacity: int) -> Claims:
        worker.stop()
        for _ in range(100):
            await asyncio.sleep(0)
        return await open_claims(plane, names, capacity)

    monkeypatch.setattr(Claims, "open", slow_open)
    async with asyncio.timeout(20.0):
        await worker.run()


async def test_worker_outlives_the_loss_of_the_broker_and_tells_its_reason(
    namespace: Namespace,
) -> None:
    """``control.stop`` raises from a ``finally`` when its own connection is gone too."""
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url) as worker,
    ):
        management = namespace.management

        async def connections() -> list[str]:
            rows = await management._ask("GET", f"/api/vhosts/{namespace.prefix}/connections")
            return [row["name"] for row in rows]

        async with asyncio.timeout(20.0):
            while len(found := await connections()) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        for name in found:
            # The loss of one may have made the worker let go of the other already.
            with suppress(RuntimeError):
                await management._ask("DELETE", f"/api/connections/{quote(name, safe='')}")
        async with asyncio.timeout(20.0):
            while not (worker.process.returncode is not None or told_again(worker.lines)):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert worker.process.returncode is None, worker.lines[-3:]
        [told] = [line for line in worker.lines if "broker_lost" in line][:1]
        assert "TaskGroup" not in told


async def test_starts_are_admitted_again_when_the_control_connection_alone_was_lost(
    namespace: Namespace,
) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        management = namespace.management
        control: set[str] = set()
        async with asyncio.timeout(20.0):
            while not control:
                rows = await management._ask("GET", f"/api/consumers/{namespace.prefix}")
                control = {
                    row["channel_details"]["connection_name"]
                    for row in rows
                    if row["queue"]["name"] == NAMES.start and row["channel_details"]
                }
                await asyncio.sleep(0.1)
        for name in control:
            await management._ask("DELETE", f"/api/connections/{quote(name, safe='')}")
        await assert_stream_is_whole(speaker, "good", within=40.0)
