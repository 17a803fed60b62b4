"""The whole table: whether, when and where a lost session is tried again."""

import pytest

from speechmq.core.recognition.retry import (
    BUSY_CODES,
    BUSY_ERRORS,
    ELSEWHERE_CODES,
    QUOTA_CODE,
    QUOTA_ERROR,
    TERMINAL_CODES,
    TERMINAL_ERRORS,
    TERMINAL_STATUS,
    Attempts,
    Decision,
    Failure,
    GiveUp,
    RetryAfter,
    TryElsewhere,
    decide,
    region_after,
    silence,
)
from speechmq.core.values.spec import Limits
from speechmq.core.values.timers import Timer

LIMITS = Limits(retry_attempts=8, start_timeout=30.0, answer_timeout=10.0, end_timeout=30.0)


def lost(close_code: int = 1006, *, began: bool = True) -> Failure:
    return Failure("connection_lost", "gone", close_code=close_code, began=began)


def unreachable(status: int | None = None) -> Failure:
    return Failure("unreachable", "no route", status=status)


def error(code: str, *, began: bool = True) -> Failure:
    return Failure(code, "", began=began)


TERMINAL = [
    *map(error, sorted(TERMINAL_ERRORS)),
    *map(lost, sorted(TERMINAL_CODES)),
    *map(unreachable, sorted(TERMINAL_STATUS)),
]
QUOTA = [error(QUOTA_ERROR), error(QUOTA_ERROR, began=False), lost(QUOTA_CODE)]
BUSY = [
    *map(error, sorted(BUSY_ERRORS - {QUOTA_ERROR})),
    *map(lost, sorted(BUSY_CODES - {QUOTA_CODE})),
]


def test_codes_are_those_of_the_api() -> None:
    assert sorted(TERMINAL_CODES) == [4001, 4003, 4004, 4006]
    assert sorted(BUSY_CODES) == [1011, 4005, 4013]


@pytest.mark.parametrize("regions", [1, 3])
@pytest.mark.parametrize("failure", TERMINAL, ids=str)
def test_nothing_is_tried_again_that_another_try_cannot_help(
    failure: Failure, regions: int
) -> None:
    assert decide(failure, 1, 0.0, limits=LIMITS, regions=regions) == GiveUp()


@pytest.mark.parametrize("regions", [1, 3])
@pytest.mark.parametrize("failure", QUOTA, ids=str)
def test_full_account_is_waited_for_however_long_it_takes(failure: Failure, regions: int) -> None:
    assert [
        decide(failure, attempt, jitter, limits=LIMITS, regions=regions)
        for attempt, jitter in [(0, 0.0), (1, 0.5), (9, 0.0), (10_000, 1.0)]
    ] == [RetryAfter(5.0), RetryAfter(7.5), RetryAfter(5.0), RetryAfter(10.0)]


@pytest.mark.parametrize("failure", BUSY, ids=str)
def test_busy_upstream_is_given_five_to_ten_seconds(failure: Failure) -> None:
    assert [
        decide(failure, attempt, jitter, limits=LIMITS)
        for attempt, jitter in [(1, 0.0), (7, 0.5), (8, 1.0), (9, 0.0)]
    ] == [RetryAfter(5.0), RetryAfter(7.5), RetryAfter(10.0), GiveUp()]


@pytest.mark.parametrize("failure", [lost(), lost(1001), unreachable(), unreachable(503)], ids=str)
def test_other_losses_back_off_from_a_quarter_second_to_ten_until_tries_are_used_up(
    failure: Failure,
) -> None:
    delays = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    expected: list[Decision] = [RetryAfter(delay) for delay in delays]
    tries = range(1, 10)
    assert [decide(failure, one, 1.0, limits=LIMITS) for one in tries] == [*expected, GiveUp()]
    assert decide(failure, 1, 0.0, limits=LIMITS) == RetryAfter(0.125)


def test_back_off_of_any_count_is_a_number() -> None:
    limits = Limits(retry_attempts=10**9)
    assert decide(lost(), 10**9, 1.0, limits=limits) == RetryAfter(10.0)


@pytest.mark.parametrize(
    "failure",
    [unreachable(), unreachable(503), lost(began=False), lost(1001), lost(1012), lost(1013)],
    ids=str,
)
def test_each_region_is_tried_at_once_and_then_with_back_off(failure: Failure) -> None:
    tries = range(1, 7)
    assert [decide(failure, one, 1.0, limits=LIMITS, regions=3) for one in tries] == [
        TryElsewhere(0.0),
        TryElsewhere(0.0),
        TryElsewhere(0.25),
        TryElsewhere(0.5),
        TryElsewhere(1.0),
        TryElsewhere(2.0),
    ]
    assert decide(failure, 9, 1.0, limits=LIMITS, regions=3) == GiveUp()


def test_region_that_is_full_is_left_and_when_all_are_they_are_given_five_seconds() -> None:
    tries = range(1, 5)
    assert [decide(lost(4013), one, 0.0, limits=LIMITS, regions=2) for one in tries] == [
        TryElsewhere(0.0),
        TryElsewhere(5.0),
        TryElsewhere(5.0),
        TryElsewhere(5.0),
    ]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (lost(1006), RetryAfter(0.25)),
        (error("session_timeout"), RetryAfter(0.25)),
        (lost(1011, began=False), RetryAfter(10.0)),
        (error("job_error", began=False), RetryAfter(10.0)),
        (error("key_unavailable", began=False), RetryAfter(0.25)),
    ],
    ids=str,
)
def test_session_that_was_lost_by_itself_is_tried_where_it_was(
    failure: Failure, expected: Decision
) -> None:
    assert decide(failure, 1, 1.0, limits=LIMITS, regions=3) == expected


