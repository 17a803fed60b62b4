"""What is told of a stream in the midst of it."""

from __future__ import annotations

from tests.support.streams import (
    INTERLEAVED,
    SEPARATE,
    chunk,
    drive,
    final,
    new_stream,
    started_stream,
)

from speechmq.core.states import State
from speechmq.core.status import Status, status_of
from speechmq.core.stream import Stream
from speechmq.core.values.checkpoint import Checkpoint, Gap, Totals
from speechmq.core.values.inputs import DeadlinePassed


def told(stream: Stream) -> tuple[object, ...]:
    found = status_of(stream)
    numbers = (found.received, found.finalised, found.gaps, found.lag)
    return tuple(round(number, 6) for number in numbers)


def test_stream_that_has_nothing_yet() -> None:
    stream = new_stream()
    assert status_of(stream) == Status(State.CONNECTING, 0.0, 0.0, 0.0, 0.0)


def test_what_came_and_is_not_final_is_lag() -> None:
    stream = started_stream()
    drive(stream, *(chunk(seq) for seq in range(1, 11)), final(0.7))
    assert status_of(stream).state is State.STREAMING
    assert told(stream) == (1.0, 0.7, 0.0, 0.3)


def test_final_that_reaches_beyond_the_audio_makes_no_negative_lag() -> None:
    stream = started_stream()
    drive(stream, chunk(1), final(5.0))
    assert told(stream) == (0.1, 0.1, 0.0, 0.0)


def test_gap_that_is_final_is_neither_finalised_nor_lag() -> None:
    stream = started_stream()
    drive(stream, chunk(1), chunk(3))
    drive(stream, DeadlinePassed(), now=2.5)
    assert told(stream) == (0.3, 0.0, 0.1, 0.3)
    drive(stream, final(0.15))
    assert told(stream) == (0.3, 0.1, 0.1, 0.15)
    drive(stream, final(0.3, start_time=0.15))
    assert told(stream) == (0.3, 0.2, 0.1, 0.0)


def test_successor_counts_on_from_its_checkpoint() -> None:
    gap = Gap(first_seq=5, last_seq=5, start=3200, end=4000)
    checkpoint = Checkpoint(
        next_seq=5,
        position=3200,
        watermark=0.4,
        gaps=(gap,),
        totals=Totals(chunks=4, finals=1, gap_samples=0),
    )
    stream = new_stream(checkpoint=checkpoint)
    drive(stream, chunk(6))
    assert told(stream) == (0.6, 0.4, 0.1, 0.2)


def test_seconds_of_separate_channels_are_added_up_as_in_the_totals() -> None:
    stream = started_stream(spec=SEPARATE)
    drive(stream, chunk(1, "a"), chunk(2, "b"), chunk(3, "a"), chunk(5, "a"))
    drive(stream, DeadlinePassed(), now=2.5)
    assert told(stream) == (0.5, 0.0, 0.1, 0.5)
    drive(stream, final(0.25, channel="a"))
    assert told(stream) == (0.5, 0.25, 0.1, 0.25)
    drive(stream, final(0.2, channel="b"))
    assert told(stream) == (0.5, 0.35, 0.1, 0.05)


def test_seconds_of_interleaved_channels_are_added_up_as_in_the_totals() -> None:
    stream = started_stream(spec=INTERLEAVED)
    drive(stream, chunk(1, samples=1600), chunk(3, samples=1600))
    drive(stream, DeadlinePassed(), now=2.5)
    assert told(stream) == (0.6, 0.0, 0.2, 0.6)
    drive(stream, final(0.15, channel="a"))
    assert told(stream) == (0.6, 0.1, 0.2, 0.45)
