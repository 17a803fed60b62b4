"""Whatever a publisher sends, to whichever key: it ends among the dead letters with its reason,
costs the worker a bounded amount of memory, and no other stream a word."""

from __future__ import annotations

import itertools
import json
import random
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.support.asker import asking
from tests.support.broker import Namespace
from tests.support.raw_messages import publish_at_once
from tests.support.scene import scene
from tests.support.siege import (
    MIB,
    SIZE,
    bystanders,
    letters,
    nothing_is_stuck,
    within_memory,
)
from tests.support.speaker import RATE, Speaker, chunks_of, said, speaking, start_of
from tests.support.worker import running_worker

from speechmq_emulator.ledger import encode
from speechmq_emulator.server import serve
from speechmq_schemas import (
    AmqpMessage,
    AudioChunk,
    EndStream,
    StreamStatus,
    StreamWarning,
    from_command,
)
from speechmq_schemas.commands import COMMANDS

pytestmark = pytest.mark.timeout(180)
SOON = {"SPEECHMQ_SESSION__EARLY_WAIT": "1"}
# A start given up after 100 MiB of audio would be dead-lettered twice: a deadline is a third.
PATIENT = {"SPEECHMQ_SESSION__EARLY_WAIT": "150"}
FEW = {"SPEECHMQ_WORKER__EARLY_PREFETCH": "100", "SPEECHMQ_SESSION__PREFETCH": "100"}
RANDOM = random.Random(7)

KEYS = (
    "start",
    "temporary-key",
    "stream.bad",
    "stream.ghost",
    "status.bad",
    "status.ghost",
    "stream.",
    "stream.a b",
    "status.",
    "stream." + "x" * 200,
    "nowhere",
    "",
)
TYPES = (*COMMANDS, "Nonsense", "", "T" * 255)
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "an object": b"{}",
    "random": RANDOM.randbytes(5000),
    "cut off": b'{"stream_id": "bad"',
    "no object": b"[1]",
    "null": b"null",
    "not UTF-8": b'{"stream_id": "\xff\xfe"}',
    "half a character": b'{"stream_id": "\\ud800"}',
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"stream_id":' * 50_000,
    "wrong types": json.dumps({"stream_id": {}, "audio_format": 1, "ttl": []}).encode(),
    "large": b" " * 300_000,
    "many keys": json.dumps({f"k{n}": n for n in range(10_000)}).encode(),
}
HEADERS: tuple[dict[str, Any], ...] = (
    {},
    {"seq": -1},
    {"seq": 0},
    {"seq": "1"},
    {"seq": True},
    {"seq": 1.5},
    {"seq": {"seq": 1}},
    {"seq": 2**63 - 1},
    {"seq": 1.5, "channel": ["a"], "traceparent": 7, "x-speechmq-early-since": -1},
    {"seq": None, "x-speechmq-early-since": 2**62, "x-death": [{"queue": "speechmq.claims"}]},
    {"big": "x" * 90_000},
    {f"h{number}": number for number in range(3000)},
)
REASONS = {
    "after_end",
    "bad_json",
    "invalid_field",
    "missing_reply_to",
    "missing_seq",
    "missing_type",
    "seq_too_far",
    "too_large",
    "unknown_stream",
    "unknown_type",
    "unroutable",
    "wrong_place",
}


def garbage(count: int) -> list[AmqpMessage]:
    """None of it means anything, wherever it goes: nothing has a seq that could be the next."""
    every = itertools.product(KEYS, TYPES, BODIES.values(), HEADERS)
    return [AmqpMessage(*one) for one in RANDOM.sample(list(every), count)]


@asynccontextmanager
async def bad_stream(
    namespace: Namespace, mib: float, **settings: str
) -> AsyncIterator[tuple[Speaker, int]]:
    """A worker that may take so much more memory, with the stream "bad" in mid-speech; its next
    seq."""
    async with scene(namespace, **settings) as (worker, speaker), within_memory(worker, mib):
        await speaker.start("bad")
        # What comes sooner may go the way of early audio, where it is called another name.
        await speaker.ears.wait_for(lambda: bool(speaker.ears.of("bad", "StreamStarted")))
        yield speaker, await speaker.say("bad", range(5), finish=False)


