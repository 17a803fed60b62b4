"""Finals in the order of their deadlines, partials on what is left."""

from speechmq_emulator.whisper.turns import Turns


def test_session_ahead_of_real_time_waits_for_one_that_is_not() -> None:
    turns = Turns(cores=1)
    for _ in range(3):  # a file, sent at once
        turns.ask("file", 2.0, now=0.0)
        assert turns.take("file")
        turns.give_back()
    turns.ask("file", 2.0, now=1.0)
    turns.ask("live", 2.0, now=1.0)
    assert not turns.take("file")
    assert turns.take("live")
    turns.give_back()
    assert turns.take("file")


def test_no_more_decodes_run_than_there_are_cores() -> None:
    turns = Turns(cores=1)
    turns.ask("a", 1.0, now=0.0)
    turns.ask("b", 1.0, now=0.0)
    assert turns.take("a")
    assert not turns.take("b")
    turns.give_back()
    assert turns.take("b")


def test_partial_takes_no_core_that_a_final_waits_for() -> None:
    turns = Turns(cores=2)
    turns.ask("a", 1.0, now=0.0)
    assert not turns.take_preview("b", now=0.0)
    assert turns.take("a")
    assert turns.take_preview("b", now=0.1)


def test_partials_go_round() -> None:
    turns = Turns(cores=1)
    assert turns.take_preview("a", now=1.0)
    assert not turns.take_preview("b", now=1.1)
    turns.give_back()
    assert not turns.take_preview("a", now=1.2)
    assert turns.take_preview("b", now=1.3)


def test_session_that_has_left_blocks_nobody() -> None:
    turns = Turns(cores=1)
    turns.ask("a", 1.0, now=0.0)
    turns.leave("a")
    assert turns.take_preview("b", now=0.0)
