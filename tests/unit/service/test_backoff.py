"""Delays between tries."""

from __future__ import annotations

from itertools import islice

from speechmq.backoff import backoff


def test_delays_are_doubled_up_to_the_longest() -> None:
    assert list(islice(backoff(0.25, 2.0), 6)) == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]


def test_jitter_is_drawn_for_each_delay_and_never_grows_the_next_one() -> None:
    drawn = iter([0.0, 1.0, 0.5, 0.25])
    delays = backoff(1.0, 4.0, lambda: next(drawn))
    assert list(islice(delays, 4)) == [0.5, 3.0, 4.0, 3.0]


def test_longest_delay_below_the_first_bounds_all_but_the_first() -> None:
    assert list(islice(backoff(3.0, 2.0), 3)) == [3.0, 2.0, 2.0]
