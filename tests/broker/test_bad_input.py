"""Nothing that a publisher sends is dropped without a trace, or harms anybody else's stream."""

from __future__ import annotations

import json
from typing import Any

import aio_pika
import pytest
from tests.support.broker import Namespace
from tests.support.scene import scene
from tests.support.speaker import Speaker, said, speaking, start_of
from tests.support.worker import running_worker

from speechmq_emulator.server import serve
from speechmq_schemas import (
    AmqpMessage,
    AudioChunk,
    EndStream,
    Names,
    StreamFailed,
    StreamWarning,
    from_command,
)

pytestmark = pytest.mark.timeout(120)
REASON, CODE, QUEUE = "x-speechmq-reason", "x-speechmq-code", "x-speechmq-queue"
HEADERS = "x-speechmq-headers"
ROUTING_KEY = "x-speechmq-routing-key"


async def dead_letters(speaker: Speaker, count: int) -> list[dict[str, Any]]:
    """What lies among the dead letters once there are ``count``: headers, type and body."""
    queue = await speaker.channel.get_queue(Names().dead)
    found: list[dict[str, Any]] = []
    async with queue.iterator(timeout=30) as letters:
        async for letter in letters:
            found.append({**letter.headers, "type": letter.type, "body": letter.body})
            await letter.ack()
            if len(found) == count:
                return found
    raise AssertionError(f"only {found}")


async def test_invalid_start_is_refused_with_each_fields_path_and_reason(
    namespace: Namespace,
) -> None:
    body = json.loads(from_command("bad", start_of("bad")).body)
    body["audio_format"]["sample_rate"] = 100
    body["transcription_config"]["max_delay"] = "soon"
    text = json.dumps(body).encode()
    async with scene(namespace) as (_, speaker):
        await speaker.publish(AmqpMessage("start", "StartStream", text))
        await speaker.ears.until_over("bad")
        [letter] = await dead_letters(speaker, 1)
    [failed] = speaker.ears.of("bad")
    rate = "Input should be greater than or equal to 8000"
    delay = "Input should be a valid number"
    assert failed == StreamFailed(
        stream_id="bad",
        code="invalid_field",
        reason="StartStream is not valid: "
        f"audio_format.sample_rate: {rate}; transcription_config.max_delay: {delay}",
        retryable=False,
        fields=[
            {"path": "audio_format.sample_rate", "reason": rate},
            {"path": "transcription_config.max_delay", "reason": delay},
        ],
    )
    assert letter == {
        CODE: "invalid_field",
        REASON: failed.reason,
        QUEUE: "speechmq.start",
        ROUTING_KEY: "start",
        "type": "StartStream",
        "body": text,
    }


@pytest.mark.parametrize(
    ("message", "code", "heard"),
    [
        (AmqpMessage("start", "StartStream", b"{"), "bad_json", "unknown"),
        (AmqpMessage("start", "StartStream", b"\xff\xfe"), "bad_json", "unknown"),
        (AmqpMessage("start", "StartStream", b'{"stream_id":"a b"}'), "invalid_field", "unknown"),
        (AmqpMessage("start", "StartStream", b'{"stream_id":"x"}'), "invalid_field", "x"),
        (AmqpMessage("start", "Nonsense", b"{}"), "unknown_type", "unknown"),
        (AmqpMessage("start", "EndStream", b"", {"seq": 1}), "wrong_place", "unknown"),
        (AmqpMessage("start", "StartStream", b"[" * 100_000), "bad_json", "unknown"),
    ],
)
async def test_start_that_is_none_is_dead_lettered_and_told(
    namespace: Namespace, message: AmqpMessage, code: str, heard: str
) -> None:
    async with scene(namespace) as (_, speaker):
        await speaker.publish(message)
        [letter] = await dead_letters(speaker, 1)
        await speaker.ears.until_over(heard)
    assert (letter[CODE], letter["type"], letter["body"]) == (code, message.type, message.body)
    assert [event.code for event in speaker.ears.of(heard, "StreamFailed")] == [code]


async def test_garbage_in_a_stream_is_dead_lettered_and_the_stream_goes_on(
    namespace: Namespace,
) -> None:
    key = "stream.one"
    garbage = [
        (AmqpMessage(key, "AudioChunk", b"no seq"), "missing_seq"),
        (AmqpMessage(key, "AudioChunk", b"", {"seq": -5}), "invalid_field"),
        (AmqpMessage(key, "AudioChunk", b"", {"seq": "one"}), "invalid_field"),
        (AmqpMessage(key, "Nonsense", b"{}", {"seq": 2}), "unknown_type"),
        (AmqpMessage(key, "", b"", {"seq": 2}), "missing_type"),
        (AmqpMessage(key, "EndStream", b"{", {"seq": 2}), "bad_json"),
        (AmqpMessage(key, "StartStream", b"{}"), "invalid_field"),
    ]
    numbers = list(range(10))
    async with scene(namespace) as (_, speaker):
        await speaker.start("one")
        # Else it may go the way of early audio, and come when the stream has ended.
        await speaker.ears.wait_for(lambda: bool(speaker.ears.of("one", "StreamStarted")))
        next_seq = await speaker.say("one", numbers[:5], finish=False)
        for message, _ in garbage:
            await speaker.publish(message)
        await speaker.say("one", numbers[5:], first_seq=next_seq)
        await speaker.ears.until_over("one")
        letters = await dead_letters(speaker, len(garbage))
    expected = [(code, message.type, message.body) for message, code in garbage]
    assert sorted((one[CODE], one["type"] or "", one["body"]) for one in letters) == sorted(
        expected
    )
    warnings: list[StreamWarning] = speaker.ears.of("one", "StreamWarning")
    assert sorted(warning.code for warning in warnings) == sorted(code for _, code in garbage)
    assert speaker.ears.words("one") == said(numbers)


