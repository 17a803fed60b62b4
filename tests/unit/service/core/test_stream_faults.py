"""What a fault of the publisher, of upstream or of a predecessor may not do to a stream."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import Raw
from tests.support.streams import (
    CHUNK,
    SPEC,
    added,
    audio,
    chunk,
    drive,
    end,
    final,
    new_stream,
    published,
    sent,
    started_stream,
    words,
)

from speechmq.core.states import State
from speechmq.core.values import events
from speechmq.core.values.checkpoint import Checkpoint, Gap, Totals
from speechmq.core.values.inputs import (
    BacklogExceeded,
    ConnectionOpened,
    DeadlinePassed,
    GarbageDelivered,
    Published,
)
from speechmq.core.values.outputs import (
    Acknowledge,
    CloseConnection,
    DeadLetter,
    Finish,
    Outcome,
    Output,
    Publish,
    SaveCheckpoint,
)
from speechmq.speechmatics.messages import (
    ErrorReceived,
    FinalReceived,
    Metadata,
    RecognitionStarted,
    TranscriptEnded,
)


def acknowledged(outputs: list[Output]) -> list[int]:
    return [one.tag for one in outputs if isinstance(one, Acknowledge)]


# -- take-over and gaps ----------------------------------------------------------------------------


def test_successor_places_a_known_gap_at_its_very_beginning_without_waiting() -> None:
    """The gap is the first thing that is not covered: no delivery will ever be IN_ORDER for it."""
    gap = Gap(2, 3, CHUNK, CHUNK + 5)
    left = Checkpoint(next_seq=2, position=CHUNK, watermark=0.1, gaps=(gap,))
    stream = new_stream(checkpoint=left)
    stream.open(0.0)
    outputs = drive(stream, ConnectionOpened(), RecognitionStarted("u2"), chunk(4, tag=1))
    assert sent(outputs) == [b"\xff" * 5, audio(4)]


def test_times_behind_a_gap_that_was_covered_in_part_are_those_of_the_predecessor() -> None:
    """3 s of gap, of which 1 s is covered: 2 s are left, not the 3 s that would be guessed anew."""
    first = started_stream(gap_timeout=2.0, answer_timeout=99.0, window=99.0)
    drive(first, chunk(1), chunk(32, tag=2))
    drive(first, DeadlinePassed(), now=2.0)
    covering = drive(first, final(1.1), now=3.0)[-1]
    assert isinstance(covering, Publish)
    assert covering.checkpoint is not None
    second = started_stream(checkpoint=covering.checkpoint, gap_timeout=2.0, answer_timeout=99.0)
    drive(second, chunk(32, tag=1))
    drive(second, DeadlinePassed(), now=2.0)
    assert second._placement.timeline.tracks == first._placement.timeline.tracks


def test_gap_at_the_very_beginning_is_not_told_again_under_another_id_by_a_successor() -> None:
    gap = Gap(2, 3, CHUNK, CHUNK + 5)
    left = Checkpoint(next_seq=2, position=CHUNK, watermark=0.1, gaps=(gap,))
    stream = started_stream(checkpoint=left, gap_timeout=2.0)
    outputs = drive(stream, chunk(4, tag=1)) + drive(stream, DeadlinePassed(), now=2.0)
    assert [one for one in published(outputs) if isinstance(one, events.AudioGap)] == []


def test_audio_is_let_go_uncovered_only_behind_a_checkpoint_that_leaves_it_out() -> None:
    """A successor that knows an older checkpoint waits for what the broker has forgotten, and
    then guesses its length, at most ``max_gap``: every later time is wrong."""
    stream = started_stream(prefetch=20, window=999.0)
    outputs = drive(stream, *[chunk(seq, samples=10 * seq) for seq in range(1, 19)])
    saved = [one for one in outputs if isinstance(one, SaveCheckpoint)]
    assert [(one.checkpoint.next_seq, one.checkpoint.position) for one in saved] == [(3, 30)]
    assert acknowledged(outputs) == []
    assert acknowledged(drive(stream, Published(saved[0].seq))) == [2]


def test_redelivery_to_a_successor_is_not_counted_as_a_duplicate_of_the_publisher() -> None:
    """Covered, published, killed before the acknowledgement: the broker delivers it once more."""
    left = Checkpoint(next_seq=3, position=2 * CHUNK, watermark=0.2, totals=Totals(2, 0, 1))
    stream = started_stream(checkpoint=left)
    drive(stream, chunk(1), chunk(2), chunk(3))
    assert stream.snapshot().duplicates == 0


# -- the end of an idle stream ---------------------------------------------------------------------


def test_chunk_that_comes_right_after_an_idle_end_is_not_counted_as_heard() -> None:
    """It bears the seq that the idle end took: it is taken in order, and never sent."""
    stream = started_stream(idle_timeout=60.0, answer_timeout=999.0)
    drive(stream, chunk(1))
    drive(stream, DeadlinePassed(), now=60.0)
    assert stream.state is State.ENDING
    outputs = drive(stream, chunk(2), now=60.1)
    last = drive(stream, TranscriptEnded(), now=60.2)[-1]
    assert isinstance(last, Publish)
    assert isinstance(last.event, events.StreamEnded)
    assert [type(one) for one in outputs][:1] == [DeadLetter]
    assert last.event.received_seconds == 0.1


def test_stream_with_more_audio_waiting_than_it_may_take_is_not_idle() -> None:
    """Upstream is away, the prefetch is used up: the publisher speaks on, into the queue."""
    stream = new_stream(prefetch=20, idle_timeout=5.0, start_timeout=30.0)
    stream.open(0.0)
    drive(stream, *[chunk(seq) for seq in range(1, 21)])
    drive(stream, DeadlinePassed(), now=5.0)
    assert stream._sequencer.end is None


def test_idle_end_waits_for_the_hole_before_audio_that_did_come() -> None:
    """Chunk 1 is on its way through the early queue, for up to ``early_wait``."""
    stream = started_stream(idle_timeout=5.0, early_wait=10.0)
    drive(stream, chunk(2, tag=1))
    outputs = drive(stream, DeadlinePassed(), now=5.0)
    assert [one for one in outputs if isinstance(one, DeadLetter)] == []


# -- backpressure ----------------------------------------------------------------------------------


def test_prefetch_that_was_used_up_before_recognition_started_does_not_block_for_ever() -> None:
    """No delivery comes any more, and ``_relieve`` looks only when one does."""
    stream = new_stream(prefetch=20, window_chunks=5, idle_timeout=99.0)
    stream.open(0.0)
    drive(stream, *[chunk(seq) for seq in range(1, 21)])
    outputs = drive(stream, ConnectionOpened(), RecognitionStarted("u1"))
    for count in range(1, 21):
        outputs += drive(stream, added(count))
    for one in [one for one in outputs if isinstance(one, SaveCheckpoint)]:
        outputs += drive(stream, Published(one.seq))
    while (deadline := stream.deadline) is not None and deadline < 99.0:
        outputs += drive(stream, DeadlinePassed(), now=deadline)
    assert len(sent(outputs)) == 20
    assert acknowledged(outputs) != []


# -- nothing behind the last word ------------------------------------------------------------------


def failed_stream() -> Any:
    stream = started_stream(gap_timeout=2.0, idle_timeout=60.0, prefetch=20)
    drive(stream, chunk(1), ErrorReceived("invalid_config", "no such field"))
    assert stream.state is State.CLOSING
    return stream


def test_gap_is_not_told_behind_the_last_word_which_it_would_replace_in_the_state() -> None:
    """AudioGap is state-bearing: a successor would find it in the place of StreamFailed, and
    resume a stream that has failed."""
    stream = failed_stream()
    outputs = drive(stream, chunk(3, tag=2))
    if stream.deadline is not None:
        outputs += drive(stream, DeadlinePassed(), now=stream.deadline)
    assert published(outputs) == []


def test_stream_that_is_closing_does_not_turn_idle() -> None:
    stream = failed_stream()
    outputs = drive(stream, chunk(2, tag=2))
    assert stream.deadline is None
    assert published(outputs) == []


@pytest.mark.parametrize(
    "delivery",
    [
        GarbageDelivered(2, "bad_json", "no JSON"),
        chunk(2, samples=5),
    ],
)
def test_delivery_that_is_refused_publishes_nothing_behind_the_last_word(delivery: Any) -> None:
    stream = started_stream(spec=replace(SPEC, encoding="pcm_s16le"))
    drive(stream, chunk(1), ErrorReceived("invalid_config", "no such field"))
    assert published(drive(stream, delivery)) == []


def test_message_behind_the_end_says_nothing_behind_stream_ended() -> None:
    stream = started_stream()
    drive(stream, chunk(1), end(2), TranscriptEnded())
    assert published(drive(stream, chunk(3))) == []


# -- hostile upstream ------------------------------------------------------------------------------


def test_final_does_not_tell_of_a_time_that_no_audio_has_yet() -> None:
    """The watermark is clamped, the event is not: the next honest final goes back in time."""
    stream = started_stream()
    drive(stream, chunk(1), chunk(2))
    outputs = drive(stream, final(1e300), chunk(3), final(0.3, 0.2))
    ends = [one.end_time for one in published(outputs) if isinstance(one, events.FinalTranscript)]
    assert ends == sorted(ends)


def test_finals_never_go_back_in_time_whatever_upstream_says() -> None:
    stream = started_stream()
    drive(stream, chunk(1), chunk(2), chunk(3))
    outputs = drive(stream, final(0.3), final(0.1))
    ends = [one.end_time for one in published(outputs) if isinstance(one, events.FinalTranscript)]
    assert ends == sorted(ends)


def test_time_too_large_for_a_float_is_a_protocol_error_of_upstream() -> None:
    """An integer of 400 digits is JSON, and not a number that can be moved."""
    stream = started_stream(checkpoint=Checkpoint(next_seq=2, position=CHUNK, watermark=0.1))
    drive(stream, chunk(2))
    hostile = Raw(b'[{"type":"word","start_time":' + b"1" * 400 + b',"end_time":1}]')
    drive(stream, FinalReceived(Metadata(0.0, 0.1), hostile))
    assert stream.state is State.WAITING


def test_word_delimiter_of_null_is_not_spoken() -> None:
    left = Checkpoint(next_seq=1, position=0, watermark=0.1)
    stream = new_stream(checkpoint=left)
    stream.open(0.0)
    drive(stream, ConnectionOpened(), RecognitionStarted("u", {"word_delimiter": None}))
    drive(stream, chunk(1), chunk(2), chunk(3))
    heard = FinalReceived(
        Metadata(0.0, 0.3), words(("old", 0.0, 0.1), ("one", 0.1, 0.2), ("two", 0.2, 0.3))
    )
    [event] = published(drive(stream, heard))
    assert isinstance(event, events.FinalTranscript)
    assert event.transcript.split() == ["one", "two"]


# -- hostile publisher -----------------------------------------------------------------------------


def test_checkpoint_fits_a_frame_however_many_gaps_are_uncovered() -> None:
    """It travels in a header, and a header in one frame: a larger one costs the connection."""
    stream = started_stream(prefetch=2000, gap_timeout=2.0, window=10.0, answer_timeout=999.0)
    step = 2**52
    largest = 0
    for number in range(1, 1601):
        outputs = drive(stream, chunk(number * step, tag=number, samples=1))
        outputs += drive(stream, DeadlinePassed(), now=2.0 * number)
        for one in outputs:
            if isinstance(one, Publish) and one.checkpoint:
                largest = max(largest, len(one.checkpoint.encode()))
    assert largest < 100_000


def test_silence_that_one_publisher_can_cause_is_bounded() -> None:
    """Each jump of ``seq`` is a minute of silence to be kept and sent, without a delivery's tag."""
    stream = started_stream(prefetch=100, gap_timeout=2.0, window=10.0, answer_timeout=999.0)
    for number in range(1, 61):
        drive(stream, chunk(number * 10**6, tag=number))
        drive(stream, DeadlinePassed(), now=2.0 * number)
    assert stream._placement.timeline.tracks[None].position / SPEC.sample_rate < 600


