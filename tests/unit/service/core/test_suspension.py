"""A stream without audio gives its session up, and goes on with the next chunk."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.streams import (
    CHUNK,
    INTRODUCTION,
    added,
    audio,
    chunk,
    drive,
    end,
    final,
    new_stream,
    resume,
    started_stream,
    word,
    words,
)

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
    GarbageDelivered,
    Published,
    StandbyReady,
)
from speechmq.core.values.outputs import (
    Acknowledge,
    CloseConnection,
    CloseStandby,
    DeadLetter,
    EndAudio,
    Finish,
    OpenConnection,
    Outcome,
    Publish,
    SaveCheckpoint,
    SendAudio,
)
from speechmq.speechmatics.messages import (
    FinalReceived,
    Metadata,
    RecognitionStarted,
    TranscriptEnded,
)

SUSPENDED = events.StreamInfo(
    "s", "suspended", "no audio came for 20.0 s; the next goes on from here"
)


def silent_stream(**how: Any) -> Stream:
    """A stream that has heard two chunks, one of them covered, and is about to be suspended."""
    stream = started_stream(suspend_after=20.0, **{"idle_timeout": 300.0, **how})
    drive(stream, chunk(1), chunk(2), added(2), final(0.1), Published(2))
    drive(stream, DeadlinePassed(), now=20.0)
    assert stream.state is State.ENDING
    return stream


def suspended_stream(**how: Any) -> Stream:
    """A stream whose session was ended, and whose broker has everything."""
    stream = silent_stream(**how)
    drive(stream, TranscriptEnded(), Published(4), now=21.0)
    assert stream.state is State.SUSPENDED
    return stream


def test_session_without_audio_is_ended_covers_all_and_is_given_up() -> None:
    stream = started_stream(suspend_after=20.0)
    drive(stream, chunk(1), chunk(2), added(2), now=1.0)
    assert stream.deadline == 21.0
    assert drive(stream, DeadlinePassed(), now=21.0) == [EndAudio(2)]
    covered = Checkpoint(next_seq=2, position=CHUNK, watermark=0.1, totals=Totals(1, 0, 1))
    last = events.FinalTranscript("s", 1, 0.0, 0.1, "", words())
    assert drive(stream, final(0.1), now=21.5) == [Publish(last, 2, checkpoint=covered)]
    over = Checkpoint(next_seq=3, position=2 * CHUNK, watermark=0.2, totals=Totals(2, 0, 1))
    assert drive(stream, TranscriptEnded(), now=22.0) == [
        CloseConnection(),
        SaveCheckpoint(3, over),
        Publish(SUSPENDED, 4),
    ]
    assert drive(stream, Published(2), now=22.0) == [Acknowledge(1)]
    assert drive(stream, Published(3), now=22.0) == [Acknowledge(2)]
    assert stream.state is State.SUSPENDED
    assert stream.deadline == 301.0


def test_stream_that_wakes_begins_in_the_first_region_again() -> None:
    stream = new_stream(regions=2, suspend_after=20.0)
    assert stream.open(0.0) == [OpenConnection(0)]
    drive(stream, ConnectionFailed("no route"))
    resume(stream, "u1", now=0.0)
    drive(stream, DeadlinePassed(), now=20.0)
    drive(stream, TranscriptEnded(), Published(3), now=21.0)
    assert stream.state is State.SUSPENDED
    assert drive(stream, chunk(1), now=22.0) == [OpenConnection(0)]
    drive(stream, ConnectionFailed("no route"), now=22.0)
    assert drive(stream, DeadlinePassed(), now=22.0) == [OpenConnection(1)]


def test_session_that_heard_nothing_is_suspended_too() -> None:
    stream = started_stream(suspend_after=20.0)
    assert drive(stream, DeadlinePassed(), now=20.0) == [EndAudio(0)]
    assert drive(stream, TranscriptEnded(), now=20.0) == [
        CloseConnection(),
        SaveCheckpoint(2, Checkpoint()),
        Publish(SUSPENDED, 3),
    ]


def test_audio_that_a_lost_session_would_want_as_a_run_up_is_acknowledged_too() -> None:
    """The recogniser has said all that it had to say: the next one begins behind it."""
    stream = started_stream(suspend_after=20.0, resume_context=0.5)
    drive(stream, chunk(1), chunk(2), added(2), final(0.2))
    assert drive(stream, Published(2)) == []
    drive(stream, DeadlinePassed(), now=20.0)
    over = Checkpoint(next_seq=3, position=2 * CHUNK, watermark=0.2, totals=Totals(2, 0, 1))
    assert drive(stream, TranscriptEnded(), Published(3), now=20.0) == [
        CloseConnection(),
        SaveCheckpoint(3, over),
        Publish(SUSPENDED, 4),
        Acknowledge(2),
    ]


def test_stream_is_never_suspended_where_it_was_not_asked_for() -> None:
    stream = started_stream(suspend_after=None, idle_timeout=300.0)
    assert stream.deadline == 300.0


def test_every_delivery_puts_the_suspension_off() -> None:
    stream = started_stream(suspend_after=20.0)
    drive(stream, chunk(1), added(1), now=5.0)
    assert stream.deadline == 25.0
    drive(stream, chunk(1, tag=2), now=15.0)
    assert stream.deadline == 35.0


@pytest.mark.parametrize("deliveries", [[chunk(1), chunk(2)], [chunk(2, tag=1)]])
def test_stream_whose_audio_waits_is_not_suspended(deliveries: list[Any]) -> None:
    """For the window, or for what is missing before it."""
    stream = started_stream(
        suspend_after=20.0, window_chunks=1, gap_timeout=99.0, answer_timeout=99.0
    )
    drive(stream, *deliveries)
    assert drive(stream, DeadlinePassed(), now=20.0) == []
    assert stream.state is State.STREAMING
    assert stream.deadline == 40.0


# -- going on --------------------------------------------------------------------------------------


def test_next_chunk_wakes_the_stream_which_goes_on_behind_what_was_heard() -> None:
    stream = suspended_stream()
    assert drive(stream, chunk(3), now=60.0) == [OpenConnection()]
    assert drive(stream, ConnectionOpened(), now=60.1) == [INTRODUCTION]
    assert drive(stream, RecognitionStarted("u2"), now=60.2) == [
        Publish(events.StreamResumed("s", "u2", 0.2, "suspended"), 5),
        SendAudio(audio(3)),
    ]
    assert stream.deadline == 70.2
    drive(stream, added(1), now=60.3)
    assert stream.deadline == 80.2
    heard = FinalReceived(Metadata(0.0, 0.1, "hi "), words(("hi", 0.0, 0.1)))
    hi = events.FinalTranscript("s", 2, 0.2, 0.3, "hi ", [word("hi", 0.2, 0.3)])
    over = Checkpoint(next_seq=4, position=3 * CHUNK, watermark=0.3, totals=Totals(3, 0, 2))
    assert drive(stream, heard, now=61.0) == [Publish(hi, 6, checkpoint=over)]


def test_chunk_that_comes_while_the_session_ends_opens_the_next_one_behind_it() -> None:
    stream = silent_stream()
    assert drive(stream, chunk(3), now=20.5) == []
    left = Checkpoint(next_seq=3, position=2 * CHUNK, watermark=0.2, totals=Totals(2, 0, 1))
    assert drive(stream, TranscriptEnded(), now=21.0) == [
        CloseConnection(),
        SaveCheckpoint(3, left),
        Publish(SUSPENDED, 4),
        OpenConnection(),
    ]
    assert drive(stream, Published(3), ConnectionOpened(), now=21.1) == [
        Acknowledge(2),
        INTRODUCTION,
    ]
    assert drive(stream, RecognitionStarted("u2"), now=21.2) == [
        Publish(events.StreamResumed("s", "u2", 0.2, "suspended"), 5),
        SendAudio(audio(3)),
    ]


def test_stream_that_wakes_before_the_broker_has_its_checkpoint_repeats_no_word() -> None:
    """What is not confirmed is heard once more: the session begins before the watermark."""
    stream = silent_stream()
    drive(stream, TranscriptEnded(), chunk(3), ConnectionOpened(), now=21.0)
    assert drive(stream, RecognitionStarted("u2"), now=21.0) == [
        Publish(events.StreamResumed("s", "u2", 0.1, "suspended"), 5),
        SendAudio(audio(2)),
        SendAudio(audio(3)),
    ]
    both = words(("old", 0.0, 0.1), ("new", 0.1, 0.2))
    heard = FinalReceived(Metadata(0.0, 0.2, "old new "), both)
    over = Checkpoint(next_seq=4, position=3 * CHUNK, watermark=0.3, totals=Totals(3, 0, 2))
    new = events.FinalTranscript("s", 2, 0.2, 0.3, "new ", [word("new", 0.2, 0.3)])
    assert drive(stream, heard, now=21.5) == [Publish(new, 6, checkpoint=over)]
    assert drive(stream, Published(6), now=21.6) == [Acknowledge(3)]


def test_stream_is_suspended_again_and_again() -> None:
    stream = suspended_stream()
    drive(stream, chunk(3), ConnectionOpened(), RecognitionStarted("u2"), added(1), now=60.0)
    assert drive(stream, DeadlinePassed(), now=80.0) == [EndAudio(1)]
    over = Checkpoint(next_seq=4, position=3 * CHUNK, watermark=0.3, totals=Totals(3, 0, 1))
    assert drive(stream, TranscriptEnded(), Published(6), now=80.0) == [
        CloseConnection(),
        SaveCheckpoint(6, over),
        Publish(SUSPENDED, 7),
        Acknowledge(3),
    ]


def test_chunk_behind_a_hole_wakes_the_stream_when_the_hole_is_given_up() -> None:
    stream = suspended_stream(gap_timeout=2.0)
    assert drive(stream, chunk(4, tag=3), now=60.0) == []
    gap = events.AudioGap("s", 0.2, 0.3, 3, 3)
    outputs = drive(stream, DeadlinePassed(), now=62.0)
    assert [one.event for one in outputs if isinstance(one, Publish)] == [gap]
    assert outputs[1:] == [OpenConnection()]


def test_garbage_wakes_nobody() -> None:
    stream = suspended_stream()
    assert drive(stream, GarbageDelivered(3, "bad_json", "no JSON"), now=60.0) == [
        DeadLetter(3, "bad_json", "no JSON"),
        Publish(events.StreamWarning("s", "bad_json", "no JSON"), 5),
    ]
    assert stream.state is State.SUSPENDED


def test_stream_that_cannot_connect_when_it_wakes_tries_again() -> None:
    stream = suspended_stream()
    drive(stream, chunk(3), ConnectionFailed("no route"), now=60.0)
    assert stream.state is State.WAITING
    assert resume(stream, "u2", now=60.125) == [
        Publish(events.StreamResumed("s", "u2", 0.2, "suspended"), 6),
        SendAudio(audio(3)),
    ]


def test_attempts_are_forgiven_by_a_healthy_session_that_was_suspended() -> None:
    stream = started_stream(suspend_after=20.0, retry_attempts=1, healthy_after=10.0)
    drive(stream, ConnectionLost(1006, "gone"))
    resume(stream, "u2", now=1.0)
    drive(stream, DeadlinePassed(), TranscriptEnded(), now=21.0)
    drive(stream, chunk(1), ConnectionFailed("no route"), now=30.0)
    assert stream.state is State.WAITING


# -- ends and losses -------------------------------------------------------------------------------


def ended(reason: Any = "end") -> events.StreamEnded:
    return events.StreamEnded(
        "s",
        reason,
        received_seconds=0.2,
        finalised_seconds=0.2,
        gap_seconds=0.0,
        chunks=2,
        duplicates=0,
        finals=1,
    )


OVER = Checkpoint(next_seq=3, position=2 * CHUNK, watermark=0.2, totals=Totals(2, 0, 1))


def test_suspended_stream_ends_without_connecting() -> None:
    stream = suspended_stream()
    assert drive(stream, end(3), now=60.0) == [
        CloseConnection(),
        Publish(ended(), 5, checkpoint=OVER),
    ]
    assert drive(stream, Published(5), now=60.0) == [Finish(Outcome.ENDED)]


def test_end_that_comes_while_the_session_ends_ends_the_stream() -> None:
    stream = silent_stream()
    assert drive(stream, end(3), now=20.5) == []
    assert drive(stream, TranscriptEnded(), now=21.0)[-2:] == [
        CloseConnection(),
        Publish(ended(), 5, checkpoint=OVER),
    ]
    assert stream.state is State.CLOSING


def test_end_behind_a_chunk_that_came_while_the_session_ended_waits_for_that_chunk() -> None:
    stream = silent_stream()
    drive(stream, chunk(3), end(4), TranscriptEnded(), ConnectionOpened(), now=21.0)
    assert drive(stream, Published(3), RecognitionStarted("u2"), now=21.0) == [
        Acknowledge(2),
        Publish(events.StreamResumed("s", "u2", 0.2, "suspended"), 5),
        SendAudio(audio(3)),
        EndAudio(1),
    ]


def test_suspended_stream_whose_publisher_vanished_ends_as_idle() -> None:
    stream = suspended_stream(idle_timeout=100.0)
    assert stream.deadline == 100.0
    warning = events.StreamWarning("s", "idle", "no message came for 100.0 s; the stream ends")
    assert drive(stream, DeadlinePassed(), now=100.0) == [
        Publish(warning, 5),
        CloseConnection(),
        Publish(ended("idle"), 6, checkpoint=OVER),
    ]


def test_suspended_stream_is_left_to_another_worker_with_nothing_to_replay() -> None:
    stream = suspended_stream()
    assert drive(stream, DrainRequested("stopping"), now=60.0) == [
        CloseConnection(),
        Publish(events.StreamDetached("s", "stopping"), 5, checkpoint=OVER),
    ]
    assert drive(stream, Published(5), now=60.0) == [Finish(Outcome.DETACHED)]


def test_stream_that_is_being_suspended_is_left_with_what_nothing_covers() -> None:
    stream = silent_stream()
    left = Checkpoint(next_seq=2, position=CHUNK, watermark=0.1, totals=Totals(1, 0, 1))
    assert drive(stream, DrainRequested("stopping"), now=20.5) == [
        CloseConnection(),
        Publish(events.StreamDetached("s", "stopping"), 3, checkpoint=left),
    ]


def test_session_that_is_lost_while_it_is_suspended_is_resumed_and_suspended_later() -> None:
    stream = silent_stream()
    warning = events.StreamWarning("s", "connection_lost", "gone; trying again in 0.12 s")
    assert drive(stream, ConnectionLost(1006, "gone"), now=20.5) == [
        CloseConnection(),
        Publish(warning, 3),
    ]
    assert resume(stream, "u2", now=20.75) == [
        Publish(events.StreamResumed("s", "u2", 0.1, "upstream_lost"), 4),
        SendAudio(audio(2)),
    ]
    drive(stream, added(1), now=20.75)
    assert drive(stream, DeadlinePassed(), now=40.75) == [EndAudio(1)]
    assert drive(stream, TranscriptEnded(), now=41.0)[-1] == Publish(SUSPENDED, 6)


def test_stream_that_ends_behind_a_lost_suspension_says_nothing_of_one() -> None:
    stream = silent_stream()
    drive(stream, ConnectionLost(1006, "gone"), end(3), now=20.5)
    left = Checkpoint(next_seq=2, position=CHUNK, watermark=0.1, totals=Totals(1, 0, 1))
    assert resume(stream, "u2", now=20.75)[-1] == EndAudio(1)
    assert drive(stream, TranscriptEnded(), now=21.0) == [
        CloseConnection(),
        Publish(ended(), 5, checkpoint=left),
    ]


def test_session_that_does_not_end_in_time_is_lost() -> None:
    stream = silent_stream(end_timeout=30.0)
    assert stream.deadline == 50.0
    reason = "no end of transcript came in 30.0 s; trying again in 0.12 s"
    assert drive(stream, DeadlinePassed(), now=50.0) == [
        CloseConnection(),
        Publish(events.StreamWarning("s", "end_timeout", reason), 3),
    ]


def test_standby_that_comes_while_the_stream_is_suspended_is_closed() -> None:
    stream = suspended_stream()
    assert drive(stream, StandbyReady(RecognitionStarted("u2")), now=60.0) == [CloseStandby()]


def test_chunk_of_no_length_does_not_hide_what_comes_behind_it() -> None:
    """It ends where the covered audio ends, but was not sent: only the next checkpoint has it."""
    stream = silent_stream()
    drive(stream, chunk(3, samples=0), chunk(4), TranscriptEnded(), now=21.0)
    assert drive(stream, Published(4), ConnectionOpened(), now=21.0) == [
        Acknowledge(2),
        INTRODUCTION,
    ]
    assert drive(stream, RecognitionStarted("u2"), now=21.0) == [
        Publish(events.StreamResumed("s", "u2", 0.2, "suspended"), 5),
        SendAudio(audio(4)),
    ]
    drive(stream, final(0.1), now=22.0)
    assert drive(stream, Published(6), now=22.0) == [Acknowledge(4)]
