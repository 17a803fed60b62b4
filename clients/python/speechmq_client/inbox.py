"""Which deliveries an application sees, each once, though RabbitMQ may bring them again. Pure.

RabbitMQ brings a message again when its acknowledgement, or the connection, was lost. A worker
publishes an event again when it cannot know whether the broker has it. So:

- The first delivery of an event is handed out. It is *pending* until the application settles it.
- Another delivery while it is pending is not handed out: it takes the place of the lost one, and
  its tag is what will be acknowledged. One that was published twice is acknowledged at once.
- Another delivery of what is settled is acknowledged at once.
- A partial that comes late, after something newer of its stream, is acknowledged at once: it was
  replaced already. Anything else that comes late is handed out.
- What the application gives back is forgotten, and handed out again when it comes again.

What was settled is remembered for the newest ``memory`` events.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, auto

from speechmq_schemas import Event, PartialTranscript, PartialTranslation


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """One event: its stream, and where it stands in that. Positions of a stream are in order."""

    stream_id: str
    epoch: int
    seq: int


class Verdict(Enum):
    HAND_OUT = auto()
    ACKNOWLEDGE = auto()
    """The application has seen it, or needs it no longer."""
    WAIT = auto()
    """The application has it in hand already, and will settle it."""


class Inbox:
    """Tags are the channel's, and are void when it is lost."""

    def __init__(self, memory: int = 50_000) -> None:
        self._memory = memory
        self._pending: dict[Position, int | None] = {}
        self._settled: OrderedDict[Position, None] = OrderedDict()
        self._newest: OrderedDict[str, tuple[int, int]] = OrderedDict()

    @property
    def pending(self) -> int:
        """How many events the application has not settled."""
        return len(self._pending)

    def offer(self, event: Event, position: Position, tag: int) -> Verdict:
        """What to do with a delivery."""
        if position in self._settled:
            return Verdict.ACKNOWLEDGE
        if position in self._pending:
            if self._pending[position] is not None:  # published twice: there are two messages
                return Verdict.ACKNOWLEDGE
            self._pending[position] = tag
            return Verdict.WAIT
        if self._is_replaced(event, position):
            return Verdict.ACKNOWLEDGE
        self._pending[position] = tag
        return Verdict.HAND_OUT

    def settle(self, position: Position) -> int | None:
        """The tag to acknowledge; None if its delivery was lost, or was settled before."""
        if position not in self._pending:
            return None
        self._settled[position] = None
        if len(self._settled) > self._memory:
            self._settled.popitem(last=False)
        return self._pending.pop(position)

    def give_back(self, position: Position) -> int | None:
        """The tag to give back; None as for ``settle``."""
        return self._pending.pop(position, None)

    def lost(self) -> None:
        """The channel is gone: what is pending will be delivered again."""
        for position in self._pending:
            self._pending[position] = None

    def _is_replaced(self, event: Event, position: Position) -> bool:
        place = position.epoch, position.seq
        newest = self._newest.get(position.stream_id, place)
        self._newest[position.stream_id] = max(newest, place)
        self._newest.move_to_end(position.stream_id)
        if len(self._newest) > self._memory:
            self._newest.popitem(last=False)
        return newest > place and isinstance(event, PartialTranscript | PartialTranslation)
