"""S1 stays S1, over however many sessions; and when upstream is asked for voices at all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.support.streams import (
    SPEC,
    VOICES,
    chunk,
    drive,
    end,
    new_stream,
    published,
    resume,
    started_stream,
    word,
    words,
)

from speechmq.core.record.speakers import SessionLabels, Voices, introduce, tells_voices
from speechmq.core.values.checkpoint import Checkpoint, Totals
from speechmq.core.values.commands import TellSpeakers
from speechmq.core.values.events import FinalTranscript, PartialTranscript
from speechmq.core.values.inputs import ConnectionLost, ConnectionOpened, DeadlinePassed
from speechmq.core.values.memo import Memo
from speechmq.core.values.outputs import Output, Publish, SaveMemo, SendCommand, StartRecognition
from speechmq.speechmatics.messages import (
    AudioAdded,
    FinalReceived,
    Metadata,
    PartialReceived,
    RecognitionStarted,
    Speaker,
    SpeakersReceived,
)

PLAIN = VOICES.transcription_config


def named(*voices: tuple[str, list[str]]) -> dict[str, Any]:
    speakers = [{"label": label, "speaker_identifiers": known} for label, known in voices]
    return {**PLAIN, "speaker_diarization_config": {"max_speakers": 4, "speakers": speakers}}


def labels(voices: Voices, *heard: str, introduced: bool) -> list[str]:
    """What a session's labels are called on the stream."""
    session = SessionLabels(voices, introduced=introduced)
    return [session(label) for label in heard]


# -- names over sessions ---------------------------------------------------------------------------


def test_first_session_s_labels_are_the_stream_s() -> None:
    voices = Voices()
    heard = ("S1", "S2", "UU", "S1")
    assert labels(voices, *heard, introduced=False) == ["S1", "S2", "UU", "S1"]
    assert voices.highest == 2


def test_voices_keep_their_names_over_three_sessions_and_new_ones_get_the_next_number() -> None:
    voices = Voices()
    labels(voices, "S1", "S2", introduced=False)
    voices.learn({"S1": ("a",), "S2": ("b",)})
    second = labels(voices, "S1", "stream-S2", "UU", "stream-S1", "S2", "S1", introduced=True)
    assert second == ["S3", "S2", "UU", "S1", "S4", "S3"]
    voices.learn({"S3": ("c",), "S4": ("d",)})
    third = labels(voices, "stream-S4", "S2", "S1", "stream-S1", introduced=True)
    assert third == ["S4", "S5", "S6", "S1"]


def test_labels_of_a_session_that_knows_nobody_are_taken_as_they_are() -> None:
    voices = Voices(highest=7)
    assert labels(voices, "S2", "S9", introduced=False) == ["S2", "S9"]
    assert voices.highest == 9


def test_voice_that_the_publisher_named_keeps_that_name_whatever_it_is() -> None:
    voices = Voices.of(named(("Agent", ["x"]), ("stream-S1", ["y"])), told={}, highest=0)
    heard = ("Agent", "S1", "stream-S1", "S2")
    assert labels(voices, *heard, introduced=True) == ["Agent", "S1", "stream-S1", "S2"]


@pytest.mark.parametrize("label", ["S", "S1x", "s1", "S" + "9" * 5000, "S٣", ""])
def test_label_that_bears_no_number_is_passed_on_and_takes_none(label: str) -> None:
    voices = Voices(highest=3)
    assert labels(voices, label, introduced=True) == [label]
    assert voices.highest == 3


def test_number_in_a_memo_that_is_newer_than_the_checkpoint_is_taken() -> None:
    voices = Voices.of(PLAIN, told={"S3": ("c",)}, highest=2)
    assert labels(voices, "S1", "stream-S3", introduced=True) == ["S4", "S3"]


# -- what is known of them -------------------------------------------------------------------------


def test_learning_keeps_what_is_new_and_says_whether_anything_is() -> None:
    voices = Voices()
    assert voices.learn({"S2": ("a", "b"), "UU": ("c",), "S1": ()})
    assert not voices.learn({"S2": ("a", "b"), "UU": ("d",), "S1": ()})
    assert voices.learn({"S2": ("e",)})
    assert (voices.known, voices.highest) == ({"S2": ("e",)}, 2)


