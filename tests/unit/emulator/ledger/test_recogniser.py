"""Numbers become words, at the times that they really have."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmq_emulator.audio import SampleReader
from speechmq_emulator.ledger import Spoken, encode
from speechmq_emulator.ledger.recogniser import MAX_FORCED_ENDS, LedgerRecogniser
from speechmq_emulator.ledger.voices import identifier
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.protocol.errors import WarningType
from speechmq_emulator.speech.events import (
    AudioEventEnded,
    AudioEventStarted,
    Final,
    Heard,
    Mark,
    Notice,
    Partial,
    SpeakerVoices,
    UtteranceEnded,
    Word,
)

Numbers = Sequence[int | Spoken | None]


def recogniser(
    rate: int = 16000, audio_events: dict[str, Any] | None = None, **config: Any
) -> LedgerRecogniser:
    start = StartRecognition.model_validate(
        {
            "message": "StartRecognition",
            "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": rate},
            "transcription_config": {"language": "en", **config},
            "audio_events_config": audio_events,
        }
    )
    return LedgerRecogniser(start, rate)


def hear(listener: LedgerRecogniser, numbers: Numbers) -> list[Heard]:
    return listen(listener, encode(numbers))


def listen(listener: LedgerRecogniser, audio: bytes) -> list[Heard]:
    return listener.feed(SampleReader("pcm_s16le").read(audio))


def recognise(numbers: Numbers, *, skip: int = 0, **config: Any) -> list[Heard]:
    """What is heard in ledger audio at 16 kHz whose first ``skip`` samples are missing."""
    audio = encode(numbers)[2 * skip :]
    listener = recogniser(**config)
    return [*listen(listener, audio), *listener.finish(len(audio) / 32000)]


def w(number: int, start: float, end: float, speaker: str | None = None) -> Word:
    return Word(f"w{number}", start, end, speaker=speaker)


SPEAKERS: dict[str, Any] = {"diarization": "speaker"}
PAUSE_OF_HALF_A_SECOND = {"end_of_utterance_silence_trigger": 0.5}


def test_words_become_final_two_at_a_time() -> None:
    assert recognise([1, 2, 3]) == [
        Final(0.0, 0.4, (w(1, 0.0, 0.2), w(2, 0.2, 0.4))),
        Final(0.4, 0.6, (w(3, 0.4, 0.6),)),
    ]


def test_partial_shows_a_word_before_it_is_final() -> None:
    assert recognise([1, 2], enable_partials=True) == [
        Partial(0.0, 0.2, (w(1, 0.0, 0.2),)),
        Final(0.0, 0.4, (w(1, 0.0, 0.2), w(2, 0.2, 0.4))),
    ]


def test_silence_settles_words_and_is_covered() -> None:
    assert recognise([1, None, None, None]) == [
        Final(0.0, 0.2, (w(1, 0.0, 0.2),)),
        Final(0.2, 0.56),
        Final(0.56, 0.8),
    ]


def test_utterance_ends_once_when_the_silence_is_as_long_as_asked() -> None:
    numbers = [1, None, None, None, None]
    assert recognise(numbers, conversation_config=PAUSE_OF_HALF_A_SECOND) == [
        Final(0.0, 0.2, (w(1, 0.0, 0.2),)),
        Final(0.2, 0.56),
        Final(0.56, 0.62),
        UtteranceEnded(0.7),
        Final(0.62, 0.98),
        Final(0.98, 1.0),
    ]


def test_utterance_does_not_end_before_anything_was_said() -> None:
    config = {"end_of_utterance_silence_trigger": 0.2}
    events = recognise([None, None, None], conversation_config=config)
    assert events == [Final(0.0, 0.36), Final(0.36, 0.6)]


def test_damaged_sound_is_a_word_that_no_number_gives() -> None:
    audio = encode([1, 2, 3])
    listener = recogniser()
    assert listen(listener, audio[:9600] + audio[12800:]) == [
        Final(0.0, 0.3, (w(1, 0.0, 0.2), Word("w?", 0.2, 0.3))),
    ]
    assert listener.finish(0.5) == [Final(0.3, 0.5, (w(3, 0.3, 0.5),))]


def test_damaged_sound_is_of_an_unknown_speaker() -> None:
    audio = encode([1, 2, 3])
    (final,) = listen(recogniser(**SPEAKERS), audio[:9600] + audio[12800:])
    assert final == Final(0.0, 0.3, (w(1, 0.0, 0.2, "S1"), Word("w?", 0.2, 0.3, speaker="UU")))


def test_fragment_at_the_start_is_covered_and_says_nothing() -> None:
    assert recognise([1, 2, 3], skip=800) == [
        Final(0.0, 0.55, (w(2, 0.15, 0.35), w(3, 0.35, 0.55))),
    ]


def test_sentence_ends_with_a_full_stop_behind_its_word() -> None:
    assert recognise([Spoken(1, ends_sentence=True), 2]) == [
        Final(0.0, 0.4, (w(1, 0.0, 0.2), Mark(".", 0.2), w(2, 0.2, 0.4))),
    ]


def test_disfluency_is_tagged_and_keeps_its_word() -> None:
    assert recognise([Spoken(7, disfluency=True)]) == [
        Final(0.0, 0.2, (Word("w7", 0.0, 0.2, tags=("disfluency",)),)),
    ]


def test_number_in_words_fills_its_block() -> None:
    assert recognise([Spoken(123, in_words=True)]) == [
        Final(
            0.0,
            0.2,
            (
                Word("one", 0.0, 0.05),
                Word("hundred", 0.05, 0.1),
                Word("twenty", 0.1, 0.15),
                Word("three", 0.15, 0.2),
            ),
        ),
    ]


@pytest.mark.parametrize(("config", "volume"), [({"audio_filtering_config": {}}, 2.0), ({}, None)])
def test_quiet_block_claims_a_low_volume_when_volumes_count(
    config: dict[str, Any], volume: float | None
) -> None:
    (final,) = recognise([1, Spoken(2, quiet=True)], **config)
    assert isinstance(final, Final)
    assert [r.volume for r in final.results if isinstance(r, Word)] == [None, volume]


def test_voices_are_labelled_in_the_order_in_which_they_speak() -> None:
    listener = recogniser(**SPEAKERS)
    assert listener.speakers() == ()
    assert hear(listener, [Spoken(1, voice=2), 2]) == [
        Final(0.0, 0.4, (w(1, 0.0, 0.2, "S1"), w(2, 0.2, 0.4, "S2"))),
    ]
    assert listener.speakers() == (
        SpeakerVoices("S1", (identifier(2),)),
        SpeakerVoices("S2", (identifier(1),)),
    )


def test_full_stop_is_of_the_speaker_of_its_word() -> None:
    (final,) = recognise([Spoken(1, ends_sentence=True)], **SPEAKERS)
    assert final == Final(0.0, 0.2, (w(1, 0.0, 0.2, "S1"), Mark(".", 0.2, speaker="S1")))


def test_voices_are_not_told_apart_when_nobody_asked() -> None:
    listener = recogniser()
    hear(listener, [1, Spoken(2, voice=2)])
    assert listener.speakers() == ()


def test_identifier_of_an_earlier_session_names_its_voice() -> None:
    earlier = recogniser(**SPEAKERS)
    hear(earlier, [1, Spoken(2, voice=2)])
    second = earlier.speakers()[1]
    ann = {"label": "Ann", "speaker_identifiers": list(second.identifiers)}
    later = recogniser(**SPEAKERS, speaker_diarization_config={"speakers": [ann]})
    assert later.begin() == []
    assert hear(later, [Spoken(3, voice=2), 4]) == [
        Final(0.0, 0.4, (w(3, 0.0, 0.2, "Ann"), w(4, 0.2, 0.4, "S1"))),
    ]
    assert later.speakers()[0] == SpeakerVoices("Ann", second.identifiers)


def test_unknown_identifier_is_warned_of() -> None:
    bob = {"label": "Bob", "speaker_identifiers": ["no such voice"]}
    listener = recogniser(**SPEAKERS, speaker_diarization_config={"speakers": [bob]})
    reason = (
        "speaker_diarization_config.speakers: the identifier 'no such voice' of 'Bob' is "
        "unknown and ignored"
    )
    assert listener.begin() == [Notice(WarningType.SPEAKER_ID, reason)]


MUSIC: list[int | Spoken | None] = [Spoken(1, begins="music"), 2, Spoken(3, ends="music")]


@pytest.mark.parametrize("config", [{}, {"types": ["music", "applause"]}])
def test_audio_event_runs_from_the_start_of_a_block_to_the_end_of_one(
    config: dict[str, Any],
) -> None:
    assert recognise(MUSIC, audio_events=config) == [
        AudioEventStarted("music", 0.0, 1.0),
        Final(0.0, 0.4, (w(1, 0.0, 0.2), w(2, 0.2, 0.4))),
        AudioEventEnded("music", 0.6),
        Final(0.4, 0.6, (w(3, 0.4, 0.6),)),
    ]


@pytest.mark.parametrize("config", [None, {"types": ["laughter"]}])
def test_audio_event_is_not_told_when_nobody_asked(config: dict[str, Any] | None) -> None:
    assert all(isinstance(event, Final) for event in recognise(MUSIC, audio_events=config))


def test_audio_event_that_goes_on_ends_with_the_audio() -> None:
    assert recognise(MUSIC[:1], audio_events={}) == [
        AudioEventStarted("music", 0.0, 1.0),
        Final(0.0, 0.2, (w(1, 0.0, 0.2),)),
        AudioEventEnded("music", 0.2),
    ]


def test_audio_event_neither_starts_twice_nor_ends_unstarted() -> None:
    numbers = [Spoken(1, ends="applause"), Spoken(2, begins="music"), Spoken(3, begins="music")]
    events = [e for e in recognise(numbers, audio_events={}) if not isinstance(e, Final)]
    assert events == [AudioEventStarted("music", 0.2, 1.0), AudioEventEnded("music", 0.6)]


def test_forced_end_settles_what_is_there() -> None:
    listener = recogniser()
    assert hear(listener, [1]) == []
    assert listener.end_utterance(None) == [
        Final(0.0, 0.2, (w(1, 0.0, 0.2),), forced=True),
        UtteranceEnded(0.2, forced=True),
    ]


def test_forced_end_leaves_a_word_that_lasts_beyond_it() -> None:
    listener = recogniser()
    assert hear(listener, [1]) == []
    assert listener.end_utterance(0.1) == [
        Final(0.0, 0.0, forced=True),
        UtteranceEnded(0.1, forced=True),
    ]
    assert listener.finish(0.2) == [Final(0.0, 0.2, (w(1, 0.0, 0.2),))]


def test_forced_end_in_half_a_block_covers_nothing_of_it() -> None:
    listener = recogniser()
    audio = encode([1, 2])
    assert listen(listener, audio[:9600]) == []
    assert listener.end_utterance(None) == [
        Final(0.0, 0.2, (w(1, 0.0, 0.2),), forced=True),
        UtteranceEnded(0.3, forced=True),
    ]
    assert listen(listener, audio[9600:]) == []
    assert listener.finish(0.4) == [Final(0.2, 0.4, (w(2, 0.2, 0.4),))]


def test_forced_end_in_the_past_gives_an_empty_final() -> None:
    listener = recogniser()
    hear(listener, [1, 2])
    assert listener.end_utterance(0.3) == [
        Final(0.4, 0.4, forced=True),
        UtteranceEnded(0.4, forced=True),
    ]


def test_forced_end_replaces_that_of_the_pause_behind_it() -> None:
    listener = recogniser(conversation_config=PAUSE_OF_HALF_A_SECOND)
    hear(listener, [1])
    listener.end_utterance(None)
    assert hear(listener, [None] * 4) == [Final(0.2, 0.56), Final(0.56, 0.92)]


EXPECTED_AHEAD: list[Heard] = [
    Final(0.0, 0.4, (w(1, 0.0, 0.2), w(2, 0.2, 0.4))),
    Final(0.4, 0.6, (w(3, 0.4, 0.6),), forced=True),
    UtteranceEnded(0.7, forced=True),
    Final(0.6, 1.0, (w(4, 0.6, 0.8), w(5, 0.8, 1.0))),
]


@settings(deadline=None)
@given(st.integers(1, 16000))
def test_forced_end_ahead_waits_for_its_audio(chunk: int) -> None:
    listener = recogniser()
    assert listener.end_utterance(0.7) == []
    samples = SampleReader("pcm_s16le").read(encode([1, 2, 3, 4, 5]))
    heard = [
        event
        for at in range(0, len(samples), chunk)
        for event in listener.feed(samples[at : at + chunk])
    ]
    assert heard == EXPECTED_AHEAD


def test_forced_end_that_the_audio_never_reaches_comes_at_its_end() -> None:
    listener = recogniser()
    listener.end_utterance(5.0)
    hear(listener, [1])
    assert listener.finish(0.2) == [
        Final(0.0, 0.2, (w(1, 0.0, 0.2),), forced=True),
        UtteranceEnded(0.2, forced=True),
    ]


def test_forced_end_in_silence_covers_it_up_to_there() -> None:
    listener = recogniser()
    listener.end_utterance(0.3)
    assert hear(listener, [1, None, None]) == [
        Final(0.0, 0.3, (w(1, 0.0, 0.2),), forced=True),
        UtteranceEnded(0.3, forced=True),
    ]


def test_forced_ends_that_wait_are_bounded() -> None:
    listener = recogniser()
    for second in range(MAX_FORCED_ENDS + 10):
        assert listener.end_utterance(1.0 + second) == []
    ends = [e for e in listener.finish(0.0) if isinstance(e, UtteranceEnded)]
    assert len(ends) == MAX_FORCED_ENDS


def test_configuration_changes_from_here_on() -> None:
    listener = recogniser()
    hear(listener, [1, 2])
    config = {"end_of_utterance_silence_trigger": 0.2}
    listener.configure(
        TranscriptionConfig.model_validate(
            {"language": "en", "enable_partials": True, "conversation_config": config}
        )
    )
    assert hear(listener, [3, None]) == [
        Partial(0.4, 0.6, (w(3, 0.4, 0.6),)),
        Final(0.4, 0.6, (w(3, 0.4, 0.6),)),
        Final(0.6, 0.72),
        Partial(0.72, 0.72),
        UtteranceEnded(0.8),
    ]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.none()
        | st.integers(0, 9)
        | st.builds(Spoken, st.integers(0, 999), in_words=st.just(True)),
        max_size=12,
    ),
    st.integers(8000, 48000),
    st.lists(st.floats(0, 3), max_size=3),
)
def test_finals_tile_the_audio_and_hold_their_words(
    numbers: list[int | Spoken | None], rate: int, forced: list[float]
) -> None:
    listener = recogniser(rate)
    audio = SampleReader("pcm_s16le").read(encode(numbers, sample_rate=rate))
    heard = [event for at in forced for event in listener.end_utterance(at)]
    for chunk in np.array_split(audio, 7):
        heard += listener.feed(chunk)
    finals = [e for e in [*heard, *listener.finish(len(audio) / rate)] if isinstance(e, Final)]
    borders = [0.0, *(final.end for final in finals)]
    assert [final.start for final in finals] == borders[:-1]
    assert borders[-1] == len(audio) / rate
    for final in finals:
        for word in final.results:
            assert isinstance(word, Word)
            assert final.start <= word.start < word.end <= final.end
