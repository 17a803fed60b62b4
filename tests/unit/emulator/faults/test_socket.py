"""A socket that faults act on, at its end."""

from typing import Any, cast

from speechmq_emulator.faults.course import Course
from speechmq_emulator.faults.grammar import parse
from speechmq_emulator.faults.plan import FaultPlan
from speechmq_emulator.faults.socket import FaultySocket


async def test_fault_that_strikes_as_the_session_ends_does_nothing() -> None:
    """Whoever strikes cannot know that it is too late: the session is still listed."""
    plan = FaultPlan([parse("drop")])
    nothing = cast("Any", None)
    socket = FaultySocket(nothing, Course(0, [], language=None), nothing, "session")
    async with socket.attended():
        pass
    (drawn,) = plan.draw(0)
    socket.strike(drawn)
    assert not socket.recognising
