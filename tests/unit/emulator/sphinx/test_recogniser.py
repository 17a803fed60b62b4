"""What is asked of a recogniser takes effect at its place in the audio.

With PocketSphinx itself, on a sentence of 5 s.
"""

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speechmq_emulator.audio import SampleReader, Samples
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.protocol.errors import WarningType
from speechmq_emulator.speech.events import (
    Final,
    Heard,
    Mark,
    Notice,
    Partial,
    UtteranceEnded,
    Word,
)
from speechmq_emulator.sphinx.decoder import RATE, load_decoder
from speechmq_emulator.sphinx.recogniser import SphinxRecogniser, make_recogniser

SPEECH = Path(__file__).parents[3] / "protocol" / "emulator" / "speech-16k.wav"
CHUNK = 1600
HOSTILE = [
    "日本語",
    "\x00",
    "(2)",
    "_0",
    "_0(2)",
    "<s>",
    "</s>",
    "[NOISE]",
    "++UH++",
    "naïve café",
    "x" * 5000,
    "1234567890" * 50,
    "'",
    "hello",
    "hello",
    "hello hello",
]


def speech() -> Samples:
    with wave.open(str(SPEECH)) as recording:
        return SampleReader("pcm_s16le").read(recording.readframes(recording.getnframes()))


def config(**fields: Any) -> TranscriptionConfig:
    return TranscriptionConfig.model_validate({"language": "en", "max_delay": 1.0, **fields})


def recogniser(**fields: Any) -> SphinxRecogniser:
    start = {
        "message": "StartRecognition",
        "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": RATE},
        "transcription_config": {"language": "en", "max_delay": 1.0, **fields},
    }
    return make_recogniser(load_decoder(), StartRecognition.model_validate(start), RATE)


Ask = Callable[[SphinxRecogniser], list[Heard] | None]


def hear(listener: SphinxRecogniser, audio: Samples, asked: dict[int, Ask]) -> list[Heard]:
    """All that is reported of ``audio`` in chunks of 0.1 s; ``asked`` is before which chunk."""
    heard = listener.begin()
    for number, at in enumerate(range(0, len(audio), CHUNK)):
        if number in asked:
            heard += asked[number](listener) or []
        heard += listener.feed(audio[at : at + CHUNK])
    return heard + listener.finish(len(audio) / RATE)


def finals(heard: list[Heard]) -> list[Final]:
    return [event for event in heard if isinstance(event, Final)]


def content(heard: list[Heard]) -> str:
    return " ".join(r.content for f in finals(heard) for r in f.results if isinstance(r, Word))