async def test_chunk_of_an_unknown_stream_is_dead_lettered_and_goes_round_no_circle(
    namespace: Namespace,
) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url, SPEECHMQ_SESSION__EARLY_WAIT="1"),
        speaking(namespace.url) as speaker,
    ):
        await speaker.send("nobody", AudioChunk(seq=1), b"audio")
        await speaker.send("nobody", EndStream(seq=2))
        letters = sorted(await dead_letters(speaker, 2), key=lambda letter: letter[HEADERS]["seq"])
        await namespace.wait_for_queues(
            lambda queues: (
                (queues["speechmq.early"].ready, queues["speechmq.early"].unacked) == (0, 0)
            )
        )
    reason = "no stream 'nobody' was started within 1.0 s"
    why = {
        CODE: "unknown_stream",
        REASON: reason,
        QUEUE: "speechmq.early",
        ROUTING_KEY: "stream.nobody",
    }
    assert letters == [
        {**why, HEADERS: {"seq": 1}, "type": "AudioChunk", "body": b"audio"},
        {**why, HEADERS: {"seq": 2}, "type": "EndStream", "body": b"{}"},
    ]


async def test_message_with_an_unknown_routing_key_is_dead_lettered(namespace: Namespace) -> None:
    async with scene(namespace) as (_, speaker):
        await speaker.publish(AmqpMessage("nowhere", "AudioChunk", b"", {"seq": 1}))
        [letter] = await dead_letters(speaker, 1)
    assert (letter[CODE], letter[REASON]) == ("unroutable", "no queue for 'nowhere'")


async def test_second_start_with_the_same_body_is_ignored(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        await speaker.start("one")
        await speaker.ears.wait_for(lambda: bool(speaker.ears.of("one", "StreamStarted")))
        await speaker.start("one")
        await speaker.say("one", [1, 2, 3])
        await speaker.ears.until_over("one")
        await namespace.wait_for_queues(lambda queues: queues["speechmq.claims"].ready == 0)
    assert speaker.ears.words("one") == said([1, 2, 3])
    assert len(speaker.ears.of("one", "StreamAccepted")) == 1
    assert len(upstream.sessions) == 1


@pytest.mark.parametrize("second", [{"max_delay": 2.0}, {"max_delay": "wrong"}])
async def test_second_start_with_another_body_is_refused_and_the_stream_goes_on(
    namespace: Namespace, second: dict[str, Any]
) -> None:
    other = json.loads(from_command("one", start_of("one")).body)
    other["transcription_config"] |= second
    async with scene(namespace) as (_, speaker):
        await speaker.start("one")
        await speaker.ears.wait_for(lambda: bool(speaker.ears.of("one", "StreamStarted")))
        await speaker.publish(AmqpMessage("start", "StartStream", json.dumps(other).encode()))
        [letter] = await dead_letters(speaker, 1)
        await speaker.say("one", [1, 2, 3])
        await speaker.ears.until_over("one")
    [warning] = speaker.ears.of("one", "StreamWarning")
    expected = "invalid_field" if second["max_delay"] == "wrong" else "different_start"
    assert (warning.code, letter[CODE]) == (expected, expected)
    assert speaker.ears.words("one") == said([1, 2, 3])
    assert speaker.ears.of("one", "StreamFailed") == []


async def test_start_that_upstream_refuses_fails_with_upstreams_reason(
    namespace: Namespace,
) -> None:
    async with scene(namespace) as (_, speaker):
        await speaker.start("one", language="xx")
        await speaker.ears.until_over("one")
        await namespace.wait_for_queues(
            lambda queues: not any(".stream." in name for name in queues)
        )
    [failed] = speaker.ears.of("one", "StreamFailed")
    assert (failed.code, failed.retryable) == ("invalid_language", False)


async def test_wrong_key_fails_the_stream(namespace: Namespace) -> None:
    async with (
        serve("ledger", api_keys=["right"]) as upstream,
        running_worker(namespace.url, upstream.url, SPEECHMQ_UPSTREAM__API_KEY="wrong"),
        speaking(namespace.url) as speaker,
    ):
        await speaker.start("one")
        await speaker.ears.until_over("one")
    [failed] = speaker.ears.of("one", "StreamFailed")
    assert failed == StreamFailed(
        stream_id="one",
        code="not_authorised",
        reason=f"{upstream.url} refused the connection with HTTP status 401; "
        "check SPEECHMQ_UPSTREAM__API_KEY",
        retryable=False,
    )


async def test_hundred_thousand_bytes_of_headers_harm_nobody(namespace: Namespace) -> None:
    async with scene(namespace) as (_, speaker):
        await speaker.start("one")
        await speaker.inbound.publish(
            aio_pika.Message(b"", type="Nonsense", headers={"big": "x" * 100_000}), "stream.one"
        )
        await speaker.say("one", [1, 2, 3])
        await speaker.ears.until_over("one")
        [letter] = await dead_letters(speaker, 1)
    assert letter[CODE] == "unknown_type"
    assert speaker.ears.words("one") == said([1, 2, 3])
