"""A session is succeeded by one that was opened beside it, and nobody notices."""

from __future__ import annotations

import pytest
from tests.support.streams import (
    CHUNK,
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
    sent,
    started_stream,
    word,
    words,
)

from speechmq.core.record.speakers import Voices, introduce
from speechmq.core.states import State
from speechmq.core.stream import Stream
from speechmq.core.values import events
from speechmq.core.values.checkpoint import Checkpoint, Totals
from speechmq.core.values.inputs import (
    ConnectionFailed,
    ConnectionLost,
    ConnectionOpened,
    DeadlinePassed,
    DrainRequested,
    Input,
    Published,
    StandbyLost,
    StandbyReady,
)
from speechmq.core.values.memo import Memo
from speechmq.core.values.outputs import (
    Acknowledge,
    CloseConnection,
    CloseStandby,
    EndAudio,
    Finish,
    OpenConnection,
    OpenStandby,
    Outcome,
    Output,
    Publish,
    SendAudio,
    SwitchToStandby,
)
from speechmq.speechmatics.messages import (
    ErrorReceived,
    FinalReceived,
    Metadata,
    RecognitionStarted,
    Speaker,
    SpeakersReceived,
    TranscriptEnded,
    UtteranceEnded,
    WarningReceived,
)

RUNS_OUT = WarningReceived("session_timeout", "the session ends in 30 minutes")
READY = StandbyReady(RecognitionStarted("u2"))
OPEN_STANDBY = OpenStandby(0, SPEC.transcription_config)
PAUSE = UtteranceEnded(Metadata(0.0, 0.0))


def warned_stream(**how: object) -> Stream:
    """A stream whose session runs out, and whose next one was asked for."""
    stream = started_stream(**how)
    drive(stream, RUNS_OUT)
    return stream


def prepared_stream(**how: object) -> Stream:
    """A stream whose next session is ready, before any audio."""
    stream = warned_stream(**how)
    drive(stream, READY)
    return stream


def resumed(seq: int, origin: float, reason: str = "rollover") -> Publish:
    return Publish(events.StreamResumed("s", "u2", origin, reason), seq)


# -- preparing -------------------------------------------------------------------------------------


def test_next_session_is_opened_when_upstream_says_that_time_runs_out() -> None:
    stream = started_stream()
    warning = events.StreamWarning("s", RUNS_OUT.type, RUNS_OUT.reason)
    assert drive(stream, RUNS_OUT) == [Publish(warning, 2), OPEN_STANDBY]


def test_next_session_is_opened_in_time_when_upstream_says_nothing() -> None:
    stream = started_stream(rollover_after=100.0)
    assert stream.deadline == 100.0
    assert drive(stream, DeadlinePassed(), now=100.0) == [OPEN_STANDBY]


@pytest.mark.parametrize("ready", [[], [READY]])
def test_only_one_session_is_opened_however_often_upstream_warns(ready: list[Input]) -> None:
    stream = warned_stream(rollover_after=100.0)
    drive(stream, *ready)
    warning = events.StreamWarning("s", RUNS_OUT.type, RUNS_OUT.reason)
    assert drive(stream, RUNS_OUT) == [Publish(warning, 3)]
    assert stream.deadline == 30.0


def test_other_warnings_open_nothing() -> None:
    stream = started_stream()
    warning = events.StreamWarning("s", "duration_limit_exceeded", "soon")
    assert drive(stream, WarningReceived(warning.code, warning.reason)) == [Publish(warning, 2)]


def test_warning_of_a_session_that_ends_anyway_opens_nothing() -> None:
    stream = started_stream()
    drive(stream, end(1))
    warning = events.StreamWarning("s", RUNS_OUT.type, RUNS_OUT.reason)
    assert drive(stream, RUNS_OUT) == [Publish(warning, 2)]


def displaced_stream() -> Stream:
    """A stream that could not begin in the first of its two regions."""
    stream = new_stream(regions=2)
    stream.open(0.0)
    drive(stream, ConnectionFailed("no route"))
    resume(stream, "u1", now=0.0)
    return stream


