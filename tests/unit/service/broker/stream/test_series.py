"""The count of owners that got a stream no further."""

import pytest

from speechmq.broker.stream.checkpoints import Series

WINDOW = 600_000


def test_first_owner_begins_a_series() -> None:
    assert Series(0, 0).next(5_000_000, WINDOW) == Series(1, 5_000_000)


def test_each_owner_within_the_window_counts_and_the_first_one_dates_it() -> None:
    series = Series(1, 1000)
    for now in (2000, 3000, 1000 + WINDOW):
        series = series.next(now, WINDOW)
    assert series == Series(4, 1000)


def test_series_begins_anew_when_the_window_is_over() -> None:
    assert Series(7, 1000).next(1001 + WINDOW, WINDOW) == Series(1, 1001 + WINDOW)


@pytest.mark.parametrize("now", [999, 0])
def test_clock_that_was_set_back_does_not_forget_the_series(now: int) -> None:
    assert Series(7, 1000).next(now, WINDOW) == Series(8, 1000)
