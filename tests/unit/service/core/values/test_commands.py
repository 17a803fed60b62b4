"""A publisher's wishes in mid-stream: each takes effect at its place, in every session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.support.streams import (
    CHUNK,
    INTRODUCTION,
    SPEC,
    VOICES,
    added,
    audio,
    chunk,
    drive,
    end,
    final,
    new_stream,
    published,
    resume,
    started_stream,
    wish,
)

from speechmq.core.stream import Stream
from speechmq.core.values import events
from speechmq.core.values.checkpoint import Checkpoint, Gap, Totals
from speechmq.core.values.commands import ChangeConfig, ForceUtterance, Overrides, TellSpeakers
from speechmq.core.values.inputs import (
    ConnectionLost,
    ConnectionOpened,
    DeadLettered,
    DeadlinePassed,
    Published,
    StandbyReady,
)
from speechmq.core.values.memo import Memo
from speechmq.core.values.outputs import (
    Acknowledge,
    DeadLetter,
    EndAudio,
    OpenConnection,
    OpenStandby,
    Output,
    Publish,
    SaveCheckpoint,
    SaveMemo,
    SendAudio,
    SendCommand,
    StartRecognition,
    SwitchToStandby,
)
from speechmq.speechmatics.messages import (
    Metadata,
    RecognitionStarted,
    Speaker,
    SpeakersReceived,
    TranscriptEnded,
    UtteranceEnded,
)

SLOW, FAST = ChangeConfig({"max_delay": 4.0}), ChangeConfig({"max_delay": 0.7})
PLAIN = ChangeConfig({"enable_partials": False})


def with_changes(**changes: Any) -> StartRecognition:
    return StartRecognition({**SPEC.transcription_config, **changes})


def lose(stream: Stream) -> None:
    drive(stream, ConnectionLost(1006, "gone"))


def introduced(stream: Stream, *, now: float = 1.0) -> list[Output]:
    """What a lost stream's next session is told before recognition starts."""
    assert drive(stream, DeadlinePassed(), now=now) == [OpenConnection()]
    return drive(stream, ConnectionOpened(), now=now)


# -- the changes by their place --------------------------------------------------------------------


def test_changes_before_a_message_are_put_together_the_later_over_the_earlier() -> None:
    overrides = Overrides({2: {"a": 1, "b": 1}, 9: {"b": 3}})
    overrides.add(5, {"b": 2})
    assert [overrides.before(seq) for seq in (2, 3, 6, 10)] == [
        {},
        {"a": 1, "b": 1},
        {"a": 1, "b": 2},
        {"a": 1, "b": 3},
    ]


def test_settled_changes_become_one_and_say_the_same_from_there_on() -> None:
    overrides = Overrides({2: {"a": 1, "b": 1}, 5: {"b": 2}, 9: {"b": 3}})
    assert overrides.settled_before(7) == {6: {"a": 1, "b": 2}, 9: {"b": 3}}
    assert [overrides.before(seq) for seq in (7, 9, 10)] == [
        {"a": 1, "b": 2},
        {"a": 1, "b": 2},
        {"a": 1, "b": 3},
    ]


def test_nothing_is_settled_where_nothing_was_changed() -> None:
    assert Overrides({}).settled_before(7) == {}
    assert Overrides({8: {"a": 1}}).settled_before(7) == {8: {"a": 1}}


# -- order -----------------------------------------------------------------------------------------


def test_command_is_sent_at_its_place_in_the_audio() -> None:
    stream = started_stream()
    outputs = drive(stream, chunk(1), wish(2, SLOW), chunk(3), wish(4, ForceUtterance()), end(5))
    assert outputs == [
        SendAudio(audio(1)),
        SaveMemo(Memo(overrides={2: {"max_delay": 4.0}})),
        SendCommand(SLOW),
        SendAudio(audio(3)),
        SendCommand(ForceUtterance()),
        EndAudio(2),
    ]


