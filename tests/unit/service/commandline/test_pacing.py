import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmq.commandline.pacing import Schedule, SendTimes


def test_schedule_is_absolute() -> None:
    schedule = Schedule(start=100.0, chunk_seconds=0.1)
    assert [schedule.due(n) for n in (0, 1, 2, 36_000)] == pytest.approx([100, 100.1, 100.2, 3700])


def test_schedule_is_faster_and_slower_with_the_speed() -> None:
    assert Schedule(5.0, 0.5, speed=2.0).due(8) == 7.0
    assert Schedule(5.0, 0.5, speed=0.5).due(8) == 13.0


@given(st.integers(0, 10**7), st.sampled_from([0.02, 0.1, 1102 / 11025, 0.25]))
def test_schedule_does_not_drift(n: int, chunk_seconds: float) -> None:
    due = Schedule(1e6, chunk_seconds).due(n)
    assert due - 1e6 == pytest.approx(n * chunk_seconds, abs=1e-6)


def sent_every_second(chunk_seconds: float, count: int) -> SendTimes:
    """Chunk ``n`` was sent at second ``n``, however long it is."""
    times = SendTimes(chunk_seconds)
    for n in range(count):
        times.note(float(n))
    return times


@pytest.mark.parametrize(
    ("position", "chunk"),
    [(0.0, 0), (0.05, 0), (0.1, 0), (0.1000000001, 0), (0.11, 1), (0.2, 1), (0.3, 2), (0.95, 9)],
)
def test_position_was_sent_with_the_chunk_that_ends_at_or_behind_it(
    position: float, chunk: int
) -> None:
    assert sent_every_second(0.1, 10).sent_at(position) == chunk


def test_position_behind_the_audio_was_sent_with_the_last_chunk() -> None:
    assert sent_every_second(0.1, 3).sent_at(7.0) == 2.0


def test_nothing_was_sent_before_the_first_chunk() -> None:
    assert SendTimes(0.1).sent_at(0.0) is None


@given(st.integers(1, 500), st.sampled_from([0.02, 0.1, 1102 / 11025, 0.25]))
def test_every_chunk_end_belongs_to_its_chunk(count: int, chunk_seconds: float) -> None:
    times = sent_every_second(chunk_seconds, count)
    ends = [(n + 1) * chunk_seconds for n in range(count)]
    assert [times.sent_at(end) for end in ends] == list(range(count))
    assert [times.sent_at(end + 0.01) for end in ends[:-1]] == list(range(1, count))
