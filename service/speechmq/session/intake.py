"""From deliveries to audio in place: order, gaps, positions, and which deliveries are done with.

Owns everything between the broker's queue and the timeline. Decides nothing about upstream.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .channels import Channels, Fault
from .checkpoint import ChannelMark, Checkpoint, Gap, Totals
from .commands import ChangeConfig, CloseChannel, Command, ForceUtterance, Overrides, TellSpeakers
from .inputs import ChunkDelivered, CommandDelivered, EndDelivered
from .memo import Memo
from .order import REMEMBERED_GAPS, Order, Place, Sequenced
from .said import Said
from .settlement import Settlement
from .spec import Channel, Limits, StreamSpec, Track
from .timeline import Piece, Timeline


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that cannot be used; silence stands in the place of a chunk that had a length.

    ``had_its_turn``: it will not come again, and a successor must not wait for it.
    """

    tag: int
    code: str
    reason: str
    gap: Gap | None = None
    had_its_turn: bool = False


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
        self._known_gaps: dict[int, list[Gap]] = {}
        for gap in checkpoint.gaps:
            self._known_gaps.setdefault(gap.first_seq, []).append(gap)
        self._frame_bytes = spec.frame_bytes
        self._typical_samples = 0
        self.order = Order(checkpoint.next_seq, checkpoint.gaps)
        self.timeline = Timeline({track: checkpoint.mark(track).position for track in spec.tracks})
        self.channels = Channels(spec, checkpoint)
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
            for gap in known:
                start = self.timeline.tracks[gap.track].position
                self._place_gap(replace(gap, start=start, end=start + gap.end - gap.start))

    def end_here(self) -> None:
        """The publisher has vanished: the stream ends without a message that says so."""
        expected = self.order.expected
        self._end(End(expected - 1, resume_seq=expected))

    def _end(self, end: End) -> list[Refusal]:
        self.end = end
        return [after_end(held, end) for held in self.order.drop_held()]

    def _place(self, delivery: ChunkDelivered) -> Refusal | None:
        fault = self.channels.fault_of(delivery)
        if fault is not None:
            return self._pass_over(delivery, fault)
        samples, remainder = divmod(len(delivery.audio), self._frame_bytes)
        if remainder:
            return self._refuse(delivery, samples, "bad_size", self._partial_sample(delivery))
        if samples > self._spec.samples(self._limits.max_chunk):
            return self._refuse(delivery, samples, "too_large", self._too_large(samples))
        self.totals = replace(self.totals, chunks=self.totals.chunks + 1)
        self._typical_samples = samples or self._typical_samples
        self.channels.heard(delivery.channel, delivery.seq)
        self.timeline.place(delivery.seq, samples, delivery.audio, delivery.tag, delivery.channel)
        return None

    def _place_command(self, delivery: CommandDelivered) -> Refusal | None:
        command = delivery.command
        fault = self._fault_of(command)
        if fault is not None:
            return self._pass_over(delivery, fault)
        track = self.channels.newest
        match command:
            case ChangeConfig(config):
                self.overrides.add(delivery.seq, config)
                self.has_news = True
            case TellSpeakers(final=True) if self.tells_speakers_from is None:
                self.tells_speakers_from = delivery.seq
                self.has_news = True
            case CloseChannel(track):
                self.channels.ended_at[track] = delivery.seq
        self.timeline.place_command(delivery.seq, command, delivery.tag, track)
        return None

    def _fault_of(self, command: Command) -> Fault | None:
        """What upstream would end the session for is refused here, and the stream goes on."""
        match command:
            case ChangeConfig({"language": str(wanted)}):
                started_with = self._spec.transcription_config.get("language")
                if wanted != started_with:
                    reason = f"the language is {started_with!r} and cannot become {wanted!r}"
                    return "language_change", reason
            case ForceUtterance(channel=channel):
                return self.channels.fault_of_name(channel)
            case CloseChannel(channel):
                return self.channels.fault_of_end(channel)
        return None

    def _pass_over(self, delivery: Sequenced, fault: Fault) -> Refusal:
        """It has no length: a command, or a chunk of no channel, so that none is to be silent."""
        self._place_gap(self._gap(delivery.seq, delivery.seq, 0, self._spec.tracks[0]))
        return Refusal(delivery.tag, *fault, had_its_turn=True)

    def _partial_sample(self, delivery: ChunkDelivered) -> str:
        spec = self._spec
        whole = f"{spec.encoding} samples of {spec.sample_bytes} bytes"
        if spec.width > 1:
            whole = f"frames of {spec.width} {whole}"
        size = len(delivery.audio)
        return f"chunk {delivery.seq} has {size} bytes, which is not a whole number of {whole}"

    def _too_large(self, samples: int) -> str:
        return (
            f"a chunk of {self._spec.seconds(samples)} s is longer than the "
            f"{self._limits.max_chunk} s that one message may carry"
        )

    def _refuse(self, delivery: ChunkDelivered, samples: int, code: str, reason: str) -> Refusal:
        gap = self._gap(delivery.seq, delivery.seq, samples, delivery.channel)
        self._place_gap(gap)
        return Refusal(delivery.tag, code, reason, gap)

    def give_up_hole(self) -> list[Gap]:
        """Declares the messages before the earliest held one lost; they become silence."""
        first, last = self.order.hole()
        each = self._typical_samples or self._next_samples()
        gaps = [
            self._gap(first, last, count * each, track)
            for track, count in self.channels.share(first, last).items()
        ]
        for gap in gaps:
            self._place_gap(gap)
        return gaps

    def _next_samples(self) -> int:
        held = self.order.next_held()
        return len(held.audio) // self._frame_bytes if isinstance(held, ChunkDelivered) else 0

    def _gap(self, first: int, last: int, samples: int, track: Track) -> Gap:
        start = self.timeline.tracks[track].position
        longest = self._spec.samples(self._limits.max_gap)
        return Gap(first, last, start, start + min(samples, longest), track)

    def _place_gap(self, gap: Gap) -> None:
        if self.order.expected <= gap.last_seq:
            self.order.give_up(gap)
        samples = gap.end - gap.start
        step = self._spec.sample_rate
        silence = self._spec.silence_byte * (step * self._frame_bytes)
        self.timeline.place_gap(gap, silence, step)
        self.totals = replace(self.totals, gap_samples=self.totals.gap_samples + samples)

    def release(self, seq: int) -> None:
        """Settles the deliveries before ``seq`` whose audio was sent."""
        for tag in self.timeline.release(seq):
            self.settlement.close(tag)

    def checkpoint(self, pieces: Sequence[Piece], said: Mapping[Channel, Said]) -> Checkpoint:
        """What a successor begins with when only ``pieces`` are left to be heard.

        It will count what it hears again, so the totals leave that out.
        """
        gaps: dict[tuple[int, Track], Gap] = {}
        for piece in pieces:
            if piece.gap:
                gaps.setdefault((piece.seq, piece.track), piece.gap)
        kept = tuple(gaps.values())[:REMEMBERED_GAPS]
        totals = replace(
            self.totals,
            finals=sum(one.finals for one in said.values()),
            chunks=self.totals.chunks - sum(is_chunk(piece) for piece in pieces),
            gap_samples=self.totals.gap_samples - sum(gap.end - gap.start for gap in kept),
        )
        next_seq = pieces[0].seq if pieces else self._next_seq
        starts = self.timeline.starts(pieces)
        return Checkpoint(
            next_seq=next_seq,
            position=min(starts.values()),
            watermark=min(one.watermark for one in said.values()),
            gaps=kept,
            totals=totals,
            channels=self._marks(next_seq, starts, said),
        )

    def _marks(
        self, next_seq: int, starts: Mapping[Track, int], said: Mapping[Channel, Said]
    ) -> dict[str, ChannelMark]:
        ended = self.channels.ended_before(next_seq)
        return {
            label: ChannelMark(
                starts[self._spec.track_of(label)],
                said[label].watermark,
                said[label].finals,
                label in ended,
            )
            for label in self._spec.channel_labels
        }

    @property
    def resume_seq(self) -> int:
        """The message with which a session that begins now would begin."""
        first = self.timeline.first_seq
        return self._next_seq if first is None else first

    @property
    def _next_seq(self) -> int:
        return self.order.expected if self.end is None else self.end.resume_seq
