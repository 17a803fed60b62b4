"""From deliveries to audio in place: order, gaps, positions, and which deliveries are done with.

Owns everything between the broker's queue and the timeline. Decides nothing about upstream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from .checkpoint import Checkpoint, Gap, Totals
from .commands import ChangeConfig, Overrides, TellSpeakers
from .inputs import ChunkDelivered, CommandDelivered, EndDelivered
from .memo import Memo
from .order import REMEMBERED_GAPS, Order, Place, Sequenced
from .settlement import Settlement
from .spec import Limits, StreamSpec
from .timeline import Piece, Timeline


@dataclass(frozen=True, slots=True)
class Refusal:
    """A chunk that cannot be heard; silence stands in the place of one that had a length."""

    tag: int
    code: str
    reason: str
    gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class End:
    """``last_seq`` is the last message that counts; a successor begins with ``resume_seq``."""

    last_seq: int
    resume_seq: int


def is_chunk(piece: Piece) -> bool:
    """Whether a publisher sent it as audio."""
    return piece.tag is not None and piece.command is None


def after_end(delivery: Sequenced, end: End) -> Refusal:
    reason = f"message {delivery.seq} came behind the stream's end, message {end.last_seq}"
    return Refusal(delivery.tag, "after_end", reason)


def too_far(delivery: Sequenced, expected: int) -> Refusal:
    reason = f"message {delivery.seq} is too far ahead: {expected} is the next"
    return Refusal(delivery.tag, "seq_too_far", reason)


class Intake:
    """The stream as its publisher sends it.

    ``tells_speakers_from`` is the message that asked for the speakers at the end, if there was one.
    ``has_news`` says that a successor has to know of something that is in no memo yet.
    """

    def __init__(
        self, spec: StreamSpec, limits: Limits, checkpoint: Checkpoint, memo: Memo
    ) -> None:
        self._spec = spec
        self._limits = limits
        self._first_seq = checkpoint.next_seq
        self._known_gaps = {gap.first_seq: gap for gap in checkpoint.gaps}
        self._typical_samples = 0
        self.order = Order(checkpoint.next_seq, checkpoint.gaps)
        self.timeline = Timeline(checkpoint.position)
        self.settlement = Settlement()
        self.totals: Totals = checkpoint.totals
        self.end: End | None = None
        self.overrides = Overrides(memo.overrides)
        self.tells_speakers_from = memo.tells_speakers_from
        self.has_news = False
        self._place_known_gaps()

    def offer(self, delivery: Sequenced) -> Place:
        """Takes one delivery in. Repeats are settled here; what else does not fit is the caller's.

        What a predecessor saw covered may be delivered once more, which is no publisher's mistake.
        """
        self.settlement.opened(delivery.tag)
        if self.end is not None and delivery.seq > self.end.last_seq:
            return Place.AFTER_END
        if delivery.seq - self.order.expected > self._limits.max_missing:
            return Place.TOO_FAR
        place = self.order.offer(delivery)
        if place in (Place.DUPLICATE, Place.LATE):
            self.settlement.close(delivery.tag)
            if delivery.seq >= self._first_seq:
                self.totals = replace(self.totals, duplicates=self.totals.duplicates + 1)
        return place

    def place_ready(self) -> Iterator[Refusal]:
        """Puts in place what is in order, including the gaps that a predecessor declared.

        Each refusal is to be told before the next step: a checkpoint that is published meanwhile
        must not know of a gap that nobody has been told of.
        """
        while (delivery := self.order.take()) is not None:
            if isinstance(delivery, EndDelivered):
                yield from self._end(End(delivery.seq, resume_seq=delivery.seq))
                return
            if isinstance(delivery, CommandDelivered):
                refusal = self._place_command(delivery)
            else:
                refusal = self._place(delivery)
            if refusal:
                yield refusal
            self._place_known_gaps()

    def _place_known_gaps(self) -> None:
        """As long as they were, wherever they now begin."""
        while known := self._known_gaps.pop(self.order.expected, None):
            start = self.timeline.position
            self._place_gap(replace(known, start=start, end=start + known.end - known.start))

    def end_here(self) -> None:
        """The publisher has vanished: the stream ends without a message that says so."""
        expected = self.order.expected
        self._end(End(expected - 1, resume_seq=expected))

    def _end(self, end: End) -> list[Refusal]:
        self.end = end
        return [after_end(held, end) for held in self.order.drop_held()]

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

    def _place_command(self, delivery: CommandDelivered) -> Refusal | None:
        """Another language would end the session; it is refused here, and the stream goes on."""
        command = delivery.command
        if isinstance(command, ChangeConfig):
            started_with = self._spec.transcription_config.get("language")
            wanted = command.config.get("language") or started_with
            if wanted != started_with:
                reason = f"the language is {started_with!r} and cannot become {wanted!r}"
                return Refusal(delivery.tag, "language_change", reason)
            self.overrides.add(delivery.seq, command.config)
            self.has_news = True
        elif command == TellSpeakers(final=True) and self.tells_speakers_from is None:
            self.tells_speakers_from = delivery.seq
            self.has_news = True
        self.timeline.place_command(delivery.seq, command, delivery.tag)
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

    def release(self, seq: int) -> None:
        """Settles the deliveries before ``seq`` whose audio was sent."""
        for tag in self.timeline.release(seq):
            self.settlement.close(tag)

    def checkpoint(self, pieces: Sequence[Piece], watermark: float, finals: int) -> Checkpoint:
        """What a successor begins with when only ``pieces`` are left to be heard.

        It will count what it hears again, so the totals leave that out.
        """
        gaps: dict[int, Gap] = {}
        for piece in pieces:
            if piece.gap:
                gaps.setdefault(piece.seq, piece.gap)
        kept = tuple(gaps.values())[:REMEMBERED_GAPS]
        totals = replace(
            self.totals,
            finals=finals,
            chunks=self.totals.chunks - sum(is_chunk(piece) for piece in pieces),
            gap_samples=self.totals.gap_samples - sum(gap.end - gap.start for gap in kept),
        )
        return Checkpoint(
            next_seq=pieces[0].seq if pieces else self._next_seq,
            position=pieces[0].start if pieces else self.timeline.position,
            watermark=watermark,
            gaps=kept,
            totals=totals,
        )

    @property
    def resume_seq(self) -> int:
        """The message with which a session that begins now would begin."""
        first = self.timeline.first_seq
        return self._next_seq if first is None else first

    @property
    def _next_seq(self) -> int:
        return self.order.expected if self.end is None else self.end.resume_seq