async def test_garbage_of_every_kind_to_every_key_is_dead_lettered_with_its_reason(
    namespace: Namespace,
) -> None:
    """130 MiB of it in all: a worker that kept what it has settled would need as much."""
    messages = garbage(1500)
    async with bad_stream(namespace, 80, **SOON, **FEW) as (speaker, next_seq):
        async with bystanders(speaker, "one", "two", "three"):
            for message in messages:
                await speaker.publish(message)
        found = await letters(namespace, len(messages))
        await nothing_is_stuck(namespace)
        await speaker.say("bad", range(5, 10), first_seq=next_seq)
        await speaker.ears.until_over("bad")
    assert sorted(letter.body for letter in found) == sorted(one.body for one in messages)
    assert {letter.code for letter in found} <= REASONS
    assert speaker.ears.words("bad") == said(range(10))


# Whoever names "amq.rabbitmq.reply-to" itself has to consume from it.
NOBODYS = b64encode(b"\x83Xd\x00\x0ereply@12345678" + bytes(12)).decode()
REPLY_TO = (
    f"amq.rabbitmq.reply-to.{NOBODYS}.{b64encode(bytes(16)).decode()}",
    "nowhere",
    "x" * 255,
    "amq.rabbitmq.reply-to.",
    "amq.rabbitmq.reply-to.g1hkABByZXBseUA=.nonsense",
    f"amq.rabbitmq.reply-to.{NOBODYS}",
    "speechmq.",
    "speechmq.claims",
    "speechmq.stream.one",
)


KINDS = (
    ("temporary-key", "CreateTemporaryKey", b'{"ttl": 60}'),
    ("temporary-key", "CreateTemporaryKey", b"{"),
    ("status.one", "GetStreamStatus", b""),
    ("status.ghost", "GetStreamStatus", b"{}"),
    ("status.ghost", "Nonsense", b""),
)


async def test_questions_with_any_queue_to_answer_to_disturb_nobody(namespace: Namespace) -> None:
    """More of each than are answered at once: none may be held for ever."""
    asked = [
        AmqpMessage(key, kind, body, reply_to=reply_to, correlation_id="c" * 255)
        for key, kind, body in KINDS
        for reply_to in REPLY_TO
    ]
    async with (
        serve("ledger", http_port=0) as upstream,
        running_worker(
            namespace.url,
            upstream.url,
            SPEECHMQ_UPSTREAM__MANAGEMENT_URL=f"{upstream.http_url}/v1",
        ) as worker,
        speaking(namespace.url) as speaker,
        asking(namespace.url) as asker,
    ):
        async with bystanders(speaker, "one"):
            for message in 4 * asked:
                await speaker.publish(message)
            # Answered at the first try: what a forged direct reply-to costs is not theirs.
            for _ in range(5):
                assert isinstance(await asker.status("one"), StreamStatus)
                assert (await asker.status("ghost")).code == "unknown_stream"
            await nothing_is_stuck(namespace)
        troubles = ("unusable", "broker_lost", "AudioChunk")
        assert [line for line in worker.lines if any(one in line for one in troubles)] == []
        found = await letters(namespace, 4 * len(KINDS) * 6)
    assert {letter.code for letter in found} == {"bad_reply_to"}


async def test_ten_mebibytes_in_a_message_are_not_kept_in_memory(namespace: Namespace) -> None:
    """More of them than it may hold, behind audio that is not final."""
    large, count = b"\0" * (10 * MIB), 5
    async with bad_stream(namespace, 75, **PATIENT) as (speaker, next_seq):
        async with bystanders(speaker, "one", "two"):
            for number in range(count):
                await speaker.send("bad", AudioChunk(seq=900_000 + number), large)
                await speaker.publish(AmqpMessage("stream.bad", "Nonsense", large))
            await speaker.send("ghost", AudioChunk(seq=1), large)
            await speaker.publish(AmqpMessage("start", "StartStream", large))
            await speaker.publish(AmqpMessage("nowhere", "", large))
        found = await letters(namespace, 2 * count + 3)
        await speaker.say("bad", range(5, 10), first_seq=next_seq, finish=False)
        await speaker.ears.wait_for(lambda: speaker.ears.words("bad") == said(range(10)))
    assert {(letter.headers[SIZE], len(letter.body)) for letter in found} == {(10 * MIB, 4096)}
    assert Counter(letter.code for letter in found) == {
        "too_large": count + 3,
        "seq_too_far": count,
    }


