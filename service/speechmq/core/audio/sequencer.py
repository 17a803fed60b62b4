"""Is it a delivery's turn? Decided once: repeats fall out, holes are waited for."""

from __future__ import annotations

import math
from enum import Enum

from ..values.checkpoint import Checkpoint, Gap
from ..values.inputs import Sequenced
from ..values.spec import Limits
from ..values.timers import Timer, Timers
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

    ``Timer.HOLE`` runs while a hole is waited for. ``now`` is when the stream began here.
    """

    def __init__(
        self, limits: Limits, timers: Timers, began: Checkpoint | None = None, *, now: float = 0.0
    ) -> None:
        began = began or Checkpoint()
        self.expected = self._first = began.next_seq
        self._limits = limits
        self._timers = timers
        self.repeats = began.totals.duplicates
        self.end: End | None = None
        self._held: dict[int, Sequenced] = {}
        self._gaps = list(began.gaps)
        self._hole_at: int | None = None
        # Audio may be under way by the early queue when the stream begins here.
        self._early_until = now + limits.early_wait
        self._first_direct: float = math.inf

    @property
    def has_hole(self) -> bool:
        """Whether the next message is missing, and later ones are there."""
        return bool(self._held) and self.expected not in self._held

    def offer(self, delivery: Sequenced, now: float) -> Place | Rejection:
        """Holds an ``IN_ORDER`` or ``EARLY`` delivery, which comes back from ``take``."""
        seq = delivery.seq
        if delivery.is_early:
            self._expect_more_early_audio(now)
        elif seq < self._first_direct:
            self._first_direct = seq
        if self.end is not None and seq > self.end.last_seq:
            # Held, it would never have its turn, and its tag would hold back all acknowledgements.
            return after_end(delivery, self.end)
        if seq - self.expected > self._limits.max_missing:
            # A number out of nowhere is a publisher's mistake, no hole to be waited for.
            return too_far(delivery, self.expected)
        if self._was_given_up(seq):
            self._count_repeat(seq)
            return Place.LATE
        if seq < self.expected or seq in self._held:
            self._count_repeat(seq)
            return Place.DUPLICATE
        # The prefetch bounds what is held: a hole becomes a gap before it is used up.
        self._held[seq] = delivery
        if seq == self.expected:
            return Place.IN_ORDER
        self._watch_hole(now)
        return Place.EARLY

    def _count_repeat(self, seq: int) -> None:
        # What a predecessor saw covered may be delivered again: that is no publisher's mistake.
        if seq >= self._first:
            self.repeats += 1

    def take(self, now: float) -> Sequenced | None:
        """The next delivery in order, or nothing while it is missing."""
        delivery = self._held.pop(self.expected, None)
        if delivery is not None:
            self.expected += 1
        # Most streams have no hole: they neither set nor stop a timer for each chunk.
        if self._held or self._hole_at is not None:
            self._watch_hole(now)
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

    # -- holes -----------------------------------------------------------------------------------

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

    def wait_longer(self, now: float) -> None:
        """The hole cannot become a gap yet."""
        self._timers.set(Timer.HOLE, now + self._limits.gap_timeout)

    def _was_given_up(self, seq: int) -> bool:
        return bool(self._gaps) and any(one.first_seq <= seq <= one.last_seq for one in self._gaps)

    def _expect_more_early_audio(self, now: float) -> None:
        # The early queue forwards one message after another: more of it may follow this one.
        self._early_until = now + self._limits.early_wait
        if Timer.HOLE in self._timers and self._may_fill_from_early_queue:
            self._timers.set(Timer.HOLE, self._early_until)

    @property
    def _may_fill_from_early_queue(self) -> bool:
        # What took the early queue was sent before anything that came directly.
        return self.expected < self._first_direct

    def _watch_hole(self, now: float) -> None:
        if not self.has_hole:
            self._hole_at = None
            self._timers.stop(Timer.HOLE)
        elif Timer.HOLE not in self._timers or self.expected != self._hole_at:
            # A new hole has all of the time, however long another was waited for.
            self._hole_at = self.expected
            due = now + self._limits.gap_timeout
            if self._may_fill_from_early_queue:
                # Early audio interleaves with direct audio for so long.
                due = max(due, self._early_until)
            self._timers.set(Timer.HOLE, due)