def assert_tiled(heard: list[Heard], duration: float) -> None:
    spans = [(final.start, final.end) for final in finals(heard)]
    assert [start for start, _ in spans] == [0.0, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == duration


@pytest.mark.parametrize("at", [None, 2.345, 1.9, 2.35])
def test_utterance_is_ended_at_once_when_the_client_wants_it(at: float | None) -> None:
    audio = speech()
    told: list[Heard] = []

    def end(listener: SphinxRecogniser) -> list[Heard]:
        told.extend(listener.end_utterance(at))
        return told

    heard = hear(recogniser(), audio, {24: end})
    final, ended = told
    expected = 2.4 if at is None else at
    assert ended == UtteranceEnded(expected, forced=True)
    assert isinstance(final, Final)
    assert (final.end, final.forced) == (expected, True)
    assert isinstance(final.results[-1], Mark)
    assert all(result.end <= expected for result in final.results if isinstance(result, Word))
    assert [event.forced for event in finals(heard)].count(True) == 1
    assert_tiled(heard, len(audio) / RATE)


def test_audio_that_has_not_come_yet_is_waited_for() -> None:
    audio = speech()
    heard = hear(recogniser(), audio, {5: lambda listener: listener.end_utterance(3.21)})
    (ended,) = [event for event in heard if isinstance(event, UtteranceEnded)]
    before = heard[: heard.index(ended)]
    assert ended == UtteranceEnded(3.21, forced=True)
    assert (finals(before)[-1].end, finals(before)[-1].forced) == (3.21, True)
    assert_tiled(heard, len(audio) / RATE)


def test_end_behind_the_audio_comes_with_its_end() -> None:
    heard = hear(recogniser(), speech(), {5: lambda listener: listener.end_utterance(100.0)})
    assert heard[-1] == UtteranceEnded(len(speech()) / RATE, forced=True)
    assert_tiled(heard, len(speech()) / RATE)


def test_end_before_what_is_final_changes_nothing_of_it() -> None:
    listener = recogniser()
    covered = finals(listener.feed(np.zeros(RATE * 2, np.float32)))[-1].end
    assert covered > 0.5
    assert listener.end_utterance(0.5) == [
        Final(covered, covered, forced=True),
        UtteranceEnded(covered, forced=True),
    ]


def test_ends_in_quick_succession_lose_no_audio() -> None:
    def often(listener: SphinxRecogniser) -> list[Heard]:
        return [event for _ in range(3) for event in listener.end_utterance(None)]

    audio = speech()
    heard = hear(recogniser(), audio, dict.fromkeys(range(0, 60, 7), often))
    assert_tiled(heard, len(audio) / RATE)
    assert len(content(heard).split()) >= 10


def test_words_on_both_sides_of_a_forced_end_are_heard() -> None:
    plain = hear(recogniser(), speech(), {})
    pause = next(f.end for f in finals(plain) if f.results and f.end > 2.0)
    heard = hear(recogniser(), speech(), {40: lambda r: r.end_utterance(pause)})
    same = set(content(plain).lower().split()) & set(content(heard).lower().split())
    assert len(same) >= len(set(content(plain).lower().split())) - 3


def test_partials_can_be_turned_on_and_off() -> None:
    listener = recogniser(enable_partials=True)
    off: Ask = lambda r: r.configure(config(enable_partials=False))  # noqa: E731
    heard = hear(listener, speech(), {20: off})
    ends = [event.end for event in heard if isinstance(event, Partial)]
    assert ends
    assert max(ends) <= 2.0


def test_changed_trigger_takes_effect() -> None:
    trigger = {"end_of_utterance_silence_trigger": 0.3}
    audio = np.concatenate([speech(), np.zeros(2 * RATE, np.float32)])
    on: Ask = lambda r: r.configure(config(conversation_config=trigger))  # noqa: E731
    assert not [e for e in hear(recogniser(), audio, {}) if isinstance(e, UtteranceEnded)]
    assert [e for e in hear(recogniser(), audio, {10: on}) if isinstance(e, UtteranceEnded)]


def lateness(fields: dict[str, Any]) -> float:
    """The longest time from a word's end to its final, behind second 2.5, in audio time."""
    listener = recogniser(max_delay=4.0)
    worst, audio = 0.0, speech()
    for at in range(0, len(audio), CHUNK):
        if at == 20 * CHUNK:
            listener.configure(config(**fields))
        words = [r for f in finals(listener.feed(audio[at : at + CHUNK])) for r in f.results]
        ends = [word.end for word in words if isinstance(word, Word) and word.start > 2.5]
        worst = max([worst, *((at + CHUNK) / RATE - end for end in ends)])
    return worst


def test_changed_delay_takes_effect() -> None:
    assert 0.5 < lateness({"max_delay": 0.7}) <= 0.8
    assert lateness({"max_delay": 2.0}) > 1.0


def test_unreadable_identifier_is_a_notice() -> None:
    speakers = [{"label": "Ann", "speaker_identifiers": ["nonsense"]}]
    listener = recogniser(diarization="speaker", speaker_diarization_config={"speakers": speakers})
    reason = "An identifier of speaker 'Ann' is not one that this server gave"
    assert listener.begin() == [Notice(WarningType.SPEAKER_ID, reason)]


def test_speakers_are_told_with_diarization_only() -> None:
    listener = recogniser()
    heard = hear(listener, speech(), {})
    assert {r.speaker for f in finals(heard) for r in f.results if isinstance(r, Word)} == {None}
    assert listener.speakers() == ()


def test_hostile_vocabulary_does_no_harm() -> None:
    plain, hostile = recogniser(), recogniser(additional_vocab=HOSTILE)
    quiet = np.zeros(RATE, np.float32)
    assert content(hear(hostile, quiet, {})) == content(hear(plain, quiet, {}))
    assert (
        content(hear(recogniser(additional_vocab=HOSTILE), speech(), {}))
        .lower()
        .startswith("hello")
    )


def test_no_samples_say_nothing() -> None:
    listener = recogniser()
    assert listener.feed(np.zeros(0, np.float32)) == []
    assert listener.finish(0.0) == []


def test_other_rates_are_refused() -> None:
    start = StartRecognition.model_validate(
        {
            "message": "StartRecognition",
            "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000},
            "transcription_config": {"language": "en"},
        }
    )
    with pytest.raises(ValueError, match="PocketSphinx hears 16000 Hz, not 8000"):
        make_recogniser(load_decoder(), start, 8000)
