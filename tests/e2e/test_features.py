"""Each feature of the API through RabbitMQ, a worker and the emulator; the rows of
docs/features.md."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC
from itertools import pairwise
from typing import Any

import av
import pytest
from tests.support.asker import asking
from tests.support.broker import Namespace
from tests.support.command_line import run_speechmq, speechmq
from tests.support.speaker import RATE, Ears, Speaker, said, speaking, start_of
from tests.support.tones import KINDS, example, tone_times, tones_engine
from tests.support.worker import running_worker

from speechmq_emulator.faults import FaultBook
from speechmq_emulator.ledger import Spoken, encode
from speechmq_emulator.server import serve
from speechmq_schemas import (
    AudioChunk,
    AudioEventEnded,
    AudioEventsConfig,
    AudioEventStarted,
    Channels,
    EndChannel,
    EndStream,
    FileAudioFormat,
    FinalTranscript,
    ForceEndOfUtterance,
    GetSpeakers,
    MidSessionConfig,
    RawAudioFormat,
    RequestFailed,
    StreamAccepted,
    StreamStatus,
    TranslationConfig,
    UpdateConfig,
)

pytestmark = pytest.mark.timeout(180)

Said = int | Spoken | None

TONES = 16
TOLERANCE = 0.004  # of a tone's edge, which codecs blur; a codec's frame has 20 ms and more


async def start(
    speaker: Speaker,
    config: dict[str, Any] | None = None,
    channels: Channels | None = None,
    **parts: Any,
) -> None:
    """Stream "one", with what its start says beside the ``transcription_config``."""
    command = start_of("one", channels=channels, **(config or {})).model_copy(update=parts)
    await speaker.send("one", command)


async def say(speaker: Speaker, spoken: Sequence[Said], **how: Any) -> int:
    return await speaker.say_audio("one", encode(spoken, sample_rate=RATE), **how)


def sentences(numbers: Sequence[int], length: int = 5) -> list[Spoken]:
    """A full stop behind every fifth word."""
    return [Spoken(n, ends_sentence=at % length == 0) for at, n in enumerate(numbers, 1)]


def words_of(ears: Ears, channel: str) -> list[tuple[str, float]]:
    """Each with its begin, as the ledger's words last 0.2 s."""
    return [
        (result.alternatives[0].content, result.start_time)
        for final in ears.of("one", "FinalTranscript")
        if final.channel == channel
        for result in final.results
    ]


def at_their_times(numbers: Sequence[int]) -> list[tuple[str, Any]]:
    return [(f"w{n}", pytest.approx(at * 0.2, abs=0.01)) for at, n in enumerate(numbers)]


def interleaved(*channels: Sequence[int]) -> bytes:
    """Frames of 16 bits a sample; all channels are as long."""
    parts = [encode(numbers, sample_rate=RATE) for numbers in channels]
    starts = range(0, len(parts[0]), 2)
    return b"".join(part[at : at + 2] for at in starts for part in parts)


async def say_in_turn(
    speaker: Speaker, sides: Mapping[str, Sequence[int]], *, first_seq: int = 1
) -> int:
    """A tenth of a second of each channel in turn; returns the next seq."""
    step = RATE // 10 * 2
    audio = {label: encode(numbers, sample_rate=RATE) for label, numbers in sides.items()}
    seq = first_seq
    for at in range(0, max(map(len, audio.values())), step):
        for label, samples in audio.items():
            if at < len(samples):
                chunk = AudioChunk(seq=seq, channel=label)
                await speaker.send("one", chunk, samples[at : at + step])
                seq += 1
    return seq


SIDES = {"agent": range(100, 130), "customer": range(500, 530)}
SEPARATE = Channels(layout="separate", labels=[*SIDES])
INTERLEAVED = Channels(layout="interleaved", labels=[*SIDES])


def translated(ears: Ears, language: str) -> list[str]:
    return [
        one.content
        for event in ears.of("one", "FinalTranslation")
        if event.language == language
        for one in event.results
    ]


def translations_of(numbers: Sequence[int], language: str, length: int = 5) -> list[str]:
    marked = [f"w{number}[{language}]" for number in numbers]
    return [
        " ".join(marked[at : at + length]) + "."
        for at in range(0, len(marked) - length + 1, length)
    ]


