"""From deliveries to audio in place: order, gaps, positions, and which deliveries are done with.

Owns everything between the broker's queue and the timeline. Decides nothing about upstream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..errors import UndecodableAudio
from ..media.packets import Head
from .checkpoint import Checkpoint, Entry, Gap, Totals
from .commands import ChangeConfig, Overrides, TellSpeakers
from .decoding import Decoder, Decoding
from .inputs import ChunkDelivered, CommandDelivered, EndDelivered
from .memo import Memo
from .order import REMEMBERED_GAPS, Order, Place, Sequenced
from .refusals import Damage, End, Refusal, after_end
from .settlement import Settlement
from .spec import Limits, StreamSpec
from .timeline import Piece, Timeline

# Samples, in seconds, that are decoded before other streams have their turn.
DECODED_AT_ONCE = 0.25


def is_chunk(piece: Piece) -> bool:
    """Whether a publisher sent it as audio."""
    return piece.tag is not None and piece.command is None


class Intake:
    """The stream as its publisher sends it.

    ``tells_speakers_from`` is the message that asked for the speakers at the end, if there was one.
    ``has_news`` says that a successor has to know of something that is in no memo yet. Of a stream
    that is a file, ``decoder`` makes samples, and ``undecodable`` says why there will be no more.
    """

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        checkpoint: Checkpoint,
        memo: Memo,
        decoder: Decoder | None = None,
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
        self.undecodable: str | None = None
        self._decoding: Decoding | None = None
        self._let_go = 0
        self._ending: End | None = None
        if decoder is not None:
            step = spec.samples(DECODED_AT_ONCE)
            self._decoding = Decoding(decoder, self.timeline, spec.sample_bytes, step)
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

    def place_ready(self) -> Iterator[Refusal | Damage]:
        """Puts in place what is in order, including the gaps that a predecessor declared.

        Each refusal is to be told before the next step: a checkpoint that is published meanwhile
        must not know of a gap that nobody has been told of. Of what has to be decoded only a little
        is placed at once; ``is_decoding`` tells that there is more.
        """
        while True:
            if self._decoding is not None and self._decoding.is_busy:
                yield from self._decode(self._decoding)
                if self._decoding.is_busy:
                    return
            self._place_known_gaps()
            delivery = self.order.take()
            if delivery is None:
                return
            if isinstance(delivery, EndDelivered):
                yield from self._end(End(delivery.seq, resume_seq=delivery.seq))
            elif refusal := self._place_one(delivery):
                yield refusal

    def _place_one(self, delivery: ChunkDelivered | CommandDelivered) -> Refusal | None:
        if isinstance(delivery, CommandDelivered):
            return self._place_command(delivery)
        if self._decoding is not None:
            return self._begin_to_decode(self._decoding, delivery)
        return self._place(delivery)

    # -- audio that has to be decoded ------------------------------------------------------------

    @property
    def is_decoding(self) -> bool:
        """Whether a message is there of which not all is in place."""
        return self._decoding is not None and self._decoding.is_busy

    @property
    def head(self) -> Head | None:
        return self._decoding.head if self._decoding is not None else None

    @property
    def may_decode(self) -> bool:
        """Whether there is something to decode, and less ahead of what was sent than may be under
        way: a chunk may decode to any amount of samples."""
        ahead = self.timeline.position - self.timeline.sent
        return (
            self.is_decoding
            and self.undecodable is None
            and ahead < self._spec.samples(self._limits.window)
        )

    def _begin_to_decode(self, decoding: Decoding, delivery: ChunkDelivered) -> Refusal | None:
        size, most = len(delivery.audio), self._limits.max_encoded_chunk
        if size > most:
            reason = f"a chunk of {size} bytes is larger than {most}; send the file in pieces"
            return self._refuse(delivery, self._mean_samples, "too_large", reason)
        decoding.begin(delivery)
        return None

    def _decode(self, decoding: Decoding) -> Iterator[Refusal | Damage]:
        """Goes on with the message that is being decoded."""
        if not self.may_decode:
            return
        knew = decoding.head
        try:
            is_done = decoding.go_on()
        except UndecodableAudio as error:
            self.undecodable = f"the file cannot be decoded: {error}"
            return
        self.has_news = self.has_news or decoding.head != knew
        damage = decoding.take_damage()
        if damage is not None:
            yield Damage(f"up to {self._spec.seconds(self.timeline.position)} s: {damage}")
        if is_done and self._ending is not None:
            yield from self._end_with(self._ending)
        elif is_done:
            self.totals = replace(self.totals, chunks=self.totals.chunks + 1)

    @property
    def _mean_samples(self) -> int:
        """What a chunk of a file was decoded to so far, on average."""
        chunks = self.totals.chunks
        return (self.timeline.position - self.totals.gap_samples) // chunks if chunks else 0

    def let_go_before(self, seq: int) -> None:
        """A successor that begins with an earlier message must not be counted on any more."""
        self._let_go = seq

    # -- raw audio, commands, gaps ---------------------------------------------------------------

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
        """Of a file, what its decoder holds back comes before the end."""
        if self._decoding is None:
            return self._end_with(end)
        self._ending = end
        self._decoding.finish(end.resume_seq)
        return []

    def _end_with(self, end: End) -> list[Refusal]:
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
        entry = self._entry_before(delivery.seq)
        self.timeline.place_command(delivery.seq, command, delivery.tag, entry)
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
        typical = self._mean_samples if self._decoding else self._typical_samples
        samples = (last - first + 1) * (typical or self._next_samples())
        gap = self._gap(first, last, samples)
        self.order.give_up(gap)
        self._place_gap(gap)
        return gap

    def _next_samples(self) -> int:
        held = self.order.next_held()
        if self._decoding is not None:
            return 0
        return len(held.audio) // self._spec.sample_bytes if isinstance(held, ChunkDelivered) else 0

    def _gap(self, first: int, last: int, samples: int) -> Gap:
        start = self.timeline.position
        longest = self._spec.samples(self._limits.max_gap)
        return Gap(first, last, start, start + min(samples, longest))

    def _place_gap(self, gap: Gap) -> None:
        if self.order.expected <= gap.last_seq:
            self.order.give_up(gap)
        if self._decoding is not None:
            self._decoding.lose(gap.last_seq - gap.first_seq + 1)
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
        entry = self._entry_of(pieces)
        if entry is not None:
            pieces = self.timeline.from_message(entry.unit.seq)
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
        next_seq = pieces[0].seq if pieces else self._next_seq
        position = pieces[0].start if pieces else self.timeline.position
        return Checkpoint(
            next_seq=next_seq if entry is None else entry.unit.seq,
            position=position if entry is None else entry.position,
            watermark=watermark,
            gaps=kept,
            totals=totals,
            entry=entry,
        )

    def _entry_of(self, pieces: Sequence[Piece]) -> Entry | None:
        """Where in its file a successor begins that needs all of ``pieces``."""
        entry = pieces[0].entry if pieces else self._entry_before(self._next_seq)
        return None if entry is None or entry.unit.seq < self._let_go else entry

    def _entry_before(self, next_seq: int) -> Entry | None:
        return None if self._decoding is None else self._decoding.entry_before(next_seq)

    @property
    def resume_seq(self) -> int:
        """The message with which a session that begins now would begin."""
        first = self.timeline.first_seq
        return self._next_seq if first is None else first

    @property
    def _next_seq(self) -> int:
        return self.order.expected if self.end is None else self.end.resume_seq
