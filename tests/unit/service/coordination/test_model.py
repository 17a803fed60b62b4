"""Any interleaving of deliveries, crashes, depositions and late frames, against what must hold.

The world around the two machines: a broker, publishers that start streams, send audio and repeat
themselves, workers that die or are deposed without a notice, and frames that a frozen node brings
late. At the end the broker heals, and everything has to come to rest.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.unit.service.coordination.world import POOL, World

pytestmark = pytest.mark.timeout(240)

STREAMS = st.sampled_from(["a", "b", "c", "d"])


class Model(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    # -- publishers ------------------------------------------------------------------------------

    @rule(stream=STREAMS)
    def start(self, stream: str) -> None:
        self.world.start(stream)

    @precondition(lambda self: self.world.published)
    @rule(data=st.data())
    def repeat_a_start(self, data: st.DataObject) -> None:
        self.world.repeat(data.draw(st.sampled_from(self.world.published)))

    @rule(stream=STREAMS)
    def send_audio(self, stream: str) -> None:
        self.world.send_audio(stream)

    # -- the broker ------------------------------------------------------------------------------

    @rule(steps=st.integers(1, 12), data=st.data())
    def go_on(self, steps: int, data: st.DataObject) -> None:
        for _ in range(steps):
            if not (possible := self.world.possible_steps()):
                return
            data.draw(st.sampled_from(possible))()

    @rule()
    def come_to_rest(self) -> None:
        self.world.run(rounds=300)

    @precondition(lambda self: self.world.deposable())
    @rule(data=st.data())
    def depose(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.world.deposable())).depose()

    @rule(data=st.data(), is_frozen=st.booleans())
    def crash(self, data: st.DataObject, is_frozen: bool) -> None:
        """With ``is_frozen`` what it had asked for comes to the broker later."""
        self.world.crash(data.draw(st.sampled_from(self.world.workers)), is_frozen=is_frozen)

    @rule(seconds=st.sampled_from([0.5, 2.0, 16.0]))
    def wait(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(slot=st.integers(1, POOL))
    def node_of_a_slot_is_down(self, slot: int) -> None:
        self.world.unavailable = {slot}

    # -- owners ----------------------------------------------------------------------------------

    @precondition(lambda self: self.world.owning())
    @rule(data=st.data(), is_end=st.booleans())
    def write(self, data: st.DataObject, is_end: bool) -> None:
        data.draw(st.sampled_from(self.world.owning())).write(is_end=is_end)

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def nothing_is_broken(self) -> None:
        assert self.world.broken == []

    def teardown(self) -> None:
        assert self.world.verdict() == []


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