def results_of(ears: Ears) -> list[Any]:
    finals: list[FinalTranscript] = ears.of("one", "FinalTranscript")
    return [result for final in finals for result in final.results]


async def until_sessions_are(ears: Ears, count: int) -> None:
    await ears.wait_for(
        lambda: len(ears.of("one", "StreamStarted", "StreamResumed")) == count, within=60.0
    )


async def test_sentences_are_translated_into_two_languages(namespace: Namespace) -> None:
    numbers = list(range(100, 120))
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        wanted = TranslationConfig(target_languages=["de", "fr"], enable_partials=True)
        await start(speaker, translation_config=wanted)
        await say(speaker, sentences(numbers), speed=4.0)
        await speaker.ears.until_over("one")
    ears = speaker.ears
    assert translated(ears, "de") == translations_of(numbers, "de")
    assert translated(ears, "fr") == translations_of(numbers, "fr")
    spans = [
        (event.language, one.start_time, one.end_time)
        for event in ears.of("one", "FinalTranslation")
        for one in event.results
        if event.language == "fr"
    ]
    assert spans == [
        ("fr", pytest.approx(start, abs=0.01), pytest.approx(start + 1.0, abs=0.01))
        for start in (0.0, 1.0, 2.0, 3.0)
    ]
    assert {one.language for one in ears.of("one", "PartialTranslation")} == {"de", "fr"}
    keys = {heard.message.routing_key for heard in ears.streams["one"]}
    assert {key for key in keys if key.startswith("translation.final")} == {
        "translation.final.de.one",
        "translation.final.fr.one",
    }


