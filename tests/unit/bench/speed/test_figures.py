import pytest
from bench.speed.figures import Figure, Lags, quantile, slope, streams_on_a_core


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 50), (0.501, 51), (0.99, 99), (1.0, 100)]
)
def test_quantile_is_the_smallest_with_its_share_below(share: float, expected: int) -> None:
    assert quantile(range(1, 101), share) == expected


def test_quantile_of_one_is_that_one() -> None:
    assert [quantile([7.0], share) for share in (0.0, 0.5, 1.0)] == [7.0, 7.0, 7.0]


def test_lags_need_no_order() -> None:
    assert Lags.of([3.0, 1.0, 2.0]) == Lags(count=3, p50=2.0, p99=3.0, most=3.0)


def test_nothing_has_no_lags() -> None:
    assert Lags.of([]) == Lags(0, 0.0, 0.0, 0.0)


def test_figure_shows_median_and_spread() -> None:
    assert Figure((0.00031, 0.0001, 0.0002)).shown(factor=1e6) == "200 (100 to 310)"
    assert Figure((1.25,)).shown(1) == "1.2"


def test_slope_does_not_count_what_all_share() -> None:
    assert slope({10: 1010.0, 100: 1100.0, 500: 1500.0}) == pytest.approx(1.0)


def test_streams_on_a_core_follow_from_the_cost_of_a_chunk() -> None:
    assert streams_on_a_core(cost=0.000_25, chunk_seconds=0.1, share=0.7) == 280
