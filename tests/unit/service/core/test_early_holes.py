"""A hole is waited for as long as what is missing may still come by the early queue."""

from __future__ import annotations

from tests.support.streams import audio, chunk, drive, sent, started_stream

from speechmq.core.values.inputs import ChunkDelivered, DeadlinePassed


def early(seq: int, *, tag: int) -> ChunkDelivered:
    return ChunkDelivered(tag, seq, audio(seq), is_early=True)


def test_hole_before_direct_audio_is_waited_for_from_the_last_early_arrival() -> None:
    stream = started_stream(gap_timeout=2.0, early_wait=10.0, answer_timeout=99.0)
    drive(stream, chunk(4, tag=1))
    drive(stream, early(2, tag=2), now=9.0)
    assert stream.deadline == 19.0
    outputs = drive(stream, early(1, tag=3), early(3, tag=4), now=18.0)
    assert sent(outputs) == [audio(seq) for seq in (1, 2, 3, 4)]


def test_hole_between_early_chunks_is_given_up_when_no_more_arrive() -> None:
    stream = started_stream(gap_timeout=2.0, early_wait=10.0, answer_timeout=99.0)
    drive(stream, early(1, tag=1), early(3, tag=2))
    assert stream.deadline == 10.0
    outputs = drive(stream, DeadlinePassed(), now=10.0)
    assert sent(outputs) == [b"\xff" * 800, audio(3)]


def test_hole_behind_direct_audio_is_given_up_in_time_although_the_stream_is_young() -> None:
    stream = started_stream(gap_timeout=2.0, early_wait=10.0, answer_timeout=99.0)
    drive(stream, chunk(1), chunk(3, tag=2), early(1, tag=3))
    assert stream.deadline == 2.0
