"""Ledger audio through RabbitMQ, a worker and the emulator: every word, in order, to its time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

import pytest
from tests.support.broker import Namespace
from tests.support.speaker import BLOCK_SECONDS, Ears, said, speaking
from tests.support.worker import running_worker

from speechmq_emulator.server import serve
from speechmq_schemas import FinalTranscript, StreamEnded

pytestmark = pytest.mark.timeout(180)


def is_clean(queues: dict[str, Any]) -> bool:
    """Nothing of any stream is left, and nobody holds a claim."""
    names = {name for name in queues if ".stream." in name or ".state." in name}
    claims = queues["speechmq.claims"]
    return not names and (claims.ready, claims.unacked) == (0, 0)


def assert_finals_tile(ears: Ears, stream_id: str, seconds: float) -> None:
    finals: list[FinalTranscript] = ears.of(stream_id, "FinalTranscript")
    assert [final.segment_id for final in finals] == list(range(1, len(finals) + 1))
    ends = [0.0, *(final.end_time for final in finals)]
    assert all(earlier < later for earlier, later in pairwise(ends))
    assert all(
        final.start_time == pytest.approx(end, abs=0.11)
        for final, end in zip(finals, ends[:-1], strict=True)
    )
    assert ends[-1] == pytest.approx(seconds, abs=0.5)


async def test_stream_is_transcribed_word_for_word_and_leaves_nothing_behind(
    namespace: Namespace,
) -> None:
    numbers = list(range(100, 115))
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        await speaker.start("one")
        await speaker.say("one", numbers, speed=4.0)
        await speaker.ears.until_over("one")
        await namespace.wait_for_queues(is_clean)
        assert (await namespace.queues())["speechmq.dead"].ready == 0
    ears = speaker.ears
    assert ears.words("one") == said(numbers)
    assert_finals_tile(ears, "one", len(numbers) * BLOCK_SECONDS)
    kinds = [type(event).__name__ for event in ears.of("one")]
    assert kinds[:2] == ["StreamAccepted", "StreamStarted"]
    assert kinds[-1] == "StreamEnded"
    assert set(kinds[2:-1]) == {"PartialTranscript", "FinalTranscript"}
    assert ears.of("one", "StreamEnded") == [
        StreamEnded(
            stream_id="one",
            reason="end",
            received_seconds=3.0,
            finalised_seconds=3.0,
            gap_seconds=0.0,
            chunks=30,
            duplicates=0,
            finals=len(ears.of("one", "FinalTranscript")),
        )
    ]
    assert upstream.open_connections == 0


async def test_word_times_are_those_of_the_audio(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        await speaker.start("one")
        await speaker.say("one", [7, 8, 9])
        await speaker.ears.until_over("one")
    times = [
        (result.start_time, result.end_time)
        for final in speaker.ears.of("one", "FinalTranscript")
        for result in final.results
        if result.type == "word"
    ]
    assert times == [
        (pytest.approx(0.0), pytest.approx(0.2)),
        (pytest.approx(0.2), pytest.approx(0.4)),
        (pytest.approx(0.4), pytest.approx(0.6)),
    ]


async def test_four_streams_at_once_keep_their_words_apart(namespace: Namespace) -> None:
    spoken = {f"s{n}": list(range(1000 * n, 1000 * n + 20)) for n in range(1, 5)}
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):

        async def speak(stream_id: str) -> None:
            await speaker.start(stream_id)
            await speaker.say(stream_id, spoken[stream_id], speed=2.0)

        await asyncio.gather(*map(speak, spoken))
        await speaker.ears.until_over(*spoken)
    assert {one: speaker.ears.words(one) for one in spoken} == {
        one: said(numbers) for one, numbers in spoken.items()
    }


async def test_sixty_streams_started_at_once_with_audio_right_behind_arrive_whole(
    namespace: Namespace,
) -> None:
    spoken = {f"s{n}": list(range(100 * n, 100 * n + 10)) for n in range(60)}
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):

        async def speak(stream_id: str) -> None:
            await speaker.start(stream_id)
            await speaker.say(stream_id, spoken[stream_id])

        await asyncio.gather(*map(speak, spoken))
        await speaker.ears.until_over(*spoken, within=120.0)
        await namespace.wait_for_queues(is_clean)
        dead = (await namespace.queues())["speechmq.dead"]
    ears = speaker.ears
    assert {one: ears.words(one) for one in spoken} == {
        one: said(numbers) for one, numbers in spoken.items()
    }
    assert [one for one in spoken if ears.of(one, "AudioGap", "StreamWarning")] == []
    assert dead.ready == 0


async def test_words_are_whole_when_the_worker_is_killed_in_mid_stream(
    namespace: Namespace,
) -> None:
    numbers = list(range(500, 560))
    async with (
        serve("ledger") as upstream,
        AsyncExitStack() as later,
        running_worker(namespace.url, upstream.url) as first,
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await speaker.start("one")
        next_seq = await speaker.say("one", numbers[:30], finish=False)
        await ears.wait_for(lambda: len(ears.words("one")) >= 10)
        await later.enter_async_context(running_worker(namespace.url, upstream.url))
        first.kill()
        await speaker.say("one", numbers[30:], first_seq=next_seq)
        await ears.until_over("one")
        await namespace.wait_for_queues(is_clean)
    assert ears.words("one") == said(numbers)
    assert [one.reason for one in ears.of("one", "StreamResumed")] == ["take_over"]
    assert [one.received_seconds for one in ears.of("one", "StreamEnded")] == [12.0]


async def test_worker_that_is_told_to_stop_hands_its_streams_over(namespace: Namespace) -> None:
    numbers = list(range(500, 560))
    async with (
        serve("ledger") as upstream,
        AsyncExitStack() as later,
        running_worker(namespace.url, upstream.url) as first,
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await speaker.start("one")
        next_seq = await speaker.say("one", numbers[:30], finish=False)
        await ears.wait_for(lambda: len(ears.words("one")) >= 10)
        await later.enter_async_context(running_worker(namespace.url, upstream.url))
        first.terminate()
        assert await first.ended() == 0
        await speaker.say("one", numbers[30:], first_seq=next_seq)
        await ears.until_over("one")
        await namespace.wait_for_queues(is_clean)
    assert ears.words("one") == said(numbers)
    assert [one.reason for one in ears.of("one", "StreamDetached")] == ["the worker is stopping"]
    assert len(ears.of("one", "StreamEnded")) == 1
