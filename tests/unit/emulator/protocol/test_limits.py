"""Limits and the countdowns towards them."""

import math
from typing import Any

import pytest

from speechmq_emulator.protocol.limits import Countdown, Limits


@pytest.mark.parametrize(
    "name", ["quota", "max_channels", "session", "idle", "contact", "duration", "time_scale"]
)
@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_limits_must_be_more_than_nothing(name: str, value: float) -> None:
    fields: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=f"{name} is {value}; it must be more than 0"):
        Limits(**fields)


def test_countdown_waits_for_nothing_before_its_start() -> None:
    countdown = Countdown(60)
    assert (countdown.deadline, countdown.passed(1e9)) == (None, [])


def test_countdown_tells_each_warning_and_the_end_once() -> None:
    countdown = Countdown(3600, (15, 10, 5))
    countdown.restart(1000)
    told = []
    while (deadline := countdown.deadline) is not None:
        told.append((deadline, countdown.passed(deadline - 0.1), countdown.passed(deadline)))
    assert told == [(3700, [], [15]), (4000, [], [10]), (4300, [], [5]), (4600, [], [0])]


def test_countdown_tells_at_once_what_was_missed() -> None:
    countdown = Countdown(3600, (15, 10, 5))
    countdown.restart(0)
    assert countdown.passed(4000) == [15, 10, 5, 0]


def test_countdown_starts_anew() -> None:
    countdown = Countdown(3600, (15, 10, 5))
    countdown.restart(0)
    countdown.passed(2700)
    countdown.restart(2800)
    assert (countdown.deadline, countdown.passed(5500)) == (5500, [15])


def test_countdown_leaves_out_warnings_that_do_not_fit() -> None:
    countdown = Countdown(600, (15, 10, 5))
    countdown.restart(0)
    assert countdown.passed(600) == [5, 0]


def test_countdown_runs_faster_by_its_scale() -> None:
    countdown = Countdown(3600, (15,), time_scale=3600)
    countdown.restart(10)
    assert countdown.deadline == 10.75
    assert countdown.passed(11) == [15, 0]
    assert countdown.elapsed(15) == 45
