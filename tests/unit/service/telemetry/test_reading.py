"""A stream's numbers: read from its core, and adding up at its end."""

from __future__ import annotations

from dataclasses import replace

from tests.support.deliveries import Nothing
from tests.support.streams import added, chunk, end, final, new_stream, started_stream

from speechmq.core.stream import Stream
from speechmq.core.values.checkpoint import Checkpoint
from speechmq.core.values.checkpoint import Totals as Counted
from speechmq.core.values.inputs import ConnectionLost, ConnectionOpened, DeadlinePassed
from speechmq.speechmatics.messages import RecognitionStarted, TranscriptEnded
from speechmq.telemetry.observer import Observer
from speechmq.telemetry.reading import Gauge, Reading
from speechmq.telemetry.snapshot import Snapshot, sum_up
from speechmq.telemetry.totals import Totals


def read(stream: Stream) -> Reading:
    return Gauge(stream, None, Nothing(), 0.0).read("s", 1, 5.0, 5.0)


def test_stream_that_waits_for_its_first_final() -> None:
    stream = started_stream()
    for seq in (1, 2, 2, 3):
        stream.receive(chunk(seq), 1.0)
    assert read(stream) == Reading(
        "s",
        1,
        "streaming",
        5.0,
        received=0.3,
        sent=0.3,
        lag=0.3,
        unacknowledged=0.3,
        unacknowledged_bytes=2400,
        duplicates=1,
    )


def test_final_takes_the_lag_away() -> None:
    stream = started_stream()
    for seq in (1, 2, 3):
        stream.receive(chunk(seq), 1.0)
    stream.receive(added(3), 1.0)
    stream.receive(final(0.2), 1.0)
    assert (read(stream).finalised, read(stream).lag) == (0.2, 0.1)


def test_what_is_sent_again_is_counted_apart() -> None:
    stream = started_stream()
    for seq in (1, 2, 3):
        stream.receive(chunk(seq), 1.0)
    stream.receive(ConnectionLost(1006, "gone"), 1.0)
    stream.receive(DeadlinePassed(), 10.0)
    stream.receive(ConnectionOpened(), 10.0)
    stream.receive(RecognitionStarted("u"), 10.0)
    found = read(stream)
    assert (found.received, found.sent, found.replayed, found.retries) == (0.3, 0.6, 0.3, 1)


def test_received_is_finalised_plus_gaps_at_the_end() -> None:
    stream = started_stream(gap_timeout=1.0)
    gauge = Gauge(stream, None, Nothing(), 0.0)
    stream.receive(chunk(1), 1.0)
    stream.receive(chunk(3), 1.0)
    stream.receive(DeadlinePassed(), 3.0)  # chunk 2 is a gap
    stream.receive(end(4), 3.0)
    stream.receive(added(3), 3.0)
    stream.receive(final(0.25), 3.0)
    assert gauge.read("s", 1, 0.0, 0.0).finalised == 0.15
    stream.receive(TranscriptEnded(), 3.0)
    gauge.close()
    found = gauge.read("s", 1, 0.0, 0.0)
    assert (found.received, found.finalised, found.gaps) == (0.3, 0.2, 0.1)


def test_successor_does_not_count_what_was_final_before() -> None:
    """The run-up before the watermark is heard again, and was counted by the predecessor."""
    checkpoint = Checkpoint(
        next_seq=11, position=8000, watermark=1.5, totals=Counted(chunks=10, duplicates=2)
    )
    stream = new_stream(checkpoint=checkpoint)
    gauge = Gauge(stream, checkpoint, Nothing(), 0.0)
    assert gauge.read("s", 2, 0.0, 0.0) == Reading("s", 2, "connecting", 0.0)
    for seq in range(11, 21):
        stream.receive(chunk(seq), 1.0)
    assert gauge.read("s", 2, 0.0, 0.0) == replace(
        Reading("s", 2, "connecting", 0.0),
        received=0.5,
        lag=0.5,
        unacknowledged=1.0,
        unacknowledged_bytes=8000,
    )


def test_totals_outlive_their_streams_and_never_shrink() -> None:
    observer = Observer(lambda: 0.0)
    owner = observer.claimed("s")
    stream = started_stream()
    assert [one.state for one in observer.readings()] == ["claimed"]
    owner.began(stream, epoch=1, checkpoint=None, headers={}, deliveries=Nothing())
    stream.receive(chunk(1), 1.0)
    assert sum_up(observer.past, observer.readings()).totals == Totals(received=0.1, sent=0.1)
    observer.over(owner)
    observer.over(owner)
    assert list(observer.readings()) == []
    assert observer.past == Totals(received=0.1, sent=0.1)


def test_worst_off_stream_speaks_for_the_worker() -> None:
    readings = [
        Reading("a", 1, "streaming", 9.0, received=1.0, lag=0.2, unacknowledged_bytes=10),
        Reading("b", 1, "waiting", 9.0, received=2.0, lag=3.0, unacknowledged_bytes=5),
        Reading("c", 1, "streaming", 9.0, unacknowledged_age=4.0),
    ]
    assert sum_up(Totals(received=0.5), readings, waiting=3) == Snapshot(
        Totals(received=3.5),
        {"streaming": 2, "waiting": 1},
        lag=3.0,
        unacknowledged_bytes=15,
        unacknowledged_age=4.0,
        waiting=3,
    )