async def test_seq_and_message_id_of_any_kind_change_no_word(namespace: Namespace) -> None:
    """Repeated, negative, none, absurdly far; and every message of all streams has one id."""
    async with scene(namespace, **SOON) as (_, speaker):
        streams = {
            name: encode(range(10), sample_rate=RATE, encoding="pcm_s16le") for name in "abc"
        }
        bad = [-1, 0, -(2**63), 2**63 - 1, 200_000]
        for name, audio in streams.items():
            # Early, so that some are returned to the worker, which tells them apart by their ids.
            chunks = chunks_of(audio)
            for seq, chunk in enumerate(chunks, start=1):
                for _ in range(2):
                    await forged(speaker, from_command(name, AudioChunk(seq=seq), chunk))
            for seq in bad:
                await forged(
                    speaker, AmqpMessage(f"stream.{name}", "AudioChunk", b"\1\1", {"seq": seq})
                )
        for name in streams:
            await forged(speaker, from_command(name, start_of(name)))
        found = await letters(namespace, len(streams) * len(bad))
        for name in streams:
            await forged(speaker, from_command(name, EndStream(seq=len(chunks) + 1)))
        await speaker.ears.until_over(*streams)
    assert [speaker.ears.words(name) for name in streams] == [said(range(10))] * 3
    [ended] = speaker.ears.of("a", "StreamEnded")
    assert (ended.duplicates, ended.gap_seconds) == (len(chunks), 0.0)
    assert {letter.code for letter in found} == {"invalid_field", "seq_too_far"}


async def forged(speaker: Speaker, message: AmqpMessage) -> None:
    await speaker.publish(replace(message, message_id="the-same"))


async def test_thousand_unknown_streams_are_dead_lettered_while_others_run(
    namespace: Namespace,
) -> None:
    async with scene(namespace, **SOON) as (worker, speaker), within_memory(worker, 100):
        async with bystanders(speaker, "one", "two"):
            for number in range(1000):
                await speaker.send(f"ghost{number}", AudioChunk(seq=1), b"\0" * 3200)
        found = await letters(namespace, 1000)
        await nothing_is_stuck(namespace)
    assert {letter.code for letter in found} == {"unknown_stream"}


async def test_stream_that_floods_is_read_slowly_and_loses_nothing(namespace: Namespace) -> None:
    """Its own words are exact, too; the broker holds what it has sent too early."""
    numbers = range(600)
    audio = encode(numbers, sample_rate=RATE, encoding="pcm_s16le")
    chunks = [
        from_command("flood", AudioChunk(seq=seq), chunk)
        for seq, chunk in enumerate(chunks_of(audio), start=1)
    ]
    nonsense = [AmqpMessage("stream.flood", "Nonsense", b"{}")] * 20
    async with (
        serve("ledger") as upstream,
        running_worker(
            namespace.url,
            upstream.url,
            SPEECHMQ_SESSION__MAX_MESSAGE_RATE="300",
            SPEECHMQ_SESSION__RATE_BURST="0.1",
            SPEECHMQ_SESSION__PREFETCH="300",
        ),
        speaking(namespace.url) as speaker,
    ):
        await speaker.start("flood")
        await speaker.ears.wait_for(lambda: bool(speaker.ears.of("flood", "StreamStarted")))
        async with bystanders(speaker, "one", "two"):
            await publish_at_once(namespace, [*chunks, *nonsense])
        await speaker.send("flood", EndStream(seq=len(chunks) + 1))
        await speaker.ears.until_over("flood")
        found = await letters(namespace, 20)
    assert speaker.ears.words("flood") == said(numbers)
    warnings: list[StreamWarning] = speaker.ears.of("flood", "StreamWarning")
    assert {one.code for one in warnings} >= {"rate_limited", "unknown_type"}
    assert {letter.code for letter in found} == {"unknown_type"}
