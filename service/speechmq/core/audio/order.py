"""Puts deliveries in the order of their ``seq``: duplicates fall out, holes are waited for."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from ..values.checkpoint import Gap
from ..values.inputs import ChunkDelivered, CommandDelivered, EndDelivered

Sequenced = ChunkDelivered | CommandDelivered | EndDelivered

# A chunk that is later than that many gaps counts as a duplicate, which is dropped all the same; a
# checkpoint, which travels in one frame, names as many.
REMEMBERED_GAPS = 256


class Place(Enum):
    """What a delivery's ``seq`` says about it."""

    IN_ORDER = "in order"
    EARLY = "early"
    DUPLICATE = "duplicate"
    LATE = "late"
    AFTER_END = "after end"
    TOO_FAR = "too far"


class Order:
    """``expected`` is the next ``seq``; what lies behind a hole is held.

    The hold is bounded by the channel's prefetch: whoever fills it must declare the hole a gap.
    """

    __slots__ = ("_gaps", "_held", "expected")

    def __init__(self, expected: int, gaps: Iterable[Gap] = ()) -> None:
        self.expected = expected
        self._held: dict[int, Sequenced] = {}
        self._gaps = list(gaps)

    @property
    def has_hole(self) -> bool:
        """Whether the next message is missing, and later ones are there."""
        return bool(self._held) and self.expected not in self._held

    def offer(self, delivery: Sequenced) -> Place:
        """Files the delivery; an ``IN_ORDER`` or ``EARLY`` one comes back from ``take``."""
        seq = delivery.seq
        if self._was_given_up(seq):
            return Place.LATE
        if seq < self.expected or seq in self._held:
            return Place.DUPLICATE
        self._held[seq] = delivery
        return Place.IN_ORDER if seq == self.expected else Place.EARLY

    def take(self) -> Sequenced | None:
        """The next delivery in order, or nothing while it is missing."""
        delivery = self._held.pop(self.expected, None)
        if delivery is not None:
            self.expected += 1
        return delivery

    def drop_held(self) -> list[Sequenced]:
        """Lets go of everything that is held, in order."""
        dropped = [self._held[seq] for seq in sorted(self._held)]
        self._held.clear()
        return dropped

    def hole(self) -> tuple[int, int]:
        """First and last ``seq`` that are missing before the earliest held delivery."""
        return self.expected, min(self._held) - 1

    def next_held(self) -> Sequenced:
        return self._held[min(self._held)]

    def give_up(self, gap: Gap) -> None:
        """Stops waiting for the messages of ``gap``."""
        self.expected = gap.last_seq + 1
        self._gaps.append(gap)
        del self._gaps[:-REMEMBERED_GAPS]

    def _was_given_up(self, seq: int) -> bool:
        return bool(self._gaps) and any(one.first_seq <= seq <= one.last_seq for one in self._gaps)