def test_command_that_comes_early_waits_for_the_audio_before_it() -> None:
    stream = started_stream()
    assert drive(stream, wish(2, ForceUtterance(), tag=1)) == []
    assert drive(stream, chunk(1, tag=2)) == [SendAudio(audio(1)), SendCommand(ForceUtterance())]


def test_command_waits_with_the_audio_before_it_for_room_in_the_window() -> None:
    stream = started_stream(window_chunks=1)
    assert drive(stream, chunk(1), chunk(2), wish(3, TellSpeakers())) == [SendAudio(audio(1))]
    assert drive(stream, added(1)) == [SendAudio(audio(2))]
    assert drive(stream, added(2)) == [SendCommand(TellSpeakers())]


def test_command_behind_a_gap_takes_effect_behind_its_silence() -> None:
    stream = started_stream(gap_timeout=2.0)
    drive(stream, chunk(1), wish(3, ForceUtterance()))
    outputs = drive(stream, DeadlinePassed(), now=2.0)
    assert published(outputs) == [events.AudioGap("s", 0.1, 0.2, 2, 2)]
    assert outputs[1:] == [SendAudio(b"\xff" * CHUNK), SendCommand(ForceUtterance())]


def test_gap_before_a_command_has_no_length_while_no_chunk_was_seen() -> None:
    stream = started_stream(gap_timeout=2.0)
    drive(stream, wish(2, ForceUtterance()))
    outputs = drive(stream, DeadlinePassed(), now=2.0)
    assert published(outputs) == [events.AudioGap("s", 0.0, 0.0, 1, 1)]
    assert outputs[1:] == [SendCommand(ForceUtterance())]


def test_repeated_command_takes_effect_once() -> None:
    stream = started_stream()
    drive(stream, wish(1, ForceUtterance()))
    assert drive(stream, wish(1, ForceUtterance(), tag=2)) == []
    assert (stream._placement.timeline.chunks, stream.snapshot().duplicates) == (0, 1)


def test_command_that_comes_when_its_gap_was_declared_is_dropped_with_a_warning() -> None:
    stream = started_stream(gap_timeout=2.0)
    drive(stream, chunk(1), chunk(3, tag=2))
    drive(stream, DeadlinePassed(), now=2.0)
    late = "message 2 came after its gap was declared"
    assert published(drive(stream, wish(2, SLOW, tag=3))) == [
        events.StreamWarning("s", "late_chunk", late)
    ]


def test_command_is_acknowledged_when_audio_behind_it_is_covered() -> None:
    stream = started_stream()
    drive(stream, chunk(1), wish(2, ForceUtterance()), chunk(3))
    assert drive(stream, final(0.1), Published(2))[1:] == [Acknowledge(1)]
    assert drive(stream, final(0.2, 0.1), Published(3))[1:] == [Acknowledge(3)]


# -- the configuration of sessions -----------------------------------------------------------------


def test_change_that_was_not_covered_is_heard_again_at_its_place() -> None:
    stream = started_stream()
    drive(stream, chunk(1), wish(2, SLOW), chunk(3), final(0.1), Published(2))
    lose(stream)
    assert introduced(stream) == [INTRODUCTION]
    assert drive(stream, RecognitionStarted("u2"), now=1.0)[1:] == [
        SendCommand(SLOW),
        SendAudio(audio(3)),
    ]


def test_change_that_was_covered_is_what_the_next_session_begins_with() -> None:
    stream = started_stream()
    drive(stream, chunk(1), wish(2, SLOW), chunk(3), wish(4, PLAIN), chunk(5))
    drive(stream, final(0.2), Published(2))
    lose(stream)
    assert introduced(stream) == [with_changes(max_delay=4.0)]
    assert drive(stream, RecognitionStarted("u2"), now=1.0)[1:] == [
        SendCommand(PLAIN),
        SendAudio(audio(5)),
    ]