def test_next_session_is_opened_in_the_first_region_which_may_be_well_again() -> None:
    stream = displaced_stream()
    assert drive(stream, RUNS_OUT)[-1] == OpenStandby(0, SPEC.transcription_config)
    drive(stream, READY)
    switched = drive(stream, PAUSE)
    assert SwitchToStandby() in switched
    drive(stream, ConnectionLost(1006, "gone"), now=5.0)
    assert drive(stream, DeadlinePassed(), now=6.0)[-1] == OpenConnection(0)


def test_next_session_is_opened_where_the_present_one_lives_when_the_first_region_failed() -> None:
    stream = displaced_stream()
    drive(stream, RUNS_OUT, StandbyLost("no route"))
    assert drive(stream, DeadlinePassed(), now=30.0) == [OpenStandby(1, SPEC.transcription_config)]
    drive(stream, StandbyLost("no route"), now=31.0)
    assert drive(stream, DeadlinePassed(), now=61.0) == [OpenStandby(0, SPEC.transcription_config)]


def test_next_session_is_told_of_the_voices_and_knows_them() -> None:
    stream = started_stream(spec=VOICES)
    heard = FinalReceived(Metadata(0.0, 0.1, "hi "), words(("hi", 0.0, 0.1, "S1")))
    drive(stream, chunk(1), heard, SpeakersReceived([Speaker("S1", ["a"])]))
    config = introduce(VOICES.transcription_config, Voices({"S1": ("a",)}))
    assert drive(stream, RUNS_OUT)[-1] == OpenStandby(0, config)
    drive(stream, READY, PAUSE, chunk(2), chunk(3))
    both = words(("ho", 0.1, 0.2, "S1"), ("hey", 0.2, 0.3, "stream-S1"))
    [event] = published(drive(stream, FinalReceived(Metadata(0.1, 0.3, "ho hey "), both)))
    assert isinstance(event, events.FinalTranscript)
    assert event.results == [word("ho", 0.1, 0.2, "S2"), word("hey", 0.2, 0.3, "S1")]


# -- switching -------------------------------------------------------------------------------------


def test_nothing_happens_until_a_pause_once_the_next_session_is_ready() -> None:
    stream = warned_stream()
    assert drive(stream, READY, chunk(1)) == [SendAudio(audio(1))]
    assert drive(stream, added(1)) == []
    said = FinalReceived(Metadata(0.0, 0.1, "hi "), words(("hi", 0.0, 0.1)))
    assert [type(one) for one in drive(stream, said)] == [Publish]
    assert stream.deadline == 30.0


def test_switch_is_made_at_the_end_of_an_utterance() -> None:
    stream = prepared_stream()
    over = events.EndOfUtterance("s", 0.1, 0.1)
    assert drive(stream, chunk(1), UtteranceEnded(Metadata(0.1, 0.1))) == [
        SendAudio(audio(1)),
        Publish(over, 3),
        SwitchToStandby(),
        resumed(4, 0.0),
        SendAudio(audio(1)),
    ]


def test_switch_is_made_at_a_final_that_says_nothing() -> None:
    stream = prepared_stream()
    silence = events.FinalTranscript("s", 1, 0.0, 0.1, "", words())
    left = Checkpoint(next_seq=2, position=CHUNK, watermark=0.1, totals=Totals(1, 0, 1))
    assert drive(stream, chunk(1), final(0.1)) == [
        SendAudio(audio(1)),
        Publish(silence, 3, checkpoint=left),
        SwitchToStandby(),
        resumed(4, 0.0),
        SendAudio(audio(1)),
    ]


def test_switch_is_made_in_mid_sentence_when_nobody_makes_a_pause() -> None:
    stream = warned_stream(rollover_wait=30.0)
    drive(stream, READY, now=5.0)
    drive(stream, chunk(1), added(1), now=34.0)
    assert stream.deadline == 35.0
    assert drive(stream, DeadlinePassed(), now=35.0) == [
        SwitchToStandby(),
        resumed(3, 0.0),
        SendAudio(audio(1)),
    ]


