"""Messages that a fault keeps back: which, and until when. Pure: time comes in as an argument.

Messages of one name leave in the order in which they came. Those kept for ever are not
stored: nobody will ever read them.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from speechmq_emulator.faults.fault import Delay, Withhold

END = "EndOfTranscript"


@dataclass(slots=True)
class _Lane:
    """What one fault keeps back; ``until`` is the time from which it takes no more."""

    names: tuple[str, ...]
    by: float | None
    """Seconds that each message is late; None: it waits for ``until``."""
    until: float
    waiting: deque[tuple[float, str]] = field(default_factory=deque)

    def takes(self, name: str, now: float) -> bool:
        return name in self.names and (now < self.until or bool(self.waiting))

    def release(self, now: float) -> float:
        """When a message that comes now may go."""
        late = self.until if self.by is None else now + self.by
        previous = self.waiting[-1][0] if self.waiting else now
        return max(previous, late if now < self.until else now)


class Backlog:
    """At most ``bound`` messages wait; while it is ``full``, no more may be offered."""

    def __init__(self, *, bound: int = 10_000) -> None:
        self._bound = bound
        self._lanes: list[_Lane] = []
        self.ends_never = False
        """Whether ``EndOfTranscript`` came, and is kept for ever."""

    def __len__(self) -> int:
        return sum(len(lane.waiting) for lane in self._lanes)

    @property
    def full(self) -> bool:
        return len(self) >= self._bound

    @property
    def release_at(self) -> float | None:
        """When the next message may go."""
        return min((lane.waiting[0][0] for lane in self._lanes if lane.waiting), default=None)

    def keep(self, rule: Delay | Withhold, now: float) -> None:
        """Apply a fault to the messages that are offered from now on."""
        until = math.inf if rule.lasting is None else now + rule.lasting
        by = rule.by if isinstance(rule, Delay) else None
        self._lanes.append(_Lane(rule.messages, by, until))

    def offer(self, name: str, text: str, now: float) -> bool:
        """Take a message, or return False: it may go at once."""
        lanes = [lane for lane in self._lanes if lane.takes(name, now)]
        if not lanes:
            return False
        # Two faults on one name: the one that keeps it longer decides.
        lane = max(lanes, key=lambda lane: lane.release(now))
        release = lane.release(now)
        if release < math.inf:
            lane.waiting.append((release, text))
        elif name == END:
            self.ends_never = True
        return True

    def due(self, now: float) -> Iterable[str]:
        """The messages that may go now, taken out one by one."""
        while (release := self.release_at) is not None and release <= now:
            lane = next(x for x in self._lanes if x.waiting and x.waiting[0][0] == release)
            yield lane.waiting.popleft()[1]