def test_change_whose_cover_is_not_confirmed_is_heard_again() -> None:
    stream = started_stream()
    drive(stream, wish(1, SLOW), chunk(2), chunk(3), final(0.2))
    drive(stream, wish(4, PLAIN))  # which writes the memo
    lose(stream)
    assert introduced(stream) == [INTRODUCTION]
    assert drive(stream, RecognitionStarted("u2"), now=1.0)[1:] == [
        SendCommand(SLOW),
        SendAudio(audio(2)),
        SendAudio(audio(3)),
        SendCommand(PLAIN),
    ]


def test_changes_of_which_the_first_is_confirmed_and_the_second_is_not_keep_their_places() -> None:
    stream = started_stream()
    drive(stream, wish(1, SLOW), chunk(2), chunk(3), final(0.1), Published(2))
    drive(stream, wish(4, FAST), chunk(5), final(0.3, 0.1))
    assert drive(stream, wish(6, PLAIN)) == [
        SaveMemo(Memo(overrides={2: {**SLOW.config}, 4: {**FAST.config}, 6: {**PLAIN.config}})),
        SendCommand(PLAIN),
    ]
    lose(stream)
    assert introduced(stream) == [with_changes(max_delay=4.0)]


def test_change_that_is_confirmed_as_covered_between_introduction_and_start_is_sent() -> None:
    stream = started_stream()
    drive(stream, wish(1, SLOW), chunk(2), chunk(3), final(0.1))
    lose(stream)
    assert introduced(stream) == [INTRODUCTION]
    assert drive(stream, Published(2), now=1.0) == [Acknowledge(2)]
    assert drive(stream, RecognitionStarted("u2"), now=1.0) == [
        Publish(events.StreamResumed("s", "u2", 0.1, "upstream_lost"), 4),
        SendCommand(SLOW),
        SendAudio(audio(3)),
    ]


def test_session_that_stood_by_is_told_of_what_was_covered_meanwhile() -> None:
    stream = started_stream(rollover_after=50.0)
    drive(stream, chunk(1), added(1))
    assert drive(stream, DeadlinePassed(), now=50.0) == [OpenStandby(0, SPEC.transcription_config)]
    drive(stream, wish(2, SLOW), chunk(3), added(2), final(0.2), Published(2), now=50.0)
    drive(stream, StandbyReady(RecognitionStarted("u2")), now=51.0)
    outputs = drive(stream, UtteranceEnded(Metadata(0.2, 0.2)), now=52.0)
    assert outputs[1:] == [
        SwitchToStandby(),
        Publish(events.StreamResumed("s", "u2", 0.2, "rollover"), 4),
        SendCommand(SLOW),
    ]


def test_successor_begins_with_the_changes_of_the_memo_that_lie_before_its_audio() -> None:
    memo = Memo(overrides={2: {"max_delay": 4.0}, 6: {"max_delay": 0.7}})
    left = Checkpoint(next_seq=4, position=2 * CHUNK, watermark=0.2)
    stream = new_stream(checkpoint=left, memo=memo)
    stream.open(0.0)
    assert drive(stream, ConnectionOpened()) == [with_changes(max_delay=4.0)]
    outputs = drive(stream, RecognitionStarted("u2"), chunk(4), chunk(5), wish(6, FAST), chunk(7))
    assert outputs[1:] == [
        SendAudio(audio(4)),
        SendAudio(audio(5)),
        SaveMemo(Memo(overrides={3: {"max_delay": 4.0}, 6: {"max_delay": 0.7}})),
        SendCommand(FAST),
        SendAudio(audio(7)),
    ]


