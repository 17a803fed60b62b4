"""The page of results that were made up, each bridge a bit dearer than the one before."""

from bench.speed.bridges import BRIDGES
from bench.speed.figures import Lags
from bench.speed.measurement import Drained, Measured
from bench.speed.pacing import Load
from bench.speed.plan import Plan
from bench.speed.report import BY_HAND, Results, kept_of, written

PLAN = Plan(runs=2, scale_runs=1, seconds=10.0, settle=1.0)
LAGS = Lags(100, 0.001, 0.02, 0.03)


def measured(load: Load, cost: float, share: float = 1.0) -> Measured:
    chunks = round(load.chunks_per_second * load.seconds * share)
    return Measured(
        load,
        cpu=cost * chunks,
        memory=50 * 2**20 + load.streams * 102_400,
        chunks=chunks,
        messages=chunks,
        idle=0.25,
        late_streams=0,
        starting=2.0,
        to_upstream=LAGS,
        to_consumer=LAGS,
        published_late=LAGS,
    )


def results() -> Results:
    found = Results(drains=[Drained(over=1.0, resumed=1.5)])
    costs = {bridge: 0.0002 * (number + 1) for number, bridge in enumerate(BRIDGES)}
    for step in PLAN.steps():
        runs = found.costs.setdefault((step.bridge.dialect, step.load), [])
        share = 0.8 if step.bridge.dialect == "naive" and step.load == PLAN.many else 1.0
        runs.append(measured(step.load, costs[step.bridge] + 0.0001 * len(runs), share))
    return found


def lines() -> list[str]:
    return written(results(), PLAN, "a machine").splitlines()


def test_costs_stand_side_by_side_with_ratios() -> None:
    assert (
        "| CPU a chunk, 50 x 100 ms | 250 (200 to 300) µs | 450 (400 to 500) µs | "
        "650 (600 to 700) µs | 56% | 38% |" in lines()
    )


def test_bridge_that_does_not_keep_pace_is_told() -> None:
    row = next(line for line in lines() if line.startswith("| CPU a chunk, 200 x 100 ms"))
    assert row.split(" | ")[2] == "450 (400 to 500) µs, 80% of the chunks came"


def test_streams_that_a_core_holds_follow_from_the_cost_of_many() -> None:
    assert "| streams that take 70% of a core, 100 ms | 280 | 155 | 107 | 181% | 262% |" in lines()


def test_memory_of_a_stream_leaves_out_what_all_share() -> None:
    assert (
        "| memory of a stream | 100 KiB, 10 to 500 streams | 100 KiB, 10 to 100 streams | "
        "100 KiB, 10 to 500 streams |  |" in lines()
    )


def test_work_that_ever_more_streams_share_is_told_beside_the_cost_of_the_fewest() -> None:
    rows = [line for line in lines() if line.startswith(("| 250 |", "| streams that share"))]
    assert rows == [
        "| streams that share it | speechmq, CPU a chunk | floor, CPU a chunk | "
        "speechmq of the first |",
        "| 250 | 200 µs | 600 µs | 100% |",
    ]


def test_streams_that_share_work_have_the_same_chunks_and_events_each_second() -> None:
    per_second = {(one.chunks_per_second, one.streams * one.haste) for one in PLAN.shared_out()}
    assert per_second == {(2500.0, 500)}


def test_what_was_written_by_hand_outlives_the_tables() -> None:
    fresh = written(results(), PLAN, "a machine")
    by_hand = f"{BY_HAND}\nDecoding took long.\n"
    assert kept_of("# Older tables\n" + by_hand) == by_hand
    assert kept_of(fresh + by_hand) == by_hand
    assert kept_of(fresh) == ""
