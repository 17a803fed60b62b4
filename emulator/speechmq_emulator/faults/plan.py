"""Which faults a session meets, and where in it: drawn from a seed, so that a run can be repeated.

Session n meets the same faults at the same positions whenever the seed and the faults are
the same, whatever else happens meanwhile: each draw has a generator of its own.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from speechmq_emulator.faults.fault import (
    AfterReceived,
    AfterSent,
    AtAudio,
    Before,
    Behind,
    Fault,
    Moment,
    Span,
    Trigger,
)


@dataclass(slots=True, eq=False)
class Planned:
    """One fault of a plan. ``number`` counts from 1, and is never used again."""

    number: int
    fault: Fault
    fired: int = 0
    """How often it has acted."""
    everywhere: bool = False
    """Whether the sessions to come meet it."""
    withdrawn: bool = False

    def claim(self) -> bool:
        """Whether it may act once more; if so, that is counted."""
        times = self.fault.selection.times
        if self.withdrawn or (times is not None and self.fired >= times):
            return False
        self.fired += 1
        return True


@dataclass(frozen=True, slots=True)
class Drawn:
    """A fault that one session will meet, at ``position`` where its trigger has a span:
    seconds of audio, or a number of messages."""

    planned: Planned
    position: float | None

    @property
    def fault(self) -> Fault:
        return self.planned.fault


class FaultPlan:
    """Faults, and the seed from which they are drawn for each session."""

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self.seed = seed
        self._next = 1
        self._planned: dict[int, Planned] = {}
        for fault in faults:
            self.add(fault)

    @property
    def faults(self) -> list[Planned]:
        """Those that are not withdrawn, oldest first."""
        return list(self._planned.values())

    def add(self, fault: Fault) -> Planned:
        """Plan a fault for the sessions that begin from now on."""
        planned = self.add_for_one(fault)
        planned.everywhere = True
        return planned

    def add_for_one(self, fault: Fault) -> Planned:
        """Number a fault that no session will draw by itself."""
        planned = Planned(self._next, fault)
        self._next += 1
        self._planned[planned.number] = planned
        return planned

    def withdraw(self, number: int) -> bool:
        """Let a fault act no more; False where there is none of this number."""
        planned = self._planned.pop(number, None)
        if planned is None:
            return False
        planned.withdrawn = True
        return True

    def draw(self, session: int) -> list[Drawn]:
        """What the session of this index meets."""
        ahead = [p for p in self.faults if p.everywhere and p.fault.trigger is not Moment.NOW]
        return [drawn for p in ahead if (drawn := self.draw_one(p, session)) is not None]

    def draw_one(self, planned: Planned, session: int) -> Drawn | None:
        """What the session of this index meets of one fault."""
        dice = random.Random(f"{self.seed}/{planned.number}/{session}")  # noqa: S311  # no secret
        met = dice.random() < planned.fault.selection.probability
        return Drawn(planned, _position(planned.fault.trigger, dice)) if met else None


def _position(trigger: Trigger, dice: random.Random) -> float | None:
    match trigger:
        case AtAudio(span):
            return round(dice.uniform(span.low, span.high), 3)
        case AfterReceived(span) | AfterSent(span):
            return _whole(span, dice)
        case Moment() | Before() | Behind():
            return None
        case _:
            assert_never(trigger)


def _whole(span: Span, dice: random.Random) -> int:
    return dice.randint(int(span.low), int(span.high))