def test_memo_is_written_before_the_final_that_covers_the_change() -> None:
    stream = started_stream()
    outputs = drive(stream, chunk(1), wish(2, SLOW), chunk(3), final(0.2))
    left = Checkpoint(next_seq=4, position=2 * CHUNK, watermark=0.2, totals=Totals(2, 0, 1))
    kinds = [type(one) for one in outputs]
    assert kinds == [SendAudio, SaveMemo, SendCommand, SendAudio, Publish]
    last = outputs[-1]
    assert isinstance(last, Publish)
    assert last.checkpoint == left


@pytest.mark.parametrize("language", ["en", None])
def test_change_may_name_the_language_that_it_is(language: str | None) -> None:
    stream = started_stream()
    change = ChangeConfig({"language": language, "max_delay": 4.0})
    assert drive(stream, wish(1, change))[1:] == [SendCommand(change)]


def test_change_of_language_is_refused_and_the_stream_goes_on() -> None:
    stream = started_stream()
    reason = "the language is 'en' and cannot become 'de'"
    outputs = drive(stream, chunk(1), wish(2, ChangeConfig({"language": "de"})), chunk(3))
    assert outputs == [
        SendAudio(audio(1)),
        DeadLetter(2, "language_change", reason),
        Publish(events.StreamWarning("s", "language_change", reason), 2),
        SaveCheckpoint(3, Checkpoint(gaps=(Gap(2, 2, CHUNK, CHUNK, holds_audio=False),))),
        SendAudio(audio(3)),
    ]
    drive(stream, DeadLettered(2), final(0.2))
    assert drive(stream, Published(4)) == [Acknowledge(3)]


def test_successor_does_not_wait_for_a_command_that_was_refused() -> None:
    first = started_stream()
    drive(first, chunk(1), final(0.1), Published(2))
    [*_, saved] = drive(first, wish(2, ChangeConfig({"language": "de"})))
    assert isinstance(saved, SaveCheckpoint)
    second = started_stream(checkpoint=saved.checkpoint)
    assert drive(second, chunk(3, tag=1)) == [SendAudio(audio(3))]


# -- the end of an utterance -----------------------------------------------------------------------


def test_time_of_a_forced_end_is_moved_to_the_clock_of_its_session() -> None:
    stream = started_stream()
    drive(stream, chunk(1), chunk(2), chunk(3), wish(4, ForceUtterance(0.25)))
    drive(stream, final(0.1), Published(2))
    lose(stream)
    outputs = resume(stream, "u2", now=1.0)
    assert outputs[1:] == [
        SendAudio(audio(2)),
        SendAudio(audio(3)),
        SendCommand(ForceUtterance(0.15)),
    ]


def test_time_that_lies_before_a_session_is_its_beginning() -> None:
    stream = started_stream()
    drive(stream, chunk(1), chunk(2), wish(3, ForceUtterance(0.05)), final(0.1), Published(2))
    lose(stream)
    outputs = resume(stream, "u2", now=1.0)
    assert outputs[1:] == [SendAudio(audio(2)), SendCommand(ForceUtterance(0.0))]


def test_what_was_forced_says_so() -> None:
    stream = started_stream()
    drive(stream, chunk(1))
    forced = UtteranceEnded(Metadata(0.1, 0.1), forced=True)
    outputs = drive(stream, msgspec.structs.replace(final(0.1), forced=True), forced)
    assert [(type(one), one.forced) for one in published(outputs)] == [  # type: ignore[union-attr]
        (events.FinalTranscript, True),
        (events.EndOfUtterance, True),
    ]


# -- speakers --------------------------------------------------------------------------------------

ANN = SpeakersReceived([Speaker("S1", ["a"])])
BOB = SpeakersReceived([Speaker("S1", ["a"]), Speaker("S2", ["b"])])
ANN_ALONE = events.SpeakersResult("s", [{"label": "S1", "speaker_identifiers": ["a"]}])
BOTH = events.SpeakersResult(
    "s",
    [
        {"label": "S1", "speaker_identifiers": ["a"]},
        {"label": "S2", "speaker_identifiers": ["b"]},
    ],
)


