import pytest

from speechmq.session.retry import (
    BUSY_CODES,
    BUSY_ERRORS,
    TERMINAL_CODES,
    TERMINAL_ERRORS,
    TERMINAL_STATUS,
    Attempts,
    Failure,
    delay_before,
)
from speechmq.session.spec import Limits


@pytest.mark.parametrize(
    "failure",
    [
        *[Failure(code, "") for code in sorted(TERMINAL_ERRORS)],
        *[Failure("connection_lost", "", close_code=code) for code in sorted(TERMINAL_CODES)],
        *[Failure("unreachable", "", status=status) for status in sorted(TERMINAL_STATUS)],
    ],
)
def test_nothing_is_tried_again_that_another_try_cannot_help(failure: Failure) -> None:
    assert delay_before(failure, 1, 0.0) is None


@pytest.mark.parametrize(
    "failure",
    [
        *[Failure(code, "") for code in sorted(BUSY_ERRORS)],
        *[Failure("connection_lost", "", close_code=code) for code in sorted(BUSY_CODES)],
    ],
)
def test_busy_upstream_is_given_five_to_ten_seconds(failure: Failure) -> None:
    assert [delay_before(failure, 7, jitter) for jitter in (0.0, 0.5)] == [5.0, 7.5]


def test_other_losses_back_off_from_a_quarter_second_to_ten() -> None:
    lost = Failure("connection_lost", "", close_code=1006)
    assert [delay_before(lost, attempt, 1.0) for attempt in range(1, 9)] == [
        0.25,
        0.5,
        1.0,
        2.0,
        4.0,
        8.0,
        10.0,
        10.0,
    ]
    assert delay_before(lost, 1, 0.0) == 0.125


def test_attempts_are_used_up_and_wiped_out_by_a_healthy_session() -> None:
    lost = Failure("connection_lost", "", close_code=1006)
    attempts = Attempts(Limits(retry_attempts=2, healthy_after=10.0), lambda: 0.0)
    lived = [0.0, 9.9, 10.0, 0.0, 0.0]
    assert [attempts.delay_after(lost, lived=one) for one in lived] == [
        0.125,
        0.25,
        0.125,
        0.25,
        None,
    ]
