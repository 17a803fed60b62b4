"""What a seed draws for each session."""

from speechmq_emulator.faults.grammar import parse
from speechmq_emulator.faults.plan import FaultPlan


def plan(*faults: str, seed: int = 7) -> FaultPlan:
    return FaultPlan(map(parse, faults), seed=seed)


def drawn(plan: FaultPlan, sessions: int) -> list[tuple[int, int, float | None]]:
    """Session, number of the fault, and position."""
    return [
        (session, drawn.planned.number, drawn.position)
        for session in range(sessions)
        for drawn in plan.draw(session)
    ]


CHAOS = ("drop at=1s..20s probability=0.2", "silence sent=5..50 probability=0.3")


def test_same_seed_draws_the_same() -> None:
    first = drawn(plan(*CHAOS), 200)
    assert first == drawn(plan(*CHAOS), 200)
    assert first != drawn(plan(*CHAOS, seed=8), 200)


def test_draws_of_a_session_depend_on_nothing_else() -> None:
    backwards = plan(*CHAOS, "garbage at=3s")
    rows = [row for session in reversed(range(50)) for row in _rows(backwards, session)]
    assert sorted(row for row in rows if row[1] < 3) == drawn(plan(*CHAOS), 50)


def _rows(plan: FaultPlan, session: int) -> list[tuple[int, int, float]]:
    return [(session, drawn.planned.number, drawn.position or 0) for drawn in plan.draw(session)]


def test_positions_and_shares_are_as_asked() -> None:
    rows = drawn(plan(*CHAOS), 2000)
    drops = [position or 0 for _, number, position in rows if number == 1]
    silences = [position for _, number, position in rows if number == 2]
    assert 340 < len(drops) < 460
    assert 520 < len(silences) < 680
    assert 1 <= min(drops) < 2
    assert 19 < max(drops) <= 20
    assert set(silences) == set(range(5, 51))


def test_probability_may_be_never_and_always() -> None:
    assert drawn(plan("drop probability=0", "garbage probability=1"), 3) == [
        (0, 2, None),
        (1, 2, None),
        (2, 2, None),
    ]


def test_faults_for_now_are_not_for_later_sessions() -> None:
    assert drawn(plan("drop now"), 3) == []


def test_fault_acts_no_more_often_than_it_may() -> None:
    (planned,) = plan("drop times=2").faults
    assert [planned.claim() for _ in range(3)] == [True, True, False]
    assert planned.fired == 2


def test_withdrawn_fault_neither_is_drawn_nor_acts() -> None:
    chaos = plan("drop", "garbage")
    planned = chaos.faults[0]
    assert [chaos.withdraw(1), chaos.withdraw(1)] == [True, False]
    assert drawn(chaos, 1) == [(0, 2, None)]
    assert not planned.claim()


def test_number_of_a_fault_is_never_used_again() -> None:
    chaos = plan("drop", "garbage")
    chaos.withdraw(2)
    assert chaos.add(parse("silence")).number == 3
