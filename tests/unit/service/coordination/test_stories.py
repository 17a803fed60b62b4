"""Many short stories by chance, from fixed seeds: more of them than Hypothesis has the time for."""

from __future__ import annotations

import random

import pytest
from tests.unit.service.coordination.world import POOL, World

STORIES, PARTS = 240, 4
STEPS = 60


class Story:
    """Runs one; ``seed`` decides all of it."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.world = World()
        self._steps = {
            self._start: 4,
            self._repeat: 2,
            self._send_audio: 4,
            self._go_on: 7,
            self._come_to_rest: 2,
            self._depose: 1,
            self._crash: 1,
            self._write: 4,
            self._lose_a_slot: 1,
            self._wait: 2,
        }

    def run(self) -> None:
        for step in self._chance.choices([*self._steps], [*self._steps.values()], k=STEPS):
            step()

    def _start(self) -> None:
        self.world.start(self._chance.choice("abcd"))

    def _repeat(self) -> None:
        if self.world.published:
            self.world.repeat(self._chance.choice(self.world.published))

    def _send_audio(self) -> None:
        self.world.send_audio(self._chance.choice("abcd"))

    def _go_on(self) -> None:
        for _ in range(self._chance.randint(1, 15)):
            if not (possible := self.world.possible_steps()):
                return
            self._chance.choice(possible)()

    def _come_to_rest(self) -> None:
        self.world.run(rounds=300)

    def _depose(self) -> None:
        if queues := self.world.deposable():
            self._chance.choice(queues).depose()

    def _crash(self) -> None:
        worker = self._chance.choice(self.world.workers)
        self.world.crash(worker, is_frozen=self._chance.random() < 0.5)

    def _write(self) -> None:
        if owners := self.world.owning():
            self._chance.choice(owners).write(is_end=self._chance.random() < 0.4)

    def _lose_a_slot(self) -> None:
        self.world.unavailable = {self._chance.randint(1, POOL)}

    def _wait(self) -> None:
        self.world.pass_time(self._chance.choice([0.5, 2.0, 16.0]))


@pytest.mark.parametrize("part", range(PARTS))
def test_any_story_keeps_the_rules_and_comes_to_rest(part: int) -> None:
    for seed in range(part, STORIES, PARTS):
        story = Story(seed)
        story.run()
        assert (seed, story.world.verdict()) == (seed, [])