def test_empty_chunk_that_came_behind_a_final_is_not_acknowledged_by_it() -> None:
    """It ends where the final ends, but the final's checkpoint says that it is still to come: a
    successor waits for it in vain, and puts silence in the place of nothing."""
    stream = started_stream()
    outputs = drive(stream, chunk(1), final(0.1), chunk(2, samples=0))
    left = [one.checkpoint for one in outputs if isinstance(one, Publish) and one.checkpoint]
    assert [one.next_seq for one in left] == [2]
    assert drive(stream, Published(2)) == [Acknowledge(1)]


def test_known_gap_behind_a_new_one_does_not_turn_the_clock_back() -> None:
    """The predecessor had chunk 2; the successor gives it up, so that everything behind it moves.
    The known gap keeps its length, not its place: otherwise two gaps lie on the same samples."""
    left = Checkpoint(gaps=(Gap(4, 4, 2 * CHUNK, 3 * CHUNK),))
    stream = started_stream(checkpoint=left, gap_timeout=2.0, answer_timeout=99.0)
    outputs = drive(stream, chunk(1), chunk(3, tag=2))
    outputs += drive(stream, DeadlinePassed(), now=2.0)
    assert (
        stream._placement.timeline.tracks[None].position
        == sum(map(len, sent(outputs)))
        == 4 * CHUNK
    )


