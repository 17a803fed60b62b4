"""RabbitMQ routes a message by its headers ``CC`` and ``BCC``, too. Whatever a publisher's headers
say, it reaches no queue through the worker's rights, and no message but a worker's own counts as a
claim, as a stream's state or as its attributes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aio_pika
import pytest
from tests.broker.test_permissions import shipped_permissions
from tests.support.broker import Namespace, user
from tests.support.siege import bystanders, letters, nothing_is_stuck
from tests.support.speaker import Speaker, said, speaking, start_of
from tests.support.worker import running_worker

from speechmq_emulator.ledger import encode
from speechmq_emulator.server import serve
from speechmq_schemas import AmqpMessage, AudioChunk, EndStream, from_command
from speechmq_schemas.dead_letters import HEADERS

pytestmark = pytest.mark.timeout(180)
SOON = {"SPEECHMQ_SESSION__EARLY_WAIT": "1"}
CAPTIONS = "consumer.captions"
SEAT = "speechmq.seat.0123456789abcdef.0"
TARGETS = (
    "speechmq.start",
    "speechmq.early",
    "speechmq.claims",
    "speechmq.dead",
    "speechmq.temporary-key",
    "speechmq.log",
    "speechmq.stream.victim",
    "speechmq.state.victim",
    "speechmq.memo.victim",
    SEAT,
    CAPTIONS,
)
"""Every kind of queue that there is, by its name: the default exchange's routing key."""
FINAL = json.dumps({"stream_id": "victim", "segment_id": 0, "transcript": "forged"}).encode()
ENDED = json.dumps({"stream_id": "victim", "reason": "end_of_stream"}).encode()


def forged_headers(target: str) -> dict[str, Any]:
    """What the queue would need for the message to count, and where it is to go."""
    return {
        "CC": [target],
        "BCC": [target],
        "epoch": 2**52,
        "seq": 10**12,
        "schema_version": 1,
        "x-speechmq-seat": "amq.nobodys",
        "x-speechmq-queue": "speechmq.claims",
        "x-speechmq-routing-key": target,
    }


def attempts(target: str) -> list[AmqpMessage]:
    """One for each way by which a worker passes on what a publisher sent. Each of them ends among
    the dead letters, once."""
    headers = forged_headers(target)
    claim = start_of("ghost").model_dump_json(exclude_unset=True).encode()
    return [
        # As audio ahead of its stream, put back and dead-lettered.
        AmqpMessage("stream.ghost", "StreamEnded", ENDED, headers, correlation_id="victim"),
        # As audio ahead of a stream that is there by then.
        AmqpMessage("stream.late", "FinalTranscript", FINAL, headers, correlation_id="victim"),
        # As a start that is refused. A live stream would have a warning of it.
        AmqpMessage("start", "FinalTranscript", claim, headers, correlation_id="victim"),
        AmqpMessage("start", "StartStream", b'{"stream_id": "ghost"}', headers),
        # In a stream that runs.
        AmqpMessage("stream.mine", "StreamEnded", ENDED, headers, correlation_id="victim"),
        AmqpMessage("stream.mine", "StartStream", claim, headers),
        # To nowhere, and as questions to which no answer is possible.
        AmqpMessage("nowhere", "StartStream", claim, headers),
        AmqpMessage("temporary-key", "StartStream", claim, headers),
        AmqpMessage("status.mine", "GetStreamStatus", b"", headers),
        AmqpMessage("status.ghost", "GetStreamStatus", b"", headers),
    ]


@dataclass(frozen=True, slots=True)
class Roles:
    """URLs of the documented users."""

    worker: str
    publisher: str
    consumer: str


@pytest.fixture
async def roles(namespace: Namespace) -> AsyncIterator[Roles]:
    rights = shipped_permissions()
    async with AsyncExitStack() as stack:
        yield Roles(
            **{
                role: await stack.enter_async_context(
                    user(namespace, role, rights[f"speechmq-{role}"])
                )
                for role in ("worker", "publisher", "consumer")
            }
        )


@asynccontextmanager
async def hostile_scene(
    namespace: Namespace, roles: Roles, **settings: str
) -> AsyncIterator[Speaker]:
    """A worker, and a publisher that may write to ``speechmq.in`` alone; an administrator hears."""
    async with (
        serve("ledger") as upstream,
        running_worker(
            roles.worker,
            upstream.url,
            SPEECHMQ_BROKER__TRANSCRIPT_LOG="true",
            **SOON,
            **settings,
        ),
        speaking(namespace.url) as hearing,
        await aio_pika.connect(roles.publisher) as connection,
    ):
        channel = await connection.channel()
        inbound = await channel.get_exchange("speechmq.in")
        yield Speaker(channel, inbound, hearing.ears)


async def drained(url: str, queue: str) -> list[tuple[str, bytes]]:
    """Type and body of every message of ``queue``, which is empty on return."""
    found = []
    async with await aio_pika.connect(url) as connection:
        source = await (await connection.channel()).get_queue(queue)
        while (message := await source.get(no_ack=True, fail=False)) is not None:
            found.append((message.type or "", message.body))
    return found


async def declare_captions(url: str) -> None:
    """A consumer's durable queue that hears nothing; what comes there came by its name."""
    async with await aio_pika.connect(url) as connection:
        await (await connection.channel()).declare_queue(CAPTIONS, durable=True)


