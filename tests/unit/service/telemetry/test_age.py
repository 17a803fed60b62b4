"""How old the oldest delivery is, from notes that are made now and then."""

from __future__ import annotations

from speechmq.telemetry.age import UnsettledAge


def test_what_is_acknowledged_has_no_age() -> None:
    assert UnsettledAge(0.0).of(None, 100.0) == 0.0


def test_age_is_known_to_within_two_notes_and_never_too_low() -> None:
    age = UnsettledAge(0.0)
    for now in range(1, 11):
        age.note(now * 10, float(now))  # ten deliveries a second
    assert age.of(1, 10.0) == 10.0
    assert age.of(55, 10.0) == 5.0  # it came in the sixth second
    assert age.of(100, 10.0) == 1.0


def test_silence_before_a_delivery_is_not_its_age() -> None:
    age = UnsettledAge(0.0)
    age.note(7, 1.0)
    age.note(7, 600.0)
    assert age.of(8, 601.0) == 1.0


def test_notes_do_not_pile_up_while_nothing_comes() -> None:
    age = UnsettledAge(0.0)
    for now in range(1, 1000):
        age.note(5, float(now))
    assert age.of(1, 1000.0) == 1000.0
    assert len(age._notes) == 2