def test_empty_chunks_do_not_use_up_the_prefetch_for_good() -> None:
    """``oldest`` says sample 0, which ``relieve`` takes for nothing; and a full stream is never
    idle, so that this one would hang for ever."""
    stream = started_stream(prefetch=20)
    outputs = drive(stream, *[chunk(seq, samples=0) for seq in range(1, 21)])
    for one in [one for one in outputs if isinstance(one, SaveCheckpoint)]:
        outputs += drive(stream, Published(one.seq))
    assert acknowledged(outputs) != []


# -- events that the broker does not take ----------------------------------------------------------


def test_stream_with_more_events_than_may_wait_for_the_broker_fails_once() -> None:
    """Its last event waits for its turn like every other; reports that come meanwhile are late."""
    stream = started_stream()
    drive(stream, chunk(1))
    close, failed = drive(stream, BacklogExceeded(20_000_000))
    assert isinstance(failed, Publish)
    assert (close, failed.event) == (
        CloseConnection(),
        events.StreamFailed(
            "s",
            "event_backlog",
            "20000000 bytes of the stream's events wait for RabbitMQ, more than one stream may "
            "have: upstream says too much, or RabbitMQ takes too little; "
            "see SPEECHMQ_WORKER__STREAM_BACKLOG_BYTES",
            retryable=True,
        ),
    )
    assert drive(stream, BacklogExceeded(20_000_100)) == []
    assert drive(stream, Published(failed.seq)) == [Finish(Outcome.FAILED)]


def test_checkpoint_knows_no_gap_that_is_published_after_it() -> None:
    """A successor would otherwise have silence in its place that no consumer knows of."""
    stream = started_stream(max_chunk=0.1)
    drive(stream, chunk(2, samples=900), chunk(3, samples=1000))
    outputs = drive(stream, chunk(1))
    second, third = Gap(2, 2, 800, 1700), Gap(3, 3, 1700, 2700)
    assert [
        (one.event.first_seq, one.checkpoint and one.checkpoint.gaps)
        for one in outputs
        if isinstance(one, Publish) and isinstance(one.event, events.AudioGap)
    ] == [(2, (second,)), (3, (second, third))]
