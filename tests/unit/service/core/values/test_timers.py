from speechmq.core.values.timers import Timer, Timers


def test_earliest_timer_is_the_deadline_and_is_taken_first() -> None:
    timers = Timers()
    timers.set(Timer.IDLE, 9.0)
    timers.set(Timer.HOLE, 3.0)
    assert timers.deadline == 3.0
    assert timers.take_due(2.9) is None
    assert [timers.take_due(9.0), timers.take_due(9.0), timers.take_due(9.0)] == [
        Timer.HOLE,
        Timer.IDLE,
        None,
    ]
    assert timers.deadline is None


def test_timer_that_is_set_again_moves() -> None:
    timers = Timers()
    timers.set(Timer.IDLE, 1.0)
    timers.set(Timer.IDLE, 2.0)
    assert timers.take_due(1.5) is None


def test_stopped_timers_never_come() -> None:
    timers = Timers()
    timers.set(Timer.IDLE, 1.0)
    timers.set(Timer.END, 1.0)
    timers.stop(Timer.IDLE, Timer.HOLE)
    assert (Timer.IDLE in timers, Timer.END in timers) == (False, True)
    timers.clear()
    assert timers.take_due(9.0) is None
