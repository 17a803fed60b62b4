"""The core: whole lists of outputs for lists of inputs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import Raw
from tests.support.streams import (
    CHUNK,
    EMPTY,
    INTRODUCTION,
    SPEC,
    added,
    audio,
    chunk,
    drive,
    end,
    final,
    new_stream,
    partial,
    published,
    started_stream,
    words,
)

from speechmq.core.states import TRANSITIONS, State
from speechmq.core.values import events
from speechmq.core.values.checkpoint import Checkpoint, Gap, Totals
from speechmq.core.values.inputs import (
    ChunkDelivered,
    ConnectionFailed,
    ConnectionLost,
    ConnectionOpened,
    DeadLettered,
    DeadlinePassed,
    DrainRequested,
    GarbageDelivered,
    Input,
    Published,
)
from speechmq.core.values.outputs import (
    Acknowledge,
    CloseConnection,
    DeadLetter,
    EndAudio,
    Finish,
    OpenConnection,
    Outcome,
    Publish,
    SaveCheckpoint,
    SendAudio,
)
from speechmq.errors import TransitionError
from speechmq.speechmatics.messages import (
    ErrorReceived,
    FinalReceived,
    InfoReceived,
    Metadata,
    RecognitionStarted,
    TranscriptEnded,
    UnknownReceived,
    UtteranceEnded,
    WarningReceived,
)

START = Checkpoint()


def test_stream_connects_introduces_itself_and_announces_the_session() -> None:
    stream = new_stream()
    assert stream.open(0.0) == [OpenConnection()]
    assert drive(stream, ConnectionOpened()) == [INTRODUCTION]
    started = events.StreamStarted("s", "u1", {"word_delimiter": " "}, {})
    assert drive(stream, RecognitionStarted("u1", {"word_delimiter": " "})) == [Publish(started, 1)]


def test_audio_that_came_before_recognition_started_is_sent_when_it_has() -> None:
    stream = new_stream()
    stream.open(0.0)
    assert drive(stream, chunk(1), ConnectionOpened(), chunk(2)) == [INTRODUCTION]
    assert drive(stream, RecognitionStarted("u1")) == [
        Publish(events.StreamStarted("s", "u1", {}, {}), 1),
        SendAudio(audio(1)),
        SendAudio(audio(2)),
    ]


def test_audio_is_acknowledged_only_when_a_confirmed_final_covers_it() -> None:
    stream = started_stream()
    assert drive(stream, chunk(1), chunk(2), chunk(3)) == [
        SendAudio(audio(1)),
        SendAudio(audio(2)),
        SendAudio(audio(3)),
    ]
    covering = events.FinalTranscript("s", 1, 0.0, 0.2, "hello ", EMPTY)
    left = Checkpoint(next_seq=3, position=2 * CHUNK, watermark=0.2, totals=Totals(2, 0, 1))
    assert drive(stream, added(3), final(0.2, text="hello ")) == [
        Publish(covering, 2, checkpoint=left)
    ]
    assert drive(stream, Published(1)) == []
    assert drive(stream, Published(2)) == [Acknowledge(2)]


def test_run_up_of_a_resumed_session_stays_unacknowledged() -> None:
    stream = started_stream(resume_context=0.1)
    drive(stream, chunk(1), chunk(2), chunk(3), final(0.3))
    assert drive(stream, Published(2)) == [Acknowledge(2)]


def test_final_that_ends_inside_a_chunk_does_not_cover_it() -> None:
    stream = started_stream()
    drive(stream, chunk(1), chunk(2), final(0.19))
    assert drive(stream, Published(2)) == [Acknowledge(1)]


def test_final_that_claims_the_future_covers_only_what_was_sent() -> None:
    stream = started_stream(window_chunks=2)
    drive(stream, chunk(1), chunk(2), chunk(3))
    heard = events.FinalTranscript("s", 1, 0.0, 0.2, "", EMPTY)
    left = Checkpoint(next_seq=3, position=2 * CHUNK, watermark=0.2, totals=Totals(2, 0, 1))
    assert drive(stream, final(99.0), Published(2)) == [
        Publish(heard, 2, checkpoint=left),
        Acknowledge(2),
    ]


def test_acknowledgement_waits_for_an_uncovered_chunk_that_was_delivered_earlier() -> None:
    """One acknowledgement covers all earlier tags, and seq 3 was delivered first."""
    stream = started_stream()
    drive(stream, chunk(3, tag=1), chunk(1, tag=2), chunk(2, tag=3), final(0.2))
    assert drive(stream, Published(2)) == []
    drive(stream, final(0.3, 0.2))
    assert drive(stream, Published(3)) == [Acknowledge(3)]


def test_duplicate_is_dropped_and_counted() -> None:
    stream = started_stream()
    assert drive(stream, chunk(1), chunk(1, tag=2)) == [SendAudio(audio(1))]
    drive(stream, final(0.1))
    assert drive(stream, Published(2)) == [Acknowledge(2)]
    assert stream.snapshot().duplicates == 1


def test_partials_are_unconfirmed_and_bear_the_id_of_their_final() -> None:
    stream = started_stream()
    drive(stream, chunk(1), chunk(2), final(0.1))
    expected = events.PartialTranscript("s", 2, 0.1, 0.2, "he", EMPTY)
    assert drive(stream, partial(0.2, 0.1, "he")) == [Publish(expected, 3, confirm=False)]


def test_window_holds_audio_back_until_upstream_has_read_some() -> None:
    stream = started_stream(window=0.2)
    assert drive(stream, chunk(1), chunk(2), chunk(3)) == [
        SendAudio(audio(1)),
        SendAudio(audio(2)),
    ]
    assert drive(stream, added(1)) == [SendAudio(audio(3))]


def test_end_is_sent_behind_the_last_chunk_with_the_number_of_chunks_sent() -> None:
    stream = started_stream(window_chunks=1)
    assert drive(stream, chunk(1), chunk(2), end(3)) == [SendAudio(audio(1))]
    assert drive(stream, added(1)) == [SendAudio(audio(2)), EndAudio(2)]


def test_end_that_overtakes_audio_waits_for_it() -> None:
    stream = started_stream()
    assert drive(stream, end(2, tag=1)) == []
    assert drive(stream, chunk(1, tag=2)) == [SendAudio(audio(1)), EndAudio(1)]


def test_stream_ends_with_its_totals_once_the_broker_has_its_last_word() -> None:
    stream = started_stream()
    drive(stream, chunk(1), chunk(2), end(3), final(0.2))
    ended = events.StreamEnded(
        "s",
        "end",
        received_seconds=0.2,
        finalised_seconds=0.2,
        gap_seconds=0.0,
        chunks=2,
        duplicates=0,
        finals=1,
    )
    over = Checkpoint(next_seq=3, position=2 * CHUNK, watermark=0.2, totals=Totals(2, 0, 1))
    assert drive(stream, TranscriptEnded()) == [
        CloseConnection(),
        Publish(ended, 3, checkpoint=over),
    ]
    assert drive(stream, Published(2)) == [Acknowledge(2)]
    assert drive(stream, Published(3)) == [Finish(Outcome.ENDED)]
    assert stream.deadline is None


def test_stream_without_audio_ends_too() -> None:
    stream = started_stream()
    assert drive(stream, end(1)) == [EndAudio(0)]


def test_empty_chunk_has_a_place_but_is_not_sent() -> None:
    stream = started_stream()
    assert drive(stream, chunk(1, samples=0), chunk(2)) == [SendAudio(audio(2))]


# -- gaps ------------------------------------------------------------------------------------------


def test_missing_chunk_is_waited_for_and_then_becomes_silence() -> None:
    stream = started_stream(gap_timeout=2.0)
    assert drive(stream, chunk(1), chunk(3, tag=2)) == [SendAudio(audio(1))]
    assert stream.deadline == 2.0
    gap = Gap(2, 2, CHUNK, 2 * CHUNK)
    assert drive(stream, DeadlinePassed(), now=2.0) == [
        Publish(events.AudioGap("s", 0.1, 0.2, 2, 2), 2, checkpoint=Checkpoint(gaps=(gap,))),
        SendAudio(b"\xff" * CHUNK),
        SendAudio(audio(3)),
    ]


def test_chunk_that_comes_in_time_closes_the_hole() -> None:
    stream = started_stream(gap_timeout=2.0)
    drive(stream, chunk(1), chunk(3, tag=2))
    assert drive(stream, chunk(2, tag=3), now=1.9) == [SendAudio(audio(2)), SendAudio(audio(3))]
    assert drive(stream, DeadlinePassed(), now=2.0) == []


def test_second_hole_is_waited_for_in_full() -> None:
    stream = started_stream(gap_timeout=2.0, answer_timeout=99.0)
    drive(stream, chunk(1), chunk(3, tag=2), chunk(5, tag=3))
    drive(stream, chunk(2, tag=4), now=1.5)
    assert stream.deadline == 3.5


def test_late_chunk_is_dropped_with_a_warning() -> None:
    stream = started_stream(gap_timeout=2.0)
    drive(stream, chunk(1), chunk(3, tag=2))
    drive(stream, DeadlinePassed(), now=2.0)
    late = events.StreamWarning("s", "late_chunk", "message 2 came after its gap was declared")
    assert drive(stream, chunk(2, tag=3), now=3.0) == [Publish(late, 3)]


def test_hole_of_a_young_stream_is_given_the_time_that_early_audio_may_take() -> None:
    stream = started_stream(gap_timeout=2.0, early_wait=10.0)
    drive(stream, chunk(2, tag=1))
    assert stream.deadline == 10.0


def test_gap_is_not_guessed_anew_by_a_successor() -> None:
    gap = Gap(2, 3, CHUNK, CHUNK + 5)
    stream = started_stream(checkpoint=Checkpoint(gaps=(gap,)))
    assert drive(stream, chunk(1), chunk(4, tag=2)) == [
        SendAudio(audio(1)),
        SendAudio(b"\xff" * 5),
        SendAudio(audio(4)),
    ]


def test_gap_counts_as_received_but_not_as_finalised() -> None:
    stream = started_stream(gap_timeout=2.0)
    drive(stream, chunk(1), chunk(3, tag=2), end(4, tag=3))
    drive(stream, DeadlinePassed(), now=2.0)
    last = drive(stream, TranscriptEnded(), now=2.0)[-1]
    assert isinstance(last, Publish)
    assert last.event == events.StreamEnded(
        "s",
        "end",
        received_seconds=0.3,
        finalised_seconds=0.2,
        gap_seconds=0.1,
        chunks=2,
        duplicates=0,
        finals=0,
    )


# -- refused deliveries ----------------------------------------------------------------------------


def test_garbage_is_dead_lettered_told_and_settled_only_when_its_copy_is_safe() -> None:
    stream = started_stream()
    garbage = GarbageDelivered(1, "bad_json", "no JSON")
    assert drive(stream, garbage) == [
        DeadLetter(1, "bad_json", "no JSON"),
        Publish(events.StreamWarning("s", "bad_json", "no JSON"), 2),
    ]
    drive(stream, chunk(1, tag=2), final(0.1))
    assert drive(stream, Published(3)) == []
    assert drive(stream, DeadLettered(1)) == [Acknowledge(2)]


def test_chunk_of_half_a_sample_is_refused_and_leaves_silence_of_its_length() -> None:
    stream = started_stream(spec=replace(SPEC, encoding="pcm_s16le"))
    reason = "chunk 1 has 5 bytes, which is not a whole number of pcm_s16le samples of 2 bytes"
    gap = Gap(1, 1, 0, 2)
    assert drive(stream, chunk(1, samples=5)) == [
        DeadLetter(1, "bad_size", reason),
        Publish(events.StreamWarning("s", "bad_size", reason), 2),
        Publish(events.AudioGap("s", 0.0, 0.00025, 1, 1), 3, checkpoint=Checkpoint(gaps=(gap,))),
        SendAudio(bytes(4)),
    ]


def test_chunk_longer_than_allowed_is_refused() -> None:
    stream = started_stream(max_chunk=0.1)
    reason = "a chunk of 0.100125 s is longer than the 0.1 s that one message may carry"
    assert drive(stream, chunk(1, samples=CHUNK + 1))[0] == DeadLetter(1, "too_large", reason)


def test_chunk_with_more_bytes_than_are_kept_is_refused_in_its_turn() -> None:
    stream = started_stream(max_chunk_bytes=CHUNK)
    drive(stream, chunk(1))
    large = ChunkDelivered(2, 2, b"", excess=CHUNK * 30)
    reason = "a chunk of 24000 bytes is larger than 800; send the audio in pieces"
    outputs = drive(stream, large)
    assert outputs[0] == DeadLetter(2, "too_large", reason)
    [_, gap] = published(outputs)
    assert gap == events.AudioGap("s", 0.1, 3.1, 2, 2)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_message_behind_the_end_is_refused_in_whatever_order_they_come(
    order: tuple[int, int],
) -> None:
    stream = started_stream()
    deliveries: dict[int, Input] = {1: end(1, tag=1), 2: chunk(2, tag=2)}
    outputs = drive(stream, *[deliveries[one] for one in order])
    reason = "message 2 came behind the stream's end, message 1"
    assert [one for one in outputs if isinstance(one, DeadLetter)] == [
        DeadLetter(2, "after_end", reason)
    ]


# -- resume ----------------------------------------------------------------------------------------


def test_what_is_tried_and_sent_again_is_counted() -> None:
    stream = started_stream()
    drive(stream, chunk(1), chunk(2), chunk(3), final(0.15), Published(2))
    drive(stream, ConnectionLost(1006, "gone"), now=1.0)
    assert (stream.snapshot().retries, stream.snapshot().replayed) == (1, 0)
    drive(stream, DeadlinePassed(), now=1.125)
    drive(stream, ConnectionOpened(), RecognitionStarted("u2"), now=1.3)
    assert (stream.snapshot().retries, stream.snapshot().replayed) == (1, 2 * CHUNK)


def test_lost_session_is_resumed_at_the_first_audio_that_nothing_covers() -> None:
    stream = started_stream()
    drive(stream, chunk(1), chunk(2), chunk(3), final(0.15), Published(2))
    lost = "upstream closed the connection; trying again in 0.12 s"
    assert drive(stream, ConnectionLost(1006, "upstream closed the connection"), now=1.0) == [
        CloseConnection(),
        Publish(events.StreamWarning("s", "connection_lost", lost), 3),
    ]
    assert stream.deadline == 1.125
    assert drive(stream, DeadlinePassed(), now=1.125) == [OpenConnection()]
    assert drive(stream, ConnectionOpened(), now=1.2) == [INTRODUCTION]
    assert drive(stream, RecognitionStarted("u2"), now=1.3) == [
        Publish(events.StreamResumed("s", "u2", 0.1, "upstream_lost"), 4),
        SendAudio(audio(2)),
        SendAudio(audio(3)),
    ]


def test_words_that_were_said_before_the_watermark_are_trimmed_and_times_moved() -> None:
    """The new session hears audio from 0.1 s; everything up to 0.2 s was published before."""
    stream = started_stream(resume_context=0.1)
    drive(stream, chunk(1), chunk(2), chunk(3), final(0.2), Published(2))
    drive(stream, ConnectionLost(1006, "gone"))
    drive(stream, DeadlinePassed(), now=1.0)
    drive(stream, ConnectionOpened(), RecognitionStarted("u2"), now=1.0)
    heard = FinalReceived(
        Metadata(0.0, 0.2, "old new "), words(("old", 0.0, 0.1), ("new", 0.1, 0.2))
    )
    [published] = drive(stream, heard, now=1.1)
    assert isinstance(published, Publish)
    assert published.event == events.FinalTranscript(
        "s",
        2,
        0.2,
        0.3,
        "new ",
        [
            {
                "type": "word",
                "start_time": 0.2,
                "end_time": 0.3,
                "alternatives": [{"content": "new", "confidence": 1.0}],
            }
        ],
    )


def test_final_that_says_nothing_new_is_not_published() -> None:
    stream = started_stream(checkpoint=Checkpoint(watermark=0.2))
    drive(stream, chunk(1), chunk(2))
    assert drive(stream, final(0.2), partial(0.1), UtteranceEnded(Metadata(0.2, 0.2))) == []


def test_successor_says_that_it_took_over_and_goes_on_with_the_predecessors_numbers() -> None:
    left = Checkpoint(next_seq=3, position=2 * CHUNK, watermark=0.2, totals=Totals(2, 1, 7))
    stream = new_stream(checkpoint=left)
    stream.open(0.0)
    drive(stream, ConnectionOpened())
    assert drive(stream, RecognitionStarted("u2")) == [
        Publish(events.StreamResumed("s", "u2", 0.2, "take_over"), 1)
    ]
    assert drive(stream, chunk(2), chunk(3)) == [Acknowledge(2), SendAudio(audio(3))]
    [published] = drive(stream, final(0.1))
    assert isinstance(published, Publish)
    assert published.event == events.FinalTranscript("s", 8, 0.2, 0.3, "", [])


def test_session_lost_while_ending_is_resumed_and_ended_again() -> None:
    stream = started_stream()
    drive(stream, chunk(1), end(2), ConnectionLost(1011, "internal_error"))
    drive(stream, DeadlinePassed(), now=5.0)
    drive(stream, ConnectionOpened(), now=5.0)
    assert drive(stream, RecognitionStarted("u2"), now=5.0) == [
        Publish(events.StreamResumed("s", "u2", 0.0, "upstream_lost"), 3),
        SendAudio(audio(1)),
        EndAudio(1),
    ]


# -- failures --------------------------------------------------------------------------------------


def test_terminal_error_fails_the_stream_once() -> None:
    stream = started_stream()
    failed = events.StreamFailed("s", "invalid_config", "no such field", retryable=False)
    assert drive(stream, ErrorReceived("invalid_config", "no such field")) == [
        CloseConnection(),
        Publish(failed, 2, checkpoint=START),
    ]
    assert drive(stream, Published(2)) == [Finish(Outcome.FAILED)]


def test_refused_key_fails_the_stream() -> None:
    stream = new_stream()
    stream.open(0.0)
    outputs = drive(stream, ConnectionFailed("refused with HTTP status 401", 401))
    failed = events.StreamFailed(
        "s", "not_authorised", "refused with HTTP status 401", retryable=False
    )
    assert outputs[-1] == Publish(failed, 1, checkpoint=START)


def test_stream_fails_when_tries_are_used_up() -> None:
    stream = new_stream(retry_attempts=2)
    stream.open(0.0)
    for now in (1.0, 2.0):
        drive(stream, ConnectionFailed("no route"), now=now)
        assert stream.state is State.WAITING
        drive(stream, DeadlinePassed(), now=now + 0.9)
    outputs = drive(stream, ConnectionFailed("no route"), now=3.0)
    failed = events.StreamFailed("s", "unreachable", "no route", retryable=True)
    assert outputs[-1] == Publish(failed, 3, checkpoint=START)


def test_failures_are_forgiven_after_a_healthy_stretch() -> None:
    stream = started_stream(retry_attempts=1, healthy_after=10.0, idle_timeout=99.0)
    for now in (10.0, 30.0, 50.0):
        drive(stream, ConnectionLost(1006, "gone"), now=now)
        assert stream.state is State.WAITING
        drive(stream, DeadlinePassed(), now=now + 1)
        drive(stream, ConnectionOpened(), RecognitionStarted("u"), now=now + 1)


@pytest.mark.parametrize(
    ("inputs_before", "due", "code"),
    [
        ([], 30.0, "start_timeout"),
        ([ConnectionOpened()], 30.0, "start_timeout"),
        ([ConnectionOpened(), RecognitionStarted("u"), chunk(1)], 10.0, "unanswered"),
        ([ConnectionOpened(), RecognitionStarted("u"), end(1)], 30.0, "end_timeout"),
    ],
)
def test_upstream_that_keeps_silent_is_lost(
    inputs_before: list[Input], due: float, code: str
) -> None:
    stream = new_stream()
    stream.open(0.0)
    drive(stream, *inputs_before)
    assert stream.deadline == due
    outputs = drive(stream, DeadlinePassed(), now=due)
    assert outputs[0] == CloseConnection()
    assert isinstance(outputs[1], Publish)
    assert isinstance(outputs[1].event, events.StreamWarning)
    assert outputs[1].event.code == code
    assert stream.state is State.WAITING


@pytest.mark.parametrize("inputs_before", [[], [ConnectionOpened()]])
def test_region_that_keeps_silent_is_left_for_the_next_at_once(inputs_before: list[Input]) -> None:
    stream = new_stream(regions=2)
    assert stream.open(0.0) == [OpenConnection(0)]
    drive(stream, *inputs_before)
    reason = "recognition did not start in 30.0 s; trying again in 0.00 s"
    assert drive(stream, DeadlinePassed(), now=30.0) == [
        CloseConnection(),
        Publish(events.StreamWarning("s", "start_timeout", reason), 1),
        OpenConnection(1),
    ]
    assert stream.deadline == 60.0


def test_full_account_is_waited_for_although_all_tries_are_used_up() -> None:
    stream = new_stream(retry_attempts=1)
    stream.open(0.0)
    drive(stream, ConnectionFailed("no route"))
    full = ConnectionFailed("the account is full", code="quota_exceeded")
    reason = "the account is full; trying again in 5.00 s"
    for seq in (2, 3, 4):
        drive(stream, DeadlinePassed(), now=seq * 10.0)
        assert drive(stream, full, now=seq * 10.0) == [
            CloseConnection(),
            Publish(events.StreamWarning("s", "quota_exceeded", reason), seq),
        ]
    drive(stream, DeadlinePassed(), now=50.0)
    failed = events.StreamFailed("s", "unreachable", "no route", retryable=True)
    assert drive(stream, ConnectionFailed("no route"), now=50.0)[-1] == Publish(
        failed, 5, checkpoint=START
    )


def test_answer_timeout_runs_only_while_audio_is_unconfirmed() -> None:
    stream = started_stream(idle_timeout=300.0, answer_timeout=10.0)
    drive(stream, chunk(1), now=0.0)
    assert stream.deadline == 10.0
    drive(stream, added(1), now=1.0)
    assert stream.deadline == 300.0


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        (added(1), "upstream confirmed chunk 1, but 0 were sent"),
        (TranscriptEnded(), "the upstream side sent TranscriptEnded in state streaming"),
        (
            FinalReceived(Metadata(0, 1), Raw(b"{}")),
            "upstream sent results that are not a list",
        ),
    ],
)
def test_upstream_that_breaks_the_protocol_loses_its_session(received: Input, reason: str) -> None:
    stream = started_stream()
    warning = events.StreamWarning("s", "protocol_error", f"{reason}; trying again in 0.12 s")
    assert drive(stream, received) == [CloseConnection(), Publish(warning, 2)]


def test_move_that_the_table_does_not_list_is_our_own_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(TRANSITIONS, (State.STREAMING, DrainRequested), frozenset())
    stream = started_stream()
    with pytest.raises(TransitionError) as caught:
        stream.receive(DrainRequested("stopping"), 0.0)
    assert (caught.value.side, caught.value.received) == ("local", "a move to closing")


def test_stream_tells_where_it_is() -> None:
    stream = started_stream()
    drive(stream, chunk(1), chunk(2), final(0.1))
    assert repr(stream) == "<Stream s streaming expected=3 watermark=0.1 open=2>"


def test_our_own_mistake_is_raised_and_changes_nothing() -> None:
    stream = started_stream()
    with pytest.raises(TransitionError) as caught:
        stream.receive(ConnectionOpened(), 0.0)
    assert (caught.value.side, caught.value.state) == ("local", "streaming")
    assert stream.state is State.STREAMING


# -- notices, idleness, drain, relief --------------------------------------------------------------


def test_notices_of_upstream_are_passed_on() -> None:
    stream = started_stream()
    warning = events.StreamWarning("s", "idle_timeout", "soon")
    unknown = events.UpstreamMessage("s", "Novelty", b'{"message":"Novelty"}')
    outputs = drive(
        stream,
        InfoReceived("recognition_quality"),
        WarningReceived("idle_timeout", "soon"),
        UnknownReceived("Novelty", b'{"message":"Novelty"}'),
        UtteranceEnded(Metadata(0.5, 0.5)),
    )
    assert outputs == [
        Publish(warning, 2),
        Publish(unknown, 3),
        Publish(events.EndOfUtterance("s", 0.5, 0.5), 4),
    ]


def test_stream_whose_publisher_vanished_ends_as_idle() -> None:
    stream = started_stream(spec=replace(SPEC, idle_timeout=60.0), answer_timeout=999.0)
    drive(stream, chunk(1), now=5.0)
    assert stream.deadline == 65.0
    warning = events.StreamWarning("s", "idle", "no message came for 60.0 s; the stream ends")
    assert drive(stream, DeadlinePassed(), now=65.0) == [Publish(warning, 2), EndAudio(1)]
    last = drive(stream, TranscriptEnded(), now=66.0)[-1]
    assert isinstance(last, Publish)
    assert isinstance(last.event, events.StreamEnded)
    assert last.event.reason == "idle"


def test_drained_stream_leaves_its_checkpoint_and_acknowledges_nothing_uncovered() -> None:
    stream = started_stream()
    drive(stream, chunk(1), chunk(2), final(0.1), Published(2))
    left = Checkpoint(next_seq=2, position=CHUNK, watermark=0.1, totals=Totals(1, 0, 1))
    assert drive(stream, DrainRequested("the worker is stopping")) == [
        CloseConnection(),
        Publish(events.StreamDetached("s", "the worker is stopping"), 3, checkpoint=left),
    ]
    assert drive(stream, DrainRequested("again"), Published(3)) == [Finish(Outcome.DETACHED)]


def test_oldest_audio_is_let_go_with_a_checkpoint_when_upstream_finalises_nothing() -> None:
    stream = started_stream(prefetch=20)
    drive(stream, *[chunk(seq) for seq in range(1, 18)])
    warning = events.StreamWarning(
        "s",
        "replay_window_exceeded",
        "upstream finalises nothing: audio before 0.2 s is let go uncovered, "
        "and would be missing if this session were lost now",
    )
    left = Checkpoint(next_seq=3, position=2 * CHUNK, totals=Totals(chunks=2))
    assert drive(stream, chunk(18), chunk(19)) == [
        SendAudio(audio(18)),
        SaveCheckpoint(2, left),
        Publish(warning, 3),
        SendAudio(audio(19)),
    ]
    assert drive(stream, Published(2)) == [Acknowledge(2)]


def test_more_audio_is_let_go_only_when_the_broker_has_the_last_checkpoint() -> None:
    stream = started_stream(prefetch=20)
    drive(stream, *[chunk(seq) for seq in range(1, 19)])
    assert drive(stream, Published(1), chunk(19)) == [SendAudio(audio(19))]
    outputs = drive(stream, Published(2), chunk(20), chunk(21))
    assert [type(one) for one in outputs] == [
        Acknowledge,
        SendAudio,
        SaveCheckpoint,
        Publish,
        SendAudio,
    ]


def test_nothing_is_let_go_uncovered_while_a_final_that_covers_it_is_on_its_way() -> None:
    """The checkpoint would go back behind the final's, and a successor wait for audio that had been
    acknowledged."""
    stream = started_stream(prefetch=20)
    drive(stream, *[chunk(seq) for seq in range(1, 18)])
    drive(stream, final(0.5))
    assert drive(stream, chunk(18), chunk(19)) == [SendAudio(audio(18)), SendAudio(audio(19))]
    assert drive(stream, Published(2)) == [Acknowledge(5)]


def test_hole_gives_way_before_the_prefetch_is_used_up() -> None:
    stream = started_stream(prefetch=20, gap_timeout=99.0)
    drive(stream, *[chunk(seq, tag=seq - 1) for seq in range(2, 19)])
    outputs = drive(stream, chunk(19, tag=18))
    assert outputs[:2] == [
        Publish(
            events.AudioGap("s", 0.0, 0.1, 1, 1),
            2,
            checkpoint=Checkpoint(gaps=(Gap(1, 1, 0, CHUNK),)),
        ),
        SendAudio(b"\xff" * CHUNK),
    ]
