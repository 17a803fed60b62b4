"""Translations come late, and audio waits for them; each sentence is told once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.support.streams import (
    CHUNK,
    SPEC,
    TRANSLATED,
    VOICES,
    chunk,
    drive,
    final,
    new_stream,
    published,
    resume,
    started_stream,
    words,
)

from speechmq.core.stream import Stream
from speechmq.core.values import events
from speechmq.core.values.checkpoint import Checkpoint, Totals
from speechmq.core.values.inputs import ConnectionLost, ConnectionOpened, Published
from speechmq.core.values.memo import Memo
from speechmq.core.values.outputs import Acknowledge, CloseConnection, Publish
from speechmq.speechmatics.messages import (
    FinalReceived,
    FinalTranslationReceived,
    Metadata,
    PartialTranslationReceived,
    RecognitionStarted,
    SoundEnded,
    SoundStarted,
    WarningReceived,
)


def sentence(content: str, start: float, end: float, **fields: Any) -> dict[str, Any]:
    return {"content": content, "start_time": start, "end_time": end, **fields}


def translation(language: str, *sentences: dict[str, Any]) -> FinalTranslationReceived:
    return FinalTranslationReceived(language, msgspec.Raw(msgspec.json.encode(sentences)))


def preview(language: str, *sentences: dict[str, Any]) -> PartialTranslationReceived:
    return PartialTranslationReceived(language, msgspec.Raw(msgspec.json.encode(sentences)))


def said(text: str, start: float, end: float) -> FinalReceived:
    return FinalReceived(Metadata(start, end, f"{text} "), words((text, start, end)))


def lost(stream: Stream) -> Stream:
    drive(stream, ConnectionLost(1006, "gone"))
    return stream


def test_translations_are_told_with_the_time_of_their_words() -> None:
    stream = started_stream(spec=TRANSLATED)
    drive(stream, chunk(1), said("good", 0.0, 0.1))
    gut = sentence("gut", 0.0, 0.1)
    assert drive(stream, preview("de", gut)) == [
        Publish(events.PartialTranslation("s", "de", [gut]), 3, confirm=False)
    ]
    left = Checkpoint(
        watermark=0.1,
        totals=Totals(finals=1),
        translated={"de": 0.1, "fr": 0.0},
        spoken=0.1,
    )
    assert drive(stream, translation("de", gut)) == [
        Publish(events.FinalTranslation("s", "de", [gut]), 4, checkpoint=left)
    ]
    assert Checkpoint.decode(left.encode()) == left


def test_audio_waits_for_the_translation_of_its_words_into_every_language() -> None:
    stream = started_stream(spec=TRANSLATED)
    drive(stream, chunk(1), chunk(2), said("good", 0.0, 0.1))
    assert drive(stream, Published(2)) == []
    drive(stream, translation("fr", sentence("bon", 0.0, 0.1)))
    assert drive(stream, Published(3)) == []
    drive(stream, translation("de", sentence("gut", 0.0, 0.1)))
    assert drive(stream, Published(4)) == [Acknowledge(1)]


def test_silence_needs_no_translation() -> None:
    stream = started_stream(spec=TRANSLATED)
    drive(stream, chunk(1), chunk(2), final(0.2))
    assert drive(stream, Published(2)) == [Acknowledge(2)]


def test_translation_covers_the_silence_behind_its_words() -> None:
    stream = started_stream(spec=TRANSLATED)
    drive(stream, chunk(1), chunk(2), said("good", 0.0, 0.1), final(0.2, 0.1), Published(3))
    drive(stream, translation("de", sentence("gut", 0.0, 0.1)))
    drive(stream, translation("fr", sentence("bon", 0.0, 0.1)))
    assert drive(stream, Published(5)) == [Acknowledge(2)]


def test_translation_of_some_words_covers_the_audio_up_to_them() -> None:
    stream = started_stream(spec=TRANSLATED)
    drive(stream, chunk(1), chunk(2), chunk(3), said("good", 0.0, 0.1), said("day", 0.1, 0.3))
    drive(stream, translation("de", sentence("gut", 0.0, 0.1), sentence("Tag", 0.1, 0.3)))
    drive(stream, translation("fr", sentence("bon", 0.0, 0.1)))
    assert drive(stream, Published(5)) == [Acknowledge(1)]


def test_language_that_was_not_asked_for_is_passed_on_and_waited_for_by_nobody() -> None:
    stream = started_stream(spec=SPEC)
    drive(stream, chunk(1), said("good", 0.0, 0.1))
    gut = sentence("gut", 0.0, 0.1)
    left = Checkpoint(next_seq=2, position=CHUNK, watermark=0.1, totals=Totals(1, 0, 1))
    assert drive(stream, translation("de", gut), Published(2)) == [
        Publish(events.FinalTranslation("s", "de", [gut]), 3, checkpoint=left),
        Acknowledge(1),
    ]


# -- languages that are not to be had --------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "reason"),
    [
        ("unsupported_translation_pair", "en to de, en to fr: no such pair"),
        ("unsupported_translation_pair", "no such pair"),
        ("empty_translation_target_list", "nothing to translate into"),
    ],
)
def test_language_that_is_not_to_be_had_holds_nothing_back(type_: str, reason: str) -> None:
    stream = started_stream(spec=TRANSLATED)
    [warning] = published(drive(stream, WarningReceived(type_, reason)))
    assert warning == events.StreamWarning("s", type_, reason)
    drive(stream, chunk(1), said("good", 0.0, 0.1))
    assert drive(stream, Published(3)) == [Acknowledge(1)]


def test_language_that_is_to_be_had_is_waited_for_beside_one_that_is_not() -> None:
    stream = started_stream(spec=TRANSLATED)
    drive(stream, WarningReceived("unsupported_translation_pair", "en to fr: no such pair"))
    drive(stream, chunk(1), said("good", 0.0, 0.1))
    assert drive(stream, Published(3)) == []
    drive(stream, translation("de", sentence("gut", 0.0, 0.1)))
    assert drive(stream, Published(4)) == [Acknowledge(1)]


def test_language_that_was_doubted_is_waited_for_once_it_has_come() -> None:
    stream = started_stream(spec=TRANSLATED)
    drive(stream, WarningReceived("unsupported_translation_pair", "no such pair"))
    drive(stream, chunk(1), chunk(2), said("good", 0.0, 0.1))
    drive(stream, translation("de", sentence("gut", 0.0, 0.1)), Published(4))
    drive(stream, WarningReceived("unsupported_translation_pair", "no such pair"))
    drive(stream, said("day", 0.1, 0.2))
    assert drive(stream, Published(6)) == []
    drive(stream, translation("de", sentence("Tag", 0.1, 0.2)))
    assert drive(stream, Published(7)) == [Acknowledge(2)]


# -- over sessions ---------------------------------------------------------------------------------


def translated_in_part() -> Stream:
    """Two words were heard; German has both, French one."""
    stream = started_stream(spec=TRANSLATED)
    drive(stream, chunk(1), chunk(2), chunk(3), said("good", 0.0, 0.1), said("day", 0.1, 0.2))
    drive(stream, translation("de", sentence("gut", 0.0, 0.1), sentence("Tag", 0.1, 0.2)))
    drive(stream, translation("fr", sentence("bon", 0.0, 0.1)))
    assert drive(stream, Published(5)) == [Acknowledge(1)]
    return stream


def test_resumed_session_s_translations_are_told_from_where_each_language_was() -> None:
    stream = lost(translated_in_part())
    [resumed] = published(resume(stream, "u2", now=1.0))
    assert resumed == events.StreamResumed("s", "u2", 0.1, "upstream_lost")
    day, night = (sentence("x", 0.0, 0.1), sentence("y", 0.1, 0.2))
    assert published(drive(stream, said("day", 0.0, 0.1), preview("de", day))) == []
    assert published(drive(stream, translation("de", day))) == []
    assert published(drive(stream, translation("fr", day))) == [
        events.FinalTranslation("s", "fr", [sentence("x", 0.1, 0.2)])
    ]
    drive(stream, said("night", 0.1, 0.2))
    assert published(drive(stream, translation("de", day, night))) == [
        events.FinalTranslation("s", "de", [sentence("y", 0.2, 0.3)])
    ]
    assert published(drive(stream, preview("fr", day, night))) == [
        events.PartialTranslation("s", "fr", [sentence("y", 0.2, 0.3)])
    ]


@pytest.mark.parametrize(
    ("start", "end", "is_told"),
    [
        (4.5, 5.0, False),  # heard again, translated before
        (4.5, 5.1, False),  # the same: a word's end is nowhere exact
        (4.5, 5.3, True),  # most of it was translated, its last word was not
        (4.5, 5.7, True),
        (4.97, 5.05, True),  # one short word, most of which lies behind
        (4.95, 5.05, False),
    ],
)
def test_sentence_that_a_session_cuts_elsewhere_is_told_for_its_last_word(
    start: float, end: float, is_told: bool
) -> None:
    left = Checkpoint(46, 45 * CHUNK, 5.0, (), Totals(45, 0, 2), 0, {"de": 5.0, "fr": 5.0}, 5.0)
    stream = new_stream(spec=TRANSLATED, checkpoint=left)
    stream.open(0.0)
    drive(stream, ConnectionOpened(), RecognitionStarted("u2"))
    drive(stream, *(chunk(seq) for seq in range(46, 66)))
    again = sentence("x", round(start - 4.5, 6), round(end - 4.5, 6))
    assert bool(published(drive(stream, translation("de", again)))) is is_told


def test_successor_knows_how_far_each_language_was() -> None:
    left = Checkpoint(2, CHUNK, 0.2, (), Totals(1, 0, 2), 0, {"de": 0.2, "fr": 0.1}, 0.2)
    stream = new_stream(spec=TRANSLATED, checkpoint=left)
    stream.open(0.0)
    drive(stream, ConnectionOpened(), RecognitionStarted("u2"), chunk(2), chunk(3))
    day = sentence("x", 0.0, 0.1)
    assert published(drive(stream, translation("de", day))) == []
    assert published(drive(stream, translation("fr", day))) == [
        events.FinalTranslation("s", "fr", [sentence("x", 0.1, 0.2)])
    ]
    assert drive(stream, Published(2)) == [Acknowledge(2)]


def test_speaker_of_a_sentence_bears_the_stream_s_name() -> None:
    stream = started_stream(spec=VOICES, memo=Memo({"S1": ("a",)}))
    told = translation("de", sentence("gut", 0.0, 0.1, speaker="stream-S1"))
    assert published(drive(stream, told)) == [
        events.FinalTranslation("s", "de", [sentence("gut", 0.0, 0.1, speaker="S1")])
    ]


# -- sounds ----------------------------------------------------------------------------------------


def test_sounds_are_told_with_all_that_upstream_says_of_them() -> None:
    stream = started_stream()
    begins = {"type": "music", "start_time": 0.0, "confidence": 0.9, "novelty": 1}
    ends = {"type": "music", "end_time": 0.1}
    assert drive(stream, SoundStarted(begins), SoundEnded(ends)) == [
        Publish(events.AudioEventStarted("s", begins), 2),
        Publish(events.AudioEventEnded("s", ends), 3),
    ]


def test_sounds_of_a_resumed_session_are_moved_and_none_is_told_twice() -> None:
    stream = started_stream()
    drive(stream, chunk(1), chunk(2), chunk(3), final(0.1), Published(2))
    drive(stream, SoundStarted({"type": "music", "start_time": 0.15, "confidence": 1.0}))
    resume(lost(stream), "u2", now=1.0)
    again = SoundStarted({"type": "music", "start_time": 0.05, "confidence": 1.0})
    old = SoundEnded({"type": "applause", "end_time": 0.0})
    assert drive(stream, again, old) == []
    assert published(drive(stream, SoundEnded({"type": "music", "end_time": 0.2}))) == [
        events.AudioEventEnded("s", {"type": "music", "end_time": 0.3})
    ]


def test_sound_without_a_time_breaks_the_protocol() -> None:
    stream = started_stream()
    outputs = drive(stream, SoundStarted({"type": "music"}))
    [warning] = published(outputs)
    assert isinstance(warning, events.StreamWarning)
    assert (warning.code, CloseConnection() in outputs) == ("protocol_error", True)