def test_switch_begins_at_the_first_audio_that_nothing_covers_and_repeats_no_word() -> None:
    stream = prepared_stream(resume_context=0.1)
    drive(stream, chunk(1), chunk(2), chunk(3))
    said = FinalReceived(Metadata(0.0, 0.2, "one two "), words(("one", 0, 0.1), ("two", 0.1, 0.2)))
    drive(stream, said, Published(3))
    outputs = drive(stream, UtteranceEnded(Metadata(0.2, 0.2)))
    assert outputs[1:] == [
        SwitchToStandby(),
        resumed(5, 0.1),
        SendAudio(audio(2)),
        SendAudio(audio(3)),
    ]
    again = words(("two", 0.0, 0.1), ("three", 0.1, 0.2))
    heard = events.FinalTranscript("s", 2, 0.2, 0.3, "three ", [word("three", 0.2, 0.3)])
    left = Checkpoint(next_seq=3, position=2 * CHUNK, watermark=0.3, totals=Totals(2, 0, 2))
    assert drive(stream, final(0.1), FinalReceived(Metadata(0.0, 0.2, "two three "), again)) == [
        Publish(heard, 6, checkpoint=left)
    ]
    assert drive(stream, Published(6)) == [Acknowledge(2)]


def test_next_session_has_a_window_of_its_own() -> None:
    """Nothing is under way to it, whatever was under way to the one before."""
    stream = prepared_stream(window=0.2)
    drive(stream, chunk(1), chunk(2), chunk(3))
    assert sent(drive(stream, PAUSE)) == [audio(1), audio(2)]
    assert drive(stream, added(1)) == [SendAudio(audio(3))]
    assert drive(stream, chunk(4)) == []
    assert drive(stream, added(2)) == [SendAudio(audio(4))]


def test_end_counts_the_chunks_of_the_session_that_is_ended() -> None:
    stream = prepared_stream(window_chunks=2)
    drive(stream, chunk(1), chunk(2), final(0.1, text="a"), Published(3), PAUSE)
    assert drive(stream, added(1), end(3)) == [EndAudio(1)]


def test_stream_whose_end_waits_for_the_window_is_ended_in_the_next_session() -> None:
    stream = prepared_stream(window_chunks=1)
    drive(stream, chunk(1), chunk(2), end(3), final(0.1, text="a"), Published(3))
    assert drive(stream, UtteranceEnded(Metadata(0.1, 0.1))) == [
        Publish(events.EndOfUtterance("s", 0.1, 0.1), 4),
        SwitchToStandby(),
        resumed(5, 0.1),
        SendAudio(audio(2)),
        EndAudio(1),
    ]


def test_deadlines_of_the_next_session_are_its_own() -> None:
    stream = prepared_stream(answer_timeout=10.0, rollover_after=100.0, idle_timeout=999.0)
    drive(stream, chunk(1), now=1.0)
    assert stream.deadline == 11.0
    drive(stream, PAUSE, now=9.0)
    assert stream.deadline == 19.0
    drive(stream, added(1), now=10.0)
    assert stream.deadline == 109.0


def test_sessions_follow_each_other_without_end() -> None:
    stream = started_stream(rollover_after=100.0, idle_timeout=999.0)
    for count in range(1, 5):
        now = 100.0 * count
        assert drive(stream, DeadlinePassed(), now=now) == [OPEN_STANDBY]
        assert drive(stream, READY, now=now) == []
        assert drive(stream, PAUSE, now=now)[1:] == [SwitchToStandby(), resumed(2 * count + 1, 0.0)]


# -- a standby that does not come about ------------------------------------------------------------


@pytest.mark.parametrize("ready", [[], [READY]])
def test_standby_that_is_lost_is_told_of_and_tried_again(ready: list[Input]) -> None:
    stream = warned_stream(rollover_wait=30.0)
    drive(stream, *ready)
    warning = events.StreamWarning("s", "rollover_failed", "no route; the session goes on for now")
    assert drive(stream, StandbyLost("no route"), now=5.0) == [Publish(warning, 3)]
    assert stream.deadline == 35.0
    assert drive(stream, DeadlinePassed(), now=35.0) == [OPEN_STANDBY]
    assert drive(stream, READY, PAUSE, now=35.0)[1:] == [SwitchToStandby(), resumed(5, 0.0)]