def test_answers_come_in_the_order_of_the_questions_and_only_the_publisher_s_are_told() -> None:
    stream = started_stream(spec=VOICES, speakers_every=30.0)
    drive(stream, chunk(1), final(0.1), added(1))
    assert drive(stream, DeadlinePassed(), now=30.0) == [SendCommand(TellSpeakers())]
    assert drive(stream, wish(2, TellSpeakers()), now=30.0) == [SendCommand(TellSpeakers())]
    assert published(drive(stream, ANN, now=30.0)) == []
    assert published(drive(stream, BOB, now=30.0)) == [BOTH]


def test_speakers_at_the_end_are_told_once_right_before_the_stream_s_last_word() -> None:
    stream = started_stream(spec=VOICES)
    asked = TellSpeakers(final=True)
    assert drive(stream, chunk(1), wish(2, asked), wish(3, asked))[1:] == [
        SaveMemo(Memo(tells_speakers_from=2)),
        SendCommand(asked),
        SendCommand(asked),
    ]
    drive(stream, final(0.1), added(1), end(4))
    assert published(drive(stream, BOB)) == []
    told, last = published(drive(stream, TranscriptEnded()))
    assert (told, type(last)) == (BOTH, events.StreamEnded)


def test_speakers_at_the_end_of_a_session_that_nobody_asked_for_are_not_told() -> None:
    stream = started_stream(spec=VOICES)
    drive(stream, chunk(1), final(0.1), added(1), end(2), BOB)
    [last] = published(drive(stream, TranscriptEnded()))
    assert isinstance(last, events.StreamEnded)


def test_next_session_is_asked_again_for_its_speakers_at_the_end() -> None:
    stream = started_stream()
    asked = TellSpeakers(final=True)
    drive(stream, wish(1, asked), chunk(2), chunk(3), final(0.1), Published(2))
    lose(stream)
    assert resume(stream, "u2", now=1.0)[1:] == [SendCommand(asked), SendAudio(audio(3))]


def test_successor_asks_again_for_the_speakers_at_the_end() -> None:
    left = Checkpoint(next_seq=4, position=2 * CHUNK, watermark=0.2)
    stream = new_stream(checkpoint=left, memo=Memo(tells_speakers_from=2))
    stream.open(0.0)
    drive(stream, ConnectionOpened())
    outputs = drive(stream, RecognitionStarted("u2"))
    assert outputs[1:] == [SendCommand(TellSpeakers(final=True))]


def test_stream_that_ends_without_a_session_tells_what_the_last_one_told() -> None:
    stream = started_stream(spec=replace(VOICES, idle_timeout=300.0), suspend_after=20.0)
    drive(stream, chunk(1), wish(2, TellSpeakers(final=True)), added(1), final(0.1), Published(2))
    drive(stream, DeadlinePassed(), now=20.0)
    assert published(drive(stream, ANN, now=20.0)) == []
    drive(stream, TranscriptEnded(), Published(4), now=20.0)
    told, last = published(drive(stream, end(3), now=21.0))
    assert (told, type(last)) == (ANN_ALONE, events.StreamEnded)


def test_command_that_a_session_obeyed_before_it_was_suspended_is_not_repeated() -> None:
    stream = started_stream(suspend_after=20.0)
    drive(stream, chunk(1), wish(2, TellSpeakers()), added(1), final(0.1))
    drive(stream, DeadlinePassed(), now=20.0)
    outputs = drive(stream, TranscriptEnded(), *map(Published, range(2, 6)), now=20.0)
    assert [one for one in outputs if isinstance(one, Acknowledge)][-1:] == [Acknowledge(2)]
    drive(stream, chunk(3), now=21.0)
    drive(stream, ConnectionOpened(), now=21.0)
    outputs = drive(stream, RecognitionStarted("u2"), now=21.0)
    assert outputs[1:] == [SendAudio(audio(3))]