@pytest.mark.parametrize("target", TARGETS)
async def test_headers_of_a_publisher_route_nothing_through_the_worker(
    namespace: Namespace, roles: Roles, target: str
) -> None:
    async with hostile_scene(namespace, roles) as speaker:
        await declare_captions(roles.consumer)
        await speaker.start("mine")
        await speaker.ears.wait_for(lambda: bool(speaker.ears.of("mine", "StreamStarted")))
        sent = attempts(target)
        async with bystanders(speaker, "victim"):
            for message in sent:
                await speaker.publish(message)
            await speaker.start("late")
        found = await letters(namespace, len(sent))
        await nothing_is_stuck(namespace)
        await speaker.say("mine", range(5), speed=4)
        await speaker.ears.until_over("mine")
    assert sorted(letter.body for letter in found) == sorted(one.body for one in sent)
    # What reached its stream by way of the early queue has the contract's headers alone.
    kept = [letter.headers[HEADERS].get("CC") for letter in found]
    assert [one for one in kept if one is not None] == [[target]] * (len(sent) - kept.count(None))
    assert kept.count(None) <= 1
    assert {name for letter in found for name in letter.headers} & {"CC", "BCC"} == set()
    assert speaker.ears.words("mine") == said(range(5))
    assert await drained(namespace.url, CAPTIONS) == []


async def test_early_audio_reaches_its_stream_without_its_publishers_headers(
    namespace: Namespace, roles: Roles
) -> None:
    """It is heard, and copied nowhere."""
    async with hostile_scene(namespace, roles) as speaker:
        await declare_captions(roles.consumer)
        for message in early_audio("victim", range(5)):
            await speaker.publish(message)
        await speaker.start("victim")
        await speaker.ears.until_over("victim")
        await nothing_is_stuck(namespace)
    assert speaker.ears.words("victim") == said(range(5))
    assert await drained(namespace.url, CAPTIONS) == []
    assert await drained(namespace.url, "speechmq.dead") == []


def early_audio(stream_id: str, numbers: range) -> list[AmqpMessage]:
    audio = encode(numbers, sample_rate=8000, encoding="pcm_s16le")
    chunks = [audio[at : at + 1600] for at in range(0, len(audio), 1600)]
    every = list(TARGETS)
    carried = {"CC": every, "BCC": every}
    return [
        *(
            from_command(stream_id, AudioChunk(seq=seq), chunk, headers=carried)
            for seq, chunk in enumerate(chunks, start=1)
        ),
        from_command(stream_id, EndStream(seq=len(chunks) + 1), headers=carried),
    ]


async def test_message_that_no_worker_wrote_is_no_claim(namespace: Namespace, roles: Roles) -> None:
    """As somebody with the rights of an administrator, or a restored queue, could leave one."""
    body = start_of("ghost").model_dump_json(exclude_unset=True).encode()
    async with hostile_scene(namespace, roles) as speaker:
        async with bystanders(speaker, "one"):
            await publish_to(namespace.url, "speechmq.claims", "StartStream", body, seat="amq.x")
        [letter] = await letters(namespace, 1)
        assert speaker.ears.kinds().get("ghost") is None
    assert (letter.body, letter.code) == (body, "foreign_message")


async def test_state_that_no_worker_wrote_ends_no_stream(
    namespace: Namespace, roles: Roles
) -> None:
    """A forged ``StreamEnded`` in a stream's state is put aside, and the stream goes on."""
    async with (
        serve("ledger") as upstream,
        running_worker(roles.worker, upstream.url) as first,
        speaking(namespace.url) as speaker,
    ):
        await speaker.start("victim")
        seq = await speaker.say("victim", range(10), finish=False)
        await speaker.ears.wait_for(lambda: "w3" in speaker.ears.words("victim"))
        first.kill()
        await publish_to(namespace.url, "speechmq.state.victim", "StreamEnded", ENDED, epoch=2**52)
        async with running_worker(roles.worker, upstream.url):
            await speaker.say("victim", range(10, 20), first_seq=seq)
            await speaker.ears.until_over("victim")
    assert speaker.ears.words("victim")[-10:] == said(range(10, 20))
    assert set(speaker.ears.words("victim")) == set(said(range(20)))
    ended = [one for one in speaker.ears.streams["victim"] if one.message.type == "StreamEnded"]
    assert [one.message.body == ENDED for one in ended] == [False]
    [(kind, body)] = await drained(namespace.url, "speechmq.dead")
    assert (kind, body) == ("StreamEnded", ENDED)


async def publish_to(url: str, queue: str, kind: str, body: bytes, **headers: Any) -> None:
    """By the default exchange, with the rights of an administrator."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        message = aio_pika.Message(body, type=kind, headers=headers)
        await channel.default_exchange.publish(message, queue)


@pytest.mark.parametrize("seat", ["amq.nobodys", "speechmq.seat.0123456789abcdef.0"])
async def test_seat_that_cannot_be_freed_costs_no_other_stream(
    namespace: Namespace, roles: Roles, seat: str
) -> None:
    """Its claim is a worker's own here, so that the seat is believed."""
    body = start_of("odd").model_dump_json(exclude_unset=True).encode()
    async with (
        serve("ledger") as upstream,
        running_worker(roles.worker, upstream.url) as worker,
        speaking(namespace.url) as speaker,
    ):
        async with bystanders(speaker, "one"):
            await publish_to(
                roles.worker, "speechmq.claims", "StartStream", body, **{"x-speechmq-seat": seat}
            )
        lost = [line for line in worker.lines if "broker_lost" in line]
    assert lost == []
