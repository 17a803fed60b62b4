"""From deliveries to audio in place: order, gaps, positions, and which deliveries are done with.

Owns everything between the broker's queue and the timeline. Decides nothing about upstream.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .checkpoint import Checkpoint, Gap, Totals
from .inputs import ChunkDelivered, EndDelivered
from .order import Order, Place, Sequenced
from .settlement import Settlement
from .spec import Limits, StreamSpec
from .timeline import Timeline


@dataclass(frozen=True, slots=True)
class Refusal:
    """A chunk that cannot be heard; silence stands in the place of one that had a length."""

    tag: int
    code: str
    reason: str
    gap: Gap | None = None


def after_end(delivery: Sequenced, end_seq: int) -> Refusal:
    reason = f"message {delivery.seq} came behind the end of the stream, which has seq {end_seq}"
    return Refusal(delivery.tag, "after_end", reason)


class Intake:
    """The stream as its publisher sends it."""

    def __init__(self, spec: StreamSpec, limits: Limits, checkpoint: Checkpoint) -> None:
        self._spec = spec
        self._limits = limits
        self._known_gaps = {gap.first_seq: gap for gap in checkpoint.gaps}
        self.order = Order(checkpoint.next_seq, checkpoint.gaps)
        self.timeline = Timeline(checkpoint.position)
        self.settlement = Settlement()
        self.totals: Totals = checkpoint.totals
        self.end_seq: int | None = None
        self._typical_samples = 0

    def offer(self, delivery: Sequenced) -> Place:
        """Takes one delivery in. Repeats are settled here; a late chunk is the caller's to tell."""
        self.settlement.opened(delivery.tag)
        if self.end_seq is not None and delivery.seq > self.end_seq:
            return Place.AFTER_END
        place = self.order.offer(delivery)
        if place in (Place.DUPLICATE, Place.LATE):
            self.settlement.close(delivery.tag)
            self.totals = replace(self.totals, duplicates=self.totals.duplicates + 1)
        return place

    def place_ready(self) -> list[Refusal]:
        """Puts in place what is in order, including the gaps that a predecessor declared."""
        refusals: list[Refusal] = []
        while True:
            while known := self._known_gaps.pop(self.order.expected, None):
                self._place_gap(known)
            delivery = self.order.take()
            if delivery is None:
                return refusals
            if isinstance(delivery, EndDelivered):
                return refusals + self.end(delivery.seq)
            refusal = self._place(delivery)
            if refusal:
                refusals.append(refusal)

    def end(self, seq: int) -> list[Refusal]:
        """The stream has no message behind ``seq``; refuses those that came all the same."""
        self.end_seq = seq
        return [after_end(held, seq) for held in self.order.drop_held()]

    def _place(self, delivery: ChunkDelivered) -> Refusal | None:
        samples, remainder = divmod(len(delivery.audio), self._spec.sample_bytes)
        if remainder:
            return self._refuse(delivery, samples, "bad_size", self._partial_sample(delivery))
        if samples > self._spec.samples(self._limits.max_chunk):
            return self._refuse(delivery, samples, "too_large", self._too_large(samples))
        self.totals = replace(self.totals, chunks=self.totals.chunks + 1)
        self._typical_samples = samples or self._typical_samples
        self.timeline.place(delivery.seq, samples, delivery.audio, delivery.tag)
        return None

    def _partial_sample(self, delivery: ChunkDelivered) -> str:
        return (
            f"chunk {delivery.seq} has {len(delivery.audio)} bytes, which is not a whole number of "
            f"{self._spec.encoding} samples of {self._spec.sample_bytes} bytes"
        )

    def _too_large(self, samples: int) -> str:
        return (
            f"a chunk of {self._spec.seconds(samples)} s is longer than the "
            f"{self._limits.max_chunk} s that one message may carry"
        )

    def _refuse(self, delivery: ChunkDelivered, samples: int, code: str, reason: str) -> Refusal:
        gap = self._gap(delivery.seq, delivery.seq, samples)
        self._place_gap(gap)
        return Refusal(delivery.tag, code, reason, gap)

    def give_up_hole(self) -> Gap:
        """Declares the messages before the earliest held one lost; they become silence."""
        first, last = self.order.hole()
        samples = (last - first + 1) * (self._typical_samples or self._next_samples())
        gap = self._gap(first, last, samples)
        self.order.give_up(gap)
        self._place_gap(gap)
        return gap

    def _next_samples(self) -> int:
        held = self.order.next_held()
        return len(held.audio) // self._spec.sample_bytes if isinstance(held, ChunkDelivered) else 0

    def _gap(self, first: int, last: int, samples: int) -> Gap:
        start = self.timeline.position
        longest = self._spec.samples(self._limits.max_gap)
        return Gap(first, last, start, start + min(samples, longest))

    def _place_gap(self, gap: Gap) -> None:
        if self.order.expected <= gap.last_seq:
            self.order.give_up(gap)
        samples = gap.end - gap.start
        step = self._spec.sample_rate
        silence = self._spec.silence_byte * (step * self._spec.sample_bytes)
        self.timeline.place_gap(gap, silence, step)
        self.totals = replace(self.totals, gap_samples=self.totals.gap_samples + samples)

    def release(self, sample: int) -> None:
        """Settles the deliveries whose audio ends at or before ``sample`` and was sent."""
        for tag in self.timeline.release(sample):
            self.settlement.close(tag)

    def checkpoint(self, sample: int, watermark: float, finals: int) -> Checkpoint:
        """What a successor begins with once everything up to ``sample`` is covered.

        It will count what it hears again, so the totals leave that out.
        """
        pieces = self.timeline.from_sample(sample)
        gaps: dict[int, Gap] = {}
        for piece in pieces:
            if piece.gap:
                gaps.setdefault(piece.seq, piece.gap)
        totals = replace(
            self.totals,
            finals=finals,
            chunks=self.totals.chunks - sum(piece.tag is not None for piece in pieces),
            gap_samples=self.totals.gap_samples - sum(gap.end - gap.start for gap in gaps.values()),
        )
        return Checkpoint(
            next_seq=pieces[0].seq if pieces else self.end_seq or self.order.expected,
            position=pieces[0].start if pieces else self.timeline.position,
            watermark=watermark,
            gaps=tuple(gaps.values()),
            totals=totals,
        )