def test_identifiers_belong_to_one_voice_the_one_that_was_told_last() -> None:
    voices = Voices()
    voices.learn({"S1": ("a",), "S2": ("b",), "S3": ("c",)})
    assert voices.learn({"S1": ("c",)})
    assert (voices.known, voices.highest) == ({"S1": ("c",), "S2": ("b",)}, 3)


def test_voices_are_introduced_under_labels_that_the_api_accepts() -> None:
    config = named(("Agent", ["x"]))
    voices = Voices.of(config, told={"S1": ("a", "b")}, highest=1)
    assert introduce(config, voices) == named(("Agent", ["x"]), ("stream-S1", ["a", "b"]))


def test_what_was_told_of_a_named_voice_replaces_what_the_publisher_knew() -> None:
    config = named(("Agent", ["x"]))
    voices = Voices.of(config, told={"Agent": ("y",)}, highest=0)
    assert introduce(config, voices) == named(("Agent", ["y"]))


def test_config_is_untouched_while_no_voice_is_known() -> None:
    assert introduce(PLAIN, Voices()) is PLAIN


def test_fifty_identifiers_are_introduced_at_most() -> None:
    voices = Voices()
    voices.learn({f"S{number}": tuple("abcdefghijkl") for number in range(1, 7)})
    introduced = voices.to_introduce()
    assert [one["label"] for one in introduced] == [f"stream-S{number}" for number in range(1, 6)]
    assert [len(one["speaker_identifiers"]) for one in introduced] == [12, 12, 12, 12, 2]


def test_voices_are_told_apart_where_it_was_asked_for() -> None:
    assert tells_voices({"diarization": "speaker"})


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"diarization": "none"},
        {"diarization": "channel"},
        {"diarization": "channel_and_speaker"},
    ],
)
def test_voices_are_not_told_apart_where_it_was_not(config: dict[str, Any]) -> None:
    assert not tells_voices(config)


# -- in the stream ---------------------------------------------------------------------------------


def heard(text: str, start: float, speaker: str) -> FinalReceived:
    return FinalReceived(
        Metadata(start, start + 0.1, f"{text} "), words((text, start, start + 0.1, speaker))
    )


def told(**voices: str) -> SpeakersReceived:
    return SpeakersReceived([Speaker(label, [known]) for label, known in voices.items()])


def who_spoke(outputs: list[Output]) -> list[tuple[str, str]]:
    """Words and who spoke them, of what was published."""
    return [
        (result["alternatives"][0]["content"], result["alternatives"][0]["speaker"])
        for event in published(outputs)
        if isinstance(event, FinalTranscript | PartialTranscript)
        and isinstance(event.results, list)
        for result in event.results
    ]


def test_voices_are_learned_kept_introduced_and_recognised_over_a_loss() -> None:
    stream = started_stream(spec=VOICES)
    outputs = drive(stream, chunk(1), chunk(2), chunk(3))
    outputs += drive(stream, heard("hi", 0.0, "S1"), heard("ho", 0.1, "S2"))
    assert who_spoke(outputs) == [("hi", "S1"), ("ho", "S2")]
    both = Memo({"S1": ("a",), "S2": ("b",)})
    assert drive(stream, told(S1="a", S2="b", UU="u"), told(S1="a")) == [SaveMemo(both)]
    drive(stream, ConnectionLost(1006, "gone"), DeadlinePassed())
    drive(stream, DeadlinePassed(), now=1.0)
    known = [
        {"label": "stream-S1", "speaker_identifiers": ["a"]},
        {"label": "stream-S2", "speaker_identifiers": ["b"]},
    ]
    config = {**PLAIN, "speaker_diarization_config": {"speakers": known}}
    assert drive(stream, ConnectionOpened(), now=1.0) == [StartRecognition(config)]
    outputs = drive(stream, RecognitionStarted("u2"), now=1.0)
    outputs += drive(
        stream,
        PartialReceived(Metadata(0.2, 0.3, "he "), words(("he", 0.2, 0.3, "S1"))),
        heard("hey", 0.2, "stream-S2"),
        now=1.0,
    )
    assert who_spoke(outputs) == [("he", "S3"), ("hey", "S2")]
    assert drive(stream, told(S1="c")) == [SaveMemo(Memo({**both.speakers, "S3": ("c",)}))]