async def test_each_sentence_is_translated_once_when_the_worker_is_killed(
    namespace: Namespace,
) -> None:
    numbers = list(range(100, 160))
    spoken = sentences(numbers)
    async with (
        serve("ledger") as upstream,
        AsyncExitStack() as later,
        running_worker(namespace.url, upstream.url) as first,
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await start(speaker, translation_config=TranslationConfig(target_languages=["de", "fr"]))
        seq = await say(speaker, spoken[:33], finish=False)
        await ears.wait_for(lambda: len(translated(ears, "fr")) >= 4)
        await later.enter_async_context(running_worker(namespace.url, upstream.url))
        first.kill()
        await say(speaker, spoken[33:], first_seq=seq)
        await ears.until_over("one")
    assert [one.reason for one in ears.of("one", "StreamResumed")] == ["take_over"]
    assert ears.words("one") == said(numbers)
    assert translated(ears, "de") == translations_of(numbers, "de")
    assert translated(ears, "fr") == translations_of(numbers, "fr")


async def test_changed_configuration_holds_in_the_session_that_follows_a_loss(
    namespace: Namespace,
) -> None:
    numbers = list(range(100, 145))
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await start(speaker)
        seq = await say(speaker, numbers[:15], finish=False)
        await ears.wait_for(lambda: bool(ears.of("one", "PartialTranscript")))
        quiet = MidSessionConfig(enable_partials=False)
        await speaker.send("one", UpdateConfig(seq=seq, transcription_config=quiet))
        seq = await say(speaker, numbers[15:30], first_seq=seq + 1, finish=False)
        await ears.wait_for(lambda: len(ears.words("one")) >= 25)
        upstream.faults.add("drop now")
        await until_sessions_are(ears, 2)
        await say(speaker, numbers[30:], first_seq=seq)
        await ears.until_over("one")
    assert ears.words("one") == said(numbers)
    [resumed] = ears.of("one", "StreamResumed")
    behind = ears.of("one")[ears.of("one").index(resumed) :]
    assert {type(one).__name__ for one in behind} == {
        "StreamResumed",
        "FinalTranscript",
        "StreamEnded",
    }


async def test_change_of_language_is_refused_and_the_stream_goes_on(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        await start(speaker)
        german = MidSessionConfig(language="de")
        await speaker.send("one", UpdateConfig(seq=1, transcription_config=german))
        await say(speaker, [1, 2, 3], first_seq=2)
        await speaker.ears.until_over("one")
        await namespace.wait_for_queues(lambda queues: queues["speechmq.dead"].ready == 1)
    assert speaker.ears.words("one") == said([1, 2, 3])
    assert [one.code for one in speaker.ears.of("one", "StreamWarning")] == ["language_change"]


async def test_utterance_is_ended_at_its_place_and_at_a_time_of_the_stream(
    namespace: Namespace,
) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await start(speaker, {"max_delay": 4.0})
        seq = await say(speaker, [1, 2, 3, 4, 5], finish=False)
        await speaker.send("one", ForceEndOfUtterance(seq=seq))
        await ears.wait_for(lambda: len(ears.of("one", "EndOfUtterance")) == 1)
        assert ears.words("one") == said([1, 2, 3, 4, 5])
        upstream.faults.add("drop now")
        await until_sessions_are(ears, 2)
        seq = await say(speaker, [6, 7, 8], first_seq=seq + 1, finish=False)
        await speaker.send("one", ForceEndOfUtterance(seq=seq, timestamp=1.4))
        await ears.wait_for(lambda: len(ears.of("one", "EndOfUtterance")) == 2)
        assert ears.words("one") == said([1, 2, 3, 4, 5, 6, 7])
        await speaker.send("one", EndStream(seq=seq + 1))
        await ears.until_over("one")
    assert ears.words("one") == said(range(1, 9))
    ends = [(one.end_time, one.forced) for one in ears.of("one", "EndOfUtterance")]
    assert ends == [(pytest.approx(1.0), True), (pytest.approx(1.4), True)]
    forced = [one.end_time for one in ears.of("one", "FinalTranscript") if one.forced]
    assert forced == [pytest.approx(1.0), pytest.approx(1.4)]


async def test_speakers_are_told_apart_and_told_of_now_and_at_the_end(
    namespace: Namespace,
) -> None:
    ann = [Spoken(number, voice=1) for number in range(10)]
    bob = [Spoken(number, voice=2) for number in range(10, 20)]
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await start(speaker, {"diarization": "speaker"})
        seq = await say(speaker, ann, finish=False)
        await speaker.send("one", GetSpeakers(seq=seq))
        await speaker.send("one", GetSpeakers(seq=seq + 1, final=True))
        await ears.wait_for(lambda: bool(ears.of("one", "SpeakersResult")))
        await say(speaker, bob, first_seq=seq + 2)
        await ears.until_over("one")
    assert [
        (result.alternatives[0].content, result.alternatives[0].speaker)
        for result in results_of(ears)
    ] == [(f"w{n}", "S1" if n < 10 else "S2") for n in range(20)]
    now, at_the_end = ears.of("one", "SpeakersResult")
    assert [one.label for one in now.speakers] == ["S1"]
    assert [one.label for one in at_the_end.speakers] == ["S1", "S2"]
    assert at_the_end.speakers[0] == now.speakers[0]
    assert ears.of("one")[-2] == at_the_end


async def test_sounds_are_told_at_their_times_also_after_a_loss(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await start(speaker, audio_events_config=AudioEventsConfig(types=["music"]))
        music = [Spoken(1), Spoken(2, begins="music"), Spoken(3, begins="laughter")]
        seq = await say(speaker, [*music, *range(4, 16)], finish=False)
        await ears.wait_for(lambda: len(ears.words("one")) >= 10)
        upstream.faults.add("drop now")
        await until_sessions_are(ears, 2)
        more: list[Said] = [16, Spoken(17, begins="music"), Spoken(18, ends="music"), 19]
        await say(speaker, more, first_seq=seq)
        await ears.until_over("one")
    assert ears.words("one") == said(range(1, 20))
    sounds = ears.of("one", "AudioEventStarted", "AudioEventEnded")
    assert [type(one) for one in sounds] == [
        AudioEventStarted,
        AudioEventStarted,
        AudioEventEnded,
    ]
    assert [one.event.type for one in sounds] == ["music"] * 3
    assert [sounds[0].event.start_time, sounds[1].event.start_time, sounds[2].event.end_time] == [
        pytest.approx(0.2),
        pytest.approx(3.2),
        pytest.approx(3.6),
    ]


async def test_entities_forms_bear_the_stream_s_times_after_a_loss(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await start(speaker, {"enable_entities": True})
        seq = await say(speaker, range(100, 115), finish=False)
        await ears.wait_for(lambda: len(ears.words("one")) >= 10)
        upstream.faults.add("drop now")
        await until_sessions_are(ears, 2)
        await say(speaker, [115, Spoken(25, in_words=True), 116, 117], first_seq=seq)
        await ears.until_over("one")
    [entity] = [one for one in results_of(ears) if one.type == "entity"]
    assert (entity.start_time, entity.end_time) == (pytest.approx(3.2), pytest.approx(3.4))
    forms = entity.model_dump()
    for form in ("spoken_form", "written_form"):
        parts = forms[form]
        assert (parts[0]["start_time"], parts[-1]["end_time"]) == (
            pytest.approx(3.2),
            pytest.approx(3.4),
        )


async def test_interleaved_channels_have_words_of_their_own(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await start(speaker, channels=INTERLEAVED)
        frames = interleaved(*SIDES.values())
        step = RATE // 10 * 4
        for seq, at in enumerate(range(0, len(frames), step), 1):
            await speaker.send("one", AudioChunk(seq=seq), frames[at : at + step])
        await speaker.send("one", EndStream(seq=seq + 1))
        await ears.until_over("one")
    for label, numbers in SIDES.items():
        assert words_of(ears, label) == at_their_times(numbers)
    [ended] = ears.of("one", "StreamEnded")
    assert (ended.received_seconds, ended.finalised_seconds, ended.chunks) == (12.0, 12.0, 60)


async def test_separate_channels_have_words_and_ends_of_their_own(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await start(speaker, channels=SEPARATE)
        seq = await say_in_turn(speaker, {"agent": range(100, 110), "customer": range(500, 520)})
        await speaker.send("one", EndChannel(seq=seq, channel="agent"))
        await ears.wait_for(lambda: len(words_of(ears, "agent")) == 10)
        seq = await say_in_turn(speaker, {"customer": range(520, 540)}, first_seq=seq + 1)
        await speaker.send("one", EndStream(seq=seq))
        await ears.until_over("one")
    assert words_of(ears, "agent") == at_their_times(range(100, 110))
    assert words_of(ears, "customer") == at_their_times(range(500, 540))
    [started] = ears.of("one", "StreamStarted")
    assert started.channels == ["agent", "customer"]
    assert {one.channel for one in ears.of("one", "PartialTranscript")} == {"agent", "customer"}
    ids = [one.segment_id for one in ears.of("one", "FinalTranscript")]
    assert len(ids) == len(set(ids))
    [ended] = ears.of("one", "StreamEnded")
    assert (ended.received_seconds, ended.finalised_seconds) == (10.0, 10.0)


async def test_no_word_of_a_channel_is_lost_or_repeated_when_the_worker_is_killed(
    namespace: Namespace,
) -> None:
    async with (
        serve("ledger") as upstream,
        AsyncExitStack() as later,
        running_worker(namespace.url, upstream.url) as first,
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await start(speaker, channels=SEPARATE)
        seq = await say_in_turn(speaker, {"agent": range(100, 110), "customer": range(500, 520)})
        await speaker.send("one", EndChannel(seq=seq, channel="agent"))
        await ears.wait_for(lambda: len(words_of(ears, "customer")) >= 15)
        await later.enter_async_context(running_worker(namespace.url, upstream.url))
        first.kill()
        seq = await say_in_turn(speaker, {"customer": range(520, 540)}, first_seq=seq + 1)
        await speaker.send("one", EndStream(seq=seq))
        await ears.until_over("one")
    assert [one.reason for one in ears.of("one", "StreamResumed")] == ["take_over"]
    assert words_of(ears, "agent") == at_their_times(range(100, 110))
    assert words_of(ears, "customer") == at_their_times(range(500, 540))


async def test_lost_chunk_is_silence_in_the_channel_whose_turn_it_was(
    namespace: Namespace,
) -> None:
    silence = bytes(RATE // 10 * 2)
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url, SPEECHMQ_STREAM__GAP_TIMEOUT="0.5"),
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await start(speaker, channels=SEPARATE)
        seq = await say_in_turn(speaker, {"agent": range(100, 110), "customer": range(500, 510)})
        await speaker.send("one", AudioChunk(seq=seq, channel="agent"), silence)
        seq = await say_in_turn(speaker, {"agent": range(110, 115)}, first_seq=seq + 2)
        await speaker.send("one", EndStream(seq=seq))
        await ears.until_over("one")
    [gap] = ears.of("one", "AudioGap")
    assert (gap.channel, gap.start_time, gap.end_time) == ("customer", 2.0, 2.1)
    assert len(words_of(ears, "agent")) == 15
    [ended] = ears.of("one", "StreamEnded")
    assert (ended.received_seconds, ended.gap_seconds) == (5.2, 0.1)


async def test_chunk_that_names_no_channel_is_refused_and_heard_by_nobody(
    namespace: Namespace,
) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await start(speaker, channels=SEPARATE)
        await speaker.send("one", AudioChunk(seq=1), encode([1], sample_rate=RATE))
        seq = await say_in_turn(speaker, SIDES, first_seq=2)
        await speaker.send("one", EndStream(seq=seq))
        await ears.until_over("one")
        await namespace.wait_for_queues(lambda queues: queues["speechmq.dead"].ready == 1)
    assert [one.code for one in ears.of("one", "StreamWarning")] == ["missing_channel"]
    for label, numbers in SIDES.items():
        assert words_of(ears, label) == at_their_times(numbers)


async def test_start_whose_channels_contradict_each_other_is_refused(
    namespace: Namespace,
) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        refused = start_of("one").model_copy(
            update={
                "channels": SEPARATE,
                "translation_config": TranslationConfig(target_languages=["de"]),
            }
        )
        await speaker.send("one", refused)
        await speaker.ears.until_over("one")
    [failed] = speaker.ears.of("one", "StreamFailed")
    reason = "A stream with `channels` cannot be translated"
    assert failed.fields == [{"path": "translation_config", "reason": reason}]


async def test_speakers_are_told_apart_within_their_channel(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        await start(speaker, {"diarization": "channel_and_speaker"}, channels=SEPARATE)
        seq = await say_in_turn(speaker, {"agent": range(100, 110), "customer": range(500, 510)})
        await speaker.send("one", GetSpeakers(seq=seq, final=True))
        await speaker.send("one", ForceEndOfUtterance(seq=seq + 1, channel="agent"))
        await speaker.send("one", EndStream(seq=seq + 2))
        await ears.until_over("one")
    assert {
        (final.channel, result.alternatives[0].speaker)
        for final in ears.of("one", "FinalTranscript")
        for result in final.results
    } == {("agent", "S1"), ("customer", "S1")}
    [forced] = ears.of("one", "EndOfUtterance")
    assert (forced.channel, forced.end_time, forced.forced) == ("agent", pytest.approx(2.0), True)
    [speakers] = ears.of("one", "SpeakersResult")
    assert [one.label for one in speakers.speakers] == ["S1", "S1"]


async def test_unknown_fields_of_a_start_are_passed_on_with_a_warning(
    namespace: Namespace,
) -> None:
    """The emulator refuses them as the service would, which shows that they came to it."""
    vocabulary = ["plain", {"content": "gnocchi", "stress": "first"}]
    config = {"additional_vocab": vocabulary, "brand_new": {"x": None}}
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        await start(speaker, config)
        await speaker.ears.until_over("one")
    accepted, warning, failed = speaker.ears.of("one")
    assert type(accepted) is StreamAccepted
    assert warning.code == "unknown_field"
    assert [one["path"] for one in warning.fields] == [
        "transcription_config.brand_new",
        "transcription_config.additional_vocab.1.stress",
    ]
    assert (failed.code, failed.retryable) == ("invalid_config", False)
    assert "transcription_config.brand_new" in failed.reason


async def test_one_model_hears_any_language(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        await start(speaker, {"language": "multi", "model": "melia-1", "domain": None})
        await say(speaker, [1, 2, 3])
        await speaker.ears.until_over("one")
    assert speaker.ears.words("one") == said([1, 2, 3])
    assert speaker.ears.of("one", "StreamWarning", "StreamFailed") == []


def has_received_all(told: StreamStatus | RequestFailed) -> bool:
    """One second, all that was said: a word may be final before the last chunk has come."""
    return isinstance(told, StreamStatus) and told.received_seconds == pytest.approx(1.0)


async def test_status_is_told_at_once_whether_a_worker_has_the_stream_or_not(
    namespace: Namespace,
) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url, SPEECHMQ_WORKER__CAPACITY="1"),
        speaking(namespace.url) as speaker,
        asking(namespace.url) as asker,
    ):
        unknown = await asker.status("one")
        await start(speaker)
        next_seq = await say(speaker, [1, 2, 3, 4, 5], finish=False)
        await speaker.ears.wait_for(lambda: bool(speaker.ears.words("one")))
        streaming = await asker.until("one", has_received_all)
        await speaker.start("two")
        waiting = await asker.until("two", lambda told: isinstance(told, StreamStatus))
        await speaker.send("one", EndStream(seq=next_seq))
        await speaker.ears.until_over("one")
        over = await asker.until("one", lambda told: isinstance(told, RequestFailed))
    assert (unknown.code, unknown.retryable) == ("unknown_stream", False)
    assert over == unknown
    assert waiting == StreamStatus(stream_id="two", state="waiting")
    assert streaming.received_seconds == pytest.approx(1.0)
    assert streaming.gap_seconds == 0.0
    assert streaming.lag_seconds + streaming.finalised_seconds == pytest.approx(1.0)
    assert (streaming.epoch > 0, bool(streaming.worker), streaming.since.tzinfo) == (
        True,
        True,
        UTC,
    )


async def test_late_consumer_reads_what_was_said_from_the_log(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url, SPEECHMQ_BROKER__TRANSCRIPT_LOG="true"),
        speaking(namespace.url) as speaker,
    ):
        await start(speaker)
        await say(speaker, [1, 2, 3])
        await speaker.ears.until_over("one")
        await speaker.start("two")
        seq = await speaker.say("two", [4, 5, 6, 7, 8], finish=False)
        await speaker.ears.wait_for(lambda: bool(speaker.ears.words("two")))
        over = await run_speechmq("captions", "one", "--from-start", "--url", namespace.url)
        arguments = ("listen", "two", "--from-start", "--until-end", "--json")
        async with speechmq(*arguments, "--url", namespace.url) as live:
            first = json.loads(await live.line('{"type": "FinalTranscript"'))
            await speaker.send("two", EndStream(seq=seq))
            done = await live.finish()
    lines = [first, *map(json.loads, done.out.splitlines())]
    finals = [line["body"] for line in lines if line["type"] == "FinalTranscript"]
    assert (over.code, over.out) == (0, "w1 w2 w3\n")
    assert "".join(one["transcript"] for one in finals).split() == said(range(4, 9))
    assert (lines[-1]["type"], done.code) == ("StreamEnded", 0)
    assert {line["type"] for line in lines} <= {"StreamStarted", "FinalTranscript", "StreamEnded"}


async def send_in_pieces(speaker: Speaker, audio: bytes, size: int) -> None:
    """All at once, and the end."""
    pieces = [audio[at : at + size] for at in range(0, len(audio), size)]
    for seq, piece in enumerate(pieces, 1):
        await speaker.send("one", AudioChunk(seq=seq), piece)
    await speaker.send("one", EndStream(seq=len(pieces) + 1))


def alaw_of(pcm: bytes) -> bytes:
    encoder = av.CodecContext.create("pcm_alaw", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "mono", "s16"
    frame = av.AudioFrame("s16", "mono", len(pcm) // 2)
    frame.sample_rate = RATE
    frame.planes[0].update(pcm.ljust(frame.planes[0].buffer_size, b"\0"))
    return b"".join(bytes(packet) for packet in encoder.encode(frame))


async def test_alaw_is_recognised_at_its_own_rate(namespace: Namespace) -> None:
    numbers = list(range(100, 120))
    alaw = alaw_of(encode(numbers, sample_rate=RATE))
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        form = RawAudioFormat(encoding="alaw", sample_rate=RATE)
        await start(speaker, audio_format=form)
        await send_in_pieces(speaker, alaw, RATE // 10)
        await speaker.ears.until_over("one")
    assert speaker.ears.words("one") == said(numbers)
    [ended] = speaker.ears.of("one", "StreamEnded")
    assert (ended.received_seconds, ended.finalised_seconds) == (4.0, 4.0)


async def test_small_chunks_go_upstream_together(namespace: Namespace) -> None:
    """While an earlier one is under way, as it is where upstream is not on the same machine."""
    numbers = list(range(100, 120))
    audio = encode(numbers, sample_rate=RATE)
    async with (
        serve("ledger", faults=FaultBook(["delay message=AudioAdded by=100ms"])) as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        await start(speaker)
        await send_in_pieces(speaker, audio, RATE // 50 * 2)
        await speaker.ears.until_over("one")
    assert speaker.ears.words("one") == said(numbers)
    [ended] = speaker.ears.of("one", "StreamEnded")
    [session] = upstream.sessions
    assert (ended.chunks, session.audio_seconds) == (200, 4.0)
    assert session.chunks < 150


async def start_file(speaker: Speaker, stream_id: str) -> None:
    form = FileAudioFormat(type="file")
    command = start_of(stream_id).model_copy(update={"audio_format": form})
    await speaker.send(stream_id, command)


async def send_files(
    speaker: Speaker, files: Mapping[str, bytes], first_seq: int = 1, *, speed: float = 3.0
) -> int:
    """All of them in pieces of 0.1 s on average, side by side; the next seq."""
    pieces = {name: cut_evenly(file, TONES * 4) for name, file in files.items()}
    began = time.monotonic()
    for at in range(max(map(len, pieces.values()))):
        await asyncio.sleep(began + at * 0.1 / speed - time.monotonic())
        for name, cut in pieces.items():
            await speaker.send(name, AudioChunk(seq=first_seq + at), cut[at])
    return first_seq + at + 1


def cut_evenly(file: bytes, count: int) -> list[bytes]:
    edges = [len(file) * n // count for n in range(count + 1)]
    return [file[start:end] for start, end in pairwise(edges)]


def tones_heard(ears: Ears, stream_id: str) -> list[tuple[str, float, float]]:
    finals: list[FinalTranscript] = ears.of(stream_id, "FinalTranscript")
    return [
        (one.alternatives[0].content, one.start_time, one.end_time)
        for final in finals
        for one in final.results
    ]


def assert_heard_in_time(ears: Ears, stream_id: str) -> None:
    expected = tone_times(TONES, KINDS[stream_id].delay)
    heard = tones_heard(ears, stream_id)
    assert [word for word, *_ in heard] == [word for word, *_ in expected], stream_id
    for (word, start, end), (_, begins, ends) in zip(heard, expected, strict=True):
        told = f"{word} of {stream_id}"
        assert start == pytest.approx(begins, abs=TOLERANCE), told
        assert end == pytest.approx(ends, abs=TOLERANCE), told


async def test_files_are_recognised_as_they_come(namespace: Namespace) -> None:
    files = {kind: example(kind, TONES) for kind in KINDS}
    async with (
        serve(tones_engine()) as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        for name in files:
            await start_file(speaker, name)
        seq = await send_files(speaker, files)
        for name in files:
            await speaker.send(name, EndStream(seq=seq))
        await speaker.ears.until_over(*files)
    for name in files:
        assert_heard_in_time(speaker.ears, name)
        assert speaker.ears.of(name, "StreamWarning", "AudioGap") == []


async def test_files_go_on_at_the_same_sample_when_the_worker_is_killed(
    namespace: Namespace,
) -> None:
    files = {kind: example(kind, TONES) for kind in KINDS}
    halves = {
        name: (file[: len(file) // 2], file[len(file) // 2 :]) for name, file in files.items()
    }
    async with (
        serve(tones_engine()) as upstream,
        AsyncExitStack() as later,
        running_worker(namespace.url, upstream.url) as first,
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        for name in files:
            await start_file(speaker, name)
        seq = await send_files(speaker, {name: half for name, (half, _) in halves.items()})
        await ears.wait_for(lambda: all(len(tones_heard(ears, name)) >= 5 for name in files))
        await later.enter_async_context(running_worker(namespace.url, upstream.url))
        first.kill()
        seq = await send_files(speaker, {name: half for name, (_, half) in halves.items()}, seq)
        for name in files:
            await speaker.send(name, EndStream(seq=seq))
        await ears.until_over(*files)
    for name in files:
        assert [one.reason for one in ears.of(name, "StreamResumed")] == ["take_over"]
        assert_heard_in_time(ears, name)
        assert ears.of(name, "StreamWarning", "AudioGap") == []