def test_standby_that_says_nothing_is_given_up_and_tried_again() -> None:
    stream = warned_stream(start_timeout=30.0, rollover_wait=20.0)
    assert stream.deadline == 30.0
    reason = "recognition did not start in 30.0 s; the session goes on for now"
    assert drive(stream, DeadlinePassed(), now=30.0) == [
        CloseStandby(),
        Publish(events.StreamWarning("s", "rollover_failed", reason), 3),
    ]
    assert stream.deadline == 50.0
    assert drive(stream, DeadlinePassed(), now=50.0) == [OPEN_STANDBY]


def test_standby_that_was_lost_is_not_switched_to_at_a_pause() -> None:
    stream = prepared_stream()
    drive(stream, StandbyLost("gone"))
    assert published(drive(stream, PAUSE)) == [events.EndOfUtterance("s", 0.0, 0.0)]
    assert drive(stream, DeadlinePassed(), now=29.0) == []


def test_loss_of_a_standby_that_nobody_wants_is_not_told_of() -> None:
    stream = started_stream()
    assert drive(stream, StandbyLost("gone")) == []
    assert stream.deadline == 300.0


# -- the live session is lost meanwhile ------------------------------------------------------------


def test_loss_of_a_session_whose_successor_is_ready_costs_no_pause() -> None:
    stream = prepared_stream()
    drive(stream, chunk(1))
    warning = events.StreamWarning("s", "connection_lost", "gone; the next session is ready")
    assert drive(stream, ConnectionLost(1011, "gone"), chunk(2)) == [
        Publish(warning, 3),
        SwitchToStandby(),
        resumed(4, 0.0, "upstream_lost"),
        SendAudio(audio(1)),
        SendAudio(audio(2)),
    ]


@pytest.mark.parametrize(
    "received",
    [TranscriptEnded(), RecognitionStarted("u9"), added(7)],
    ids=lambda one: type(one).__name__,
)
def test_protocol_error_of_a_session_whose_successor_is_ready_does_not_reach_the_successor(
    received: Input,
) -> None:
    stream = prepared_stream()
    outputs = drive(stream, chunk(1), received)
    assert [type(one) for one in outputs] == [
        SendAudio,
        Publish,
        SwitchToStandby,
        Publish,
        SendAudio,
    ]
    assert outputs[3] == resumed(4, 0.0, "upstream_lost")
    assert stream.state is State.STREAMING


def test_silence_of_a_session_whose_successor_is_ready_costs_no_pause() -> None:
    stream = prepared_stream(answer_timeout=10.0)
    drive(stream, chunk(1))
    assert drive(stream, DeadlinePassed(), now=10.0)[1:] == [
        SwitchToStandby(),
        resumed(4, 0.0, "upstream_lost"),
        SendAudio(audio(1)),
    ]


def test_session_that_was_lost_when_all_audio_was_there_is_ended_in_the_next() -> None:
    stream = prepared_stream(window_chunks=1)
    drive(stream, chunk(1), chunk(2), end(3), final(0.1, text="a"), Published(3))
    assert drive(stream, ConnectionLost(1006, "gone"))[1:] == [
        SwitchToStandby(),
        resumed(5, 0.1, "upstream_lost"),
        SendAudio(audio(2)),
        EndAudio(1),
    ]


def test_terminal_error_is_terminal_whoever_stands_by() -> None:
    stream = prepared_stream()
    failed = events.StreamFailed("s", "invalid_config", "no such field", retryable=False)
    assert drive(stream, ErrorReceived("invalid_config", "no such field")) == [
        CloseStandby(),
        CloseConnection(),
        Publish(failed, 3, checkpoint=Checkpoint()),
    ]


def test_losses_that_a_standby_makes_up_for_count_as_attempts() -> None:
    """Otherwise an upstream that warns and drops at once is connected to without end or pause."""
    stream = prepared_stream(retry_attempts=2)
    for _ in range(2):
        drive(stream, ConnectionLost(1006, "gone"), RUNS_OUT, READY)
        assert stream.state is State.STREAMING
    drive(stream, ConnectionLost(1006, "gone"))
    assert stream.state is State.CLOSING


