"""Is it a delivery's turn? Decided once: repeats fall out, holes are waited for."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from ..values.checkpoint import Gap
from ..values.inputs import Sequenced
from .rejections import End, Rejection, after_end, too_far

# A chunk that is later than that many gaps counts as a duplicate, which is dropped all the same; a
# checkpoint, which travels in one frame, names as many.
REMEMBERED_GAPS = 256


class Place(Enum):
    """What a delivery's ``seq`` says about it."""

    IN_ORDER = "in order"
    EARLY = "early"
    DUPLICATE = "duplicate"
    LATE = "late"


class Sequencer:
    """``expected`` is the next ``seq``; what follows a hole is held. ``end`` is the stream's, once
    that had its turn; ``repeats`` counts what the publisher sent again.

    The hold is bounded by the channel's prefetch: when it is full, the hole must become a gap.
    """

    __slots__ = ("_first", "_gaps", "_held", "_most_missing", "end", "expected", "repeats")

    def __init__(
        self, expected: int, gaps: Iterable[Gap] = (), *, most_missing: int, repeats: int = 0
    ) -> None:
        self.expected = self._first = expected
        self._most_missing = most_missing
        self.repeats = repeats
        self.end: End | None = None
        self._held: dict[int, Sequenced] = {}
        self._gaps = list(gaps)

    @property
    def has_hole(self) -> bool:
        """Whether the next message is missing, and later ones are there."""
        return bool(self._held) and self.expected not in self._held

    def offer(self, delivery: Sequenced) -> Place | Rejection:
        """Holds an ``IN_ORDER`` or ``EARLY`` delivery, which comes back from ``take``."""
        seq = delivery.seq
        if self.end is not None and seq > self.end.last_seq:
            return after_end(delivery, self.end)
        if seq - self.expected > self._most_missing:
            return too_far(delivery, self.expected)
        if self._was_given_up(seq):
            self._count_repeat(seq)
            return Place.LATE
        if seq < self.expected or seq in self._held:
            self._count_repeat(seq)
            return Place.DUPLICATE
        self._held[seq] = delivery
        return Place.IN_ORDER if seq == self.expected else Place.EARLY

    def _count_repeat(self, seq: int) -> None:
        # What a predecessor saw covered may be delivered again: that is no publisher's mistake.
        if seq >= self._first:
            self.repeats += 1

    def take(self) -> Sequenced | None:
        """The next delivery in order, or nothing while it is missing."""
        delivery = self._held.pop(self.expected, None)
        if delivery is not None:
            self.expected += 1
        return delivery

    def end_with(self, end: End) -> list[Rejection]:
        """The stream ends here: what is held comes after it, in order."""
        self.end = end
        dropped = [after_end(self._held[seq], end) for seq in sorted(self._held)]
        self._held.clear()
        return dropped

    @property
    def next_seq(self) -> int:
        """The first message that has not had its turn."""
        return self.expected if self.end is None else self.end.resume_seq

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
