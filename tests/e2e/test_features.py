"""Each feature of the API through RabbitMQ, a worker and the emulator; the rows of
docs/features.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests.support.broker import Namespace
from tests.support.speaker import RATE, Ears, Speaker, said, speaking, start_of
from tests.support.worker import running_worker

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
    FinalTranscript,
    ForceEndOfUtterance,
    GetSpeakers,
    MidSessionConfig,
    TranslationConfig,
    UpdateConfig,
)

pytestmark = pytest.mark.timeout(180)

Said = int | Spoken | None


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