def test_attempts_are_forgiven_by_a_healthy_session_that_was_rolled_over() -> None:
    stream = started_stream(retry_attempts=1, healthy_after=10.0)
    drive(stream, ConnectionLost(1006, "gone"))
    resume(stream, "u2", now=1.0)
    drive(stream, RUNS_OUT, READY, PAUSE, now=11.0)
    drive(stream, ConnectionLost(1006, "gone"), now=12.0)
    assert stream.state is State.WAITING


def test_standby_on_its_way_is_dismissed_when_the_session_is_lost() -> None:
    stream = warned_stream()
    warning = events.StreamWarning("s", "connection_lost", "gone; trying again in 0.12 s")
    assert drive(stream, ConnectionLost(1006, "gone")) == [
        CloseStandby(),
        CloseConnection(),
        Publish(warning, 3),
    ]
    assert stream.deadline == 0.125


def test_standby_that_comes_too_late_is_closed() -> None:
    stream = warned_stream()
    drive(stream, ConnectionLost(1006, "gone"))
    assert drive(stream, READY) == [CloseStandby()]
    assert drive(stream, DeadlinePassed(), now=0.125) == [OpenConnection()]
    assert drive(stream, READY, now=0.2) == [CloseStandby()]
    drive(stream, ConnectionOpened(), RecognitionStarted("u3"), now=0.3)
    assert drive(stream, READY, now=0.4) == [CloseStandby()]
    assert drive(stream, PAUSE, now=0.5) == [Publish(events.EndOfUtterance("s", 0, 0), 5)]


# -- nobody stands by at the end -------------------------------------------------------------------


@pytest.mark.parametrize("ready", [[], [READY]])
def test_standby_is_dismissed_when_the_stream_ends(ready: list[Input]) -> None:
    stream = warned_stream()
    drive(stream, chunk(1), added(1), *ready)
    assert drive(stream, end(2)) == [CloseStandby(), EndAudio(1)]
    assert stream.deadline == 30.0
    assert drive(stream, UtteranceEnded(Metadata(0.1, 0.1))) == [
        Publish(events.EndOfUtterance("s", 0.1, 0.1), 3)
    ]


@pytest.mark.parametrize("ready", [[], [READY]])
def test_standby_is_dismissed_when_the_stream_is_left_to_another_worker(
    ready: list[Input],
) -> None:
    stream = warned_stream()
    drive(stream, *ready)
    assert drive(stream, DrainRequested("stopping")) == [
        CloseStandby(),
        CloseConnection(),
        Publish(events.StreamDetached("s", "stopping"), 3, checkpoint=Checkpoint()),
    ]
    assert drive(stream, READY, StandbyLost("gone")) == [CloseStandby()]
    assert drive(stream, Published(3)) == [Finish(Outcome.DETACHED)]
    assert stream.deadline is None


@pytest.mark.parametrize("ready", [[], [READY]])
def test_standby_is_dismissed_when_the_stream_is_suspended(ready: list[Input]) -> None:
    stream = warned_stream(suspend_after=20.0)
    drive(stream, *ready)
    assert drive(stream, DeadlinePassed(), now=20.0) == [CloseStandby(), EndAudio(0)]
    assert stream.deadline == 50.0


# -- what the successor inherits -------------------------------------------------------------------


def test_checkpoint_of_a_switched_stream_is_that_of_the_stream() -> None:
    """A successor of the whole worker knows nothing of the switch."""
    stream = prepared_stream(memo=Memo())
    drive(stream, chunk(1), chunk(2), final(0.1, text="a"), Published(3), PAUSE, chunk(3))
    outputs: list[Output] = drive(stream, DrainRequested("stopping"))
    last = outputs[-1]
    assert isinstance(last, Publish)
    assert last.checkpoint == Checkpoint(
        next_seq=2, position=CHUNK, watermark=0.1, totals=Totals(1, 0, 1)
    )
