"""A stream that sends more than its share is read more slowly, and loses nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.streams import (
    LIMITS,
    SPEC,
    added,
    chunk,
    drive,
    final,
    new_stream,
    published,
    started_stream,
)

from speechmq.core.audio.pace import REFUSAL, SHORTEST_WAIT, Bucket, Pace
from speechmq.core.stream import Stream
from speechmq.core.values.events import StreamDetached, StreamWarning
from speechmq.core.values.inputs import (
    DeadLettered,
    DeadlinePassed,
    DrainRequested,
    GarbageDelivered,
    Published,
)
from speechmq.core.values.outputs import Acknowledge, Output, Publish
from speechmq.core.values.spec import Limits


def paced(**limits: Any) -> Stream:
    """Ten messages a second and ten at once, unless ``limits`` say otherwise."""
    return started_stream(**{"max_message_rate": 10.0, "rate_burst": 1.0, **limits})


def acknowledged(outputs: list[Output]) -> list[int]:
    return [one.tag for one in outputs if isinstance(one, Acknowledge)]


def warned(outputs: list[Output]) -> list[str]:
    return [one.code for one in published(outputs) if isinstance(one, StreamWarning)]


def repeats(stream: Stream, tags: range, *, now: float) -> list[Output]:
    """Chunks that are settled as soon as they come: all but the first of them are duplicates."""
    return drive(stream, *(chunk(1, tag=tag) for tag in tags), now=now)


def covered(stream: Stream) -> list[Output]:
    """The first chunk is final, and so are all the copies of it."""
    outputs = drive(stream, added(1), final(0.1))
    seq = next(one.seq for one in outputs if isinstance(one, Publish))
    return drive(stream, Published(seq))


def test_stream_that_keeps_to_its_share_is_acknowledged_at_once() -> None:
    stream = paced()
    drive(stream, chunk(1))
    assert acknowledged(covered(stream)) == [1]
    for tag in range(2, 100):
        assert acknowledged(repeats(stream, range(tag, tag + 1), now=tag / 10)) == [tag]


def test_stream_that_sends_too_much_is_acknowledged_when_it_has_not_had_more_than_its_share() -> (
    None
):
    stream = paced()
    drive(stream, chunk(1))
    covered(stream)
    outputs = repeats(stream, range(2, 31), now=0.0)
    assert acknowledged(outputs) == list(range(2, 11))
    assert stream.deadline == pytest.approx(2.0)
    assert acknowledged(repeats(stream, range(31, 41), now=1.0)) == []
    assert stream.deadline == pytest.approx(3.0)
    assert acknowledged(drive(stream, DeadlinePassed(), now=3.0)) == [40]


def test_warning_tells_of_it_once_a_minute() -> None:
    stream = paced()
    drive(stream, chunk(1))
    covered(stream)
    assert warned(repeats(stream, range(2, 200), now=0.0)) == ["rate_limited"]
    assert warned(repeats(stream, range(200, 400), now=59.0)) == []
    assert warned(repeats(stream, range(400, 1000), now=60.0)) == ["rate_limited"]


def test_bytes_count_as_well() -> None:
    stream = paced(max_message_rate=1000.0, max_byte_rate=800.0, rate_burst=10.0)
    drive(stream, chunk(1))
    covered(stream)
    assert acknowledged(repeats(stream, range(2, 11), now=0.0)) == list(range(2, 11))
    assert acknowledged(repeats(stream, range(11, 12), now=0.0)) == []
    assert acknowledged(drive(stream, DeadlinePassed(), now=1.0)) == [11]


def test_refused_message_counts_as_ten() -> None:
    stream = paced()
    garbage = [GarbageDelivered(tag, "bad_json", "no") for tag in (1, 2)]
    drive(stream, *garbage)
    assert acknowledged(drive(stream, DeadLettered(1))) == []
    assert acknowledged(drive(stream, DeadLettered(2), now=0.9)) == []
    assert acknowledged(drive(stream, DeadlinePassed(), now=1.0)) == [2]


def test_stream_that_is_left_to_another_worker_is_acknowledged_before() -> None:
    """What was refused would otherwise be refused once more."""
    stream = paced()
    drive(stream, *(GarbageDelivered(tag, "bad_json", "no") for tag in (1, 2, 3)))
    drive(stream, *(DeadLettered(tag) for tag in (1, 2, 3)))
    outputs = drive(stream, DrainRequested("stop"))
    assert acknowledged(outputs) == [3]
    assert isinstance(published(outputs)[-1], StreamDetached)


def test_stream_that_is_read_slowly_is_not_idle() -> None:
    stream = paced(idle_timeout=5.0)
    drive(stream, chunk(1))
    covered(stream)
    repeats(stream, range(2, 100), now=0.0)
    assert "idle" not in warned(drive(stream, DeadlinePassed(), now=5.0))


def test_stream_has_its_share_from_its_beginning_on() -> None:
    assert new_stream().deadline is None
    assert Pace(LIMITS, 0.0).wait(0.0) == 0.0


@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 50_000), st.booleans()), max_size=60),
)
@example([(0.0, 0, True), (0.0, 0, True), (0.99999, 0, True), (0.0, 0, False)])  # 10 us too early
@example([(0.0, 0, True), (0.0, 0, True), (0.998, 0, True), (0.0, 0, False)])  # waits for 2 ms
def test_nobody_has_more_than_the_burst_and_the_rate(steps: list[tuple[float, int, bool]]) -> None:
    """Where each message waits for its turn, the count up to any time is bounded."""
    limits = Limits(max_message_rate=10.0, max_byte_rate=10_000.0, rate_burst=2.0)
    pace, now, messages, size = Pace(limits, 0.0), 0.0, 0, 0
    for pause, amount, is_refused in steps:
        now += pause
        now += pace.wait(now)
        share = now + 2 + SHORTEST_WAIT
        assert messages <= 10 * share + 1e-6
        assert size <= 10_000 * share + 1e-6
        pace.came(amount, now)
        messages, size = messages + 1, size + amount
        if is_refused:
            pace.refused(now)
            messages += REFUSAL - 1


def test_bucket_that_is_overdrawn_fills_at_its_rate() -> None:
    bucket = Bucket(10.0, 1.0, 0.0)
    bucket.take(30.0, 0.0)
    assert (bucket.wait(0.0), bucket.wait(1.5), bucket.wait(9.0)) == (2.0, 0.5, 0.0)


def test_defaults_leave_recordings_alone_that_come_ten_times_as_fast_as_they_were_spoken() -> None:
    """In chunks of 20 ms, 16 kHz and 16 bits, for as long as one likes."""
    limits, now = Limits(), 0.0
    pace = Pace(limits, now)
    for _ in range(20_000):
        now += 0.02 / 10
        pace.came(640, now)
        assert pace.wait(now) == 0.0
    assert SPEC.stream_id