def test_only_what_speaks_of_a_place_leads_elsewhere() -> None:
    regional = [code for code in range(1000, 5000) if lost(code).is_local_to_region]
    assert regional == sorted(ELSEWHERE_CODES) == [1001, 1012, 1013, 4013]


@pytest.mark.parametrize(
    ("timer", "expected"),
    [
        (Timer.START, Failure("start_timeout", "recognition did not start in 30.0 s")),
        (Timer.ANSWER, Failure("unanswered", "upstream read no audio for 10.0 s", began=True)),
        (
            Timer.END,
            Failure("end_timeout", "no end of transcript came in 30.0 s", began=True),
        ),
    ],
)
def test_silence_is_a_failure_that_says_what_upstream_owed(timer: Timer, expected: Failure) -> None:
    assert silence(timer, LIMITS) == expected


# -- the count -------------------------------------------------------------------------------------


def attempts(regions: int = 1) -> Attempts:
    return Attempts(
        Limits(retry_attempts=2, healthy_after=10.0), jitter=lambda: 0.0, regions=regions
    )


def test_attempts_are_used_up_and_forgiven_after_a_healthy_stretch() -> None:
    tries = attempts()
    lived = [0.0, 9.9, 10.0, 0.0, 0.0]
    assert [tries.delay_after(lost(), lived=one) for one in lived] == [
        0.125,
        0.25,
        0.125,
        0.25,
        None,
    ]


@pytest.mark.parametrize(("lived", "delay"), [(9.9, None), (10.0, 0.125)])
def test_attempts_are_forgiven_only_when_a_session_lived_for_long_enough(
    lived: float, delay: float | None
) -> None:
    tries = attempts()
    tries.delay_after(lost(), lived=0.0)
    tries.delay_after(lost(), lived=0.0)
    tries.forgive(lived)
    assert tries.delay_after(lost(), lived=0.0) == delay


def test_wait_for_quota_is_no_attempt() -> None:
    tries = attempts()
    full = error(QUOTA_ERROR, began=False)
    failures = [lost(), full, full, full, lost(), full, lost()]
    assert [tries.delay_after(one, lived=0.0) for one in failures] == [
        0.125,
        5.0,
        5.0,
        5.0,
        0.25,
        5.0,
        None,
    ]


def test_attempts_go_round_the_regions_and_stay_where_a_session_lived() -> None:
    tries = Attempts(LIMITS, jitter=lambda: 1.0, regions=3)
    failures = [unreachable(), lost(1006), unreachable(), unreachable(), unreachable()]
    assert tries.region == 0
    assert [(tries.delay_after(one, lived=0.0), tries.region) for one in failures] == [
        (0.0, 1),
        (0.5, 1),
        (0.25, 2),
        (0.5, 0),
        (1.0, 1),
    ]
    assert (tries.delay_after(lost(1012), lived=60.0), tries.region) == (0.0, 0)


# -- the first region ------------------------------------------------------------------------------

SAME, NEXT = RetryAfter(1.0), TryElsewhere(0.0)


@pytest.mark.parametrize(
    ("decision", "region", "was_healthy", "expected"),
    [
        (SAME, 0, False, 0),
        (SAME, 0, True, 0),
        (NEXT, 0, False, 1),
        (NEXT, 0, True, 1),
        (SAME, 1, False, 1),
        (SAME, 1, True, 0),
        (NEXT, 1, False, 2),
        (NEXT, 1, True, 0),
        (SAME, 2, True, 0),
        (NEXT, 2, False, 0),
    ],
)
def test_stream_that_was_led_away_tries_the_first_region_after_a_healthy_stretch(
    decision: Decision, region: int, was_healthy: bool, expected: int
) -> None:
    assert region_after(decision, region, regions=3, was_healthy=was_healthy) == expected


def test_first_region_that_still_is_in_trouble_is_left_at_once() -> None:
    tries = Attempts(LIMITS, jitter=lambda: 0.0, regions=2)
    assert (tries.delay_after(unreachable(), lived=0.0), tries.region) == (0.0, 1)
    assert (tries.delay_after(lost(1006), lived=60.0), tries.region) == (0.125, 0)
    assert (tries.delay_after(unreachable(), lived=0.0)) == 0.125
    assert tries.region == 1


def test_planned_session_goes_to_the_first_region_and_to_the_present_one_when_it_failed() -> None:
    tries = Attempts(LIMITS, jitter=lambda: 0.0, regions=2)
    tries.delay_after(unreachable(), lived=0.0)
    planned = []
    for _ in range(3):
        planned.append(tries.plan())
        tries.plan_failed()
    assert (planned, tries.region) == ([0, 1, 0], 1)
    assert tries.plan() == 1
    tries.plan_succeeded()
    assert (tries.region, tries.plan()) == (1, 0)
    tries.plan_succeeded()
    assert tries.region == 0


def test_stream_without_a_session_begins_in_the_first_region() -> None:
    tries = Attempts(LIMITS, jitter=lambda: 0.0, regions=2)
    tries.delay_after(unreachable(), lived=0.0)
    tries.return_to_first()
    assert tries.region == 0