def test_successor_introduces_the_voices_of_the_memo_and_counts_on() -> None:
    left = Checkpoint(voices=5, totals=Totals(finals=3))
    stream = new_stream(spec=VOICES, checkpoint=left, memo=Memo({"S2": ("b",)}))
    stream.open(0.0)
    [introduction] = drive(stream, ConnectionOpened())
    config = introduce(PLAIN, Voices({"S2": ("b",)}))
    assert introduction == StartRecognition(config)
    drive(stream, RecognitionStarted("u2"), chunk(1), chunk(2))
    outputs = drive(stream, heard("hi", 0.0, "stream-S2"), heard("ho", 0.1, "S1"))
    assert who_spoke(outputs) == [("hi", "S2"), ("ho", "S6")]
    last = outputs[-1]
    assert isinstance(last, Publish)
    assert last.checkpoint is not None
    assert last.checkpoint.voices == 6


def test_entity_s_forms_bear_the_stream_s_names_too() -> None:
    stream = started_stream(spec=VOICES, memo=Memo({"S1": ("a",)}))
    entity = word("7", 0.0, 0.1, "stream-S1") | {"spoken_form": [word("seven", 0, 1, "stream-S1")]}
    raw = msgspec.Raw(msgspec.json.encode([entity]))
    [event] = published(drive(stream, FinalReceived(Metadata(0.0, 0.1, "7 "), raw)))
    assert isinstance(event, FinalTranscript)
    assert event.results == [
        word("7", 0.0, 0.1, "S1") | {"spoken_form": [word("seven", 0.0, 1.0, "S1")]}
    ]


def test_voices_of_a_stream_that_tells_none_apart_are_not_kept() -> None:
    stream = started_stream(spec=SPEC)
    assert drive(stream, told(S1="a")) == []


def test_voices_told_before_a_session_began_belong_to_no_session() -> None:
    stream = started_stream(spec=VOICES)
    drive(stream, ConnectionLost(1006, "gone"))
    drive(stream, DeadlinePassed(), ConnectionOpened(), now=1.0)
    assert drive(stream, told(S1="a"), now=1.0) == []


# -- asking ----------------------------------------------------------------------------------------


def test_upstream_is_asked_for_voices_now_and_then_while_somebody_speaks() -> None:
    stream = started_stream(spec=VOICES, speakers_every=30.0)
    assert stream.deadline == 30.0
    drive(stream, chunk(1), heard("hi", 0.0, "S1"), AudioAdded(1))
    assert drive(stream, DeadlinePassed(), now=30.0) == [SendCommand(TellSpeakers())]
    assert stream.deadline == 60.0
    assert drive(stream, DeadlinePassed(), now=60.0) == []
    drive(stream, chunk(2), AudioAdded(2), heard("ho", 0.1, "S1"), now=61.0)
    assert drive(stream, DeadlinePassed(), now=90.0) == [SendCommand(TellSpeakers())]


def test_upstream_is_not_asked_where_voices_are_not_told_apart() -> None:
    stream = started_stream(spec=SPEC, speakers_every=30.0, idle_timeout=999.0)
    assert stream.deadline == 999.0


def test_upstream_is_not_asked_behind_the_end_of_the_audio() -> None:
    stream = started_stream(spec=VOICES, speakers_every=3.0)
    drive(stream, chunk(1), heard("hi", 0.0, "S1"), AudioAdded(1), end(2))
    assert drive(stream, DeadlinePassed(), now=3.0) == []
    assert stream.deadline == 30.0


def test_lost_session_is_not_asked_and_the_next_is_in_due_time() -> None:
    stream = started_stream(spec=VOICES, speakers_every=30.0)
    drive(stream, chunk(1), heard("hi", 0.0, "S1"), AudioAdded(1))
    drive(stream, ConnectionLost(1011, "gone"), now=29.0)
    assert drive(stream, DeadlinePassed(), now=30.0) == []
    resume(stream, "u2", now=40.0)
    drive(stream, AudioAdded(1), now=40.0)
    assert drive(stream, DeadlinePassed(), now=69.0) == []
    assert drive(stream, DeadlinePassed(), now=70.0) == [SendCommand(TellSpeakers())]
