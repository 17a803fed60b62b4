"""What does a delivery become? Samples in place, silence, a command, or a rejection.

Owns what follows a delivery's turn, up to the timeline. Decides nothing about upstream.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from ...errors import UndecodableAudio
from ..values.checkpoint import Checkpoint, Entry, Gap
from ..values.commands import ChangeConfig, CloseChannel, Overrides, TellSpeakers
from ..values.events import AudioGap, StreamWarning, label_of
from ..values.inputs import ChunkDelivered, CommandDelivered, EndDelivered, Sequenced
from ..values.memo import Memo
from ..values.outputs import DeadLetter, Effect, Save
from ..values.spec import Limits, StreamSpec, Track
from ..values.timers import Timer, Timers
from .channels import Channels, Fault
from .decoding import Decoding
from .rejections import End, Rejection
from .rules import Rules
from .sequencer import Sequencer
from .timeline import Piece, Timeline


class Placement:
    """The stream as its publisher sends it.

    ``undecodable`` says why there will be no more samples of a stream that is a file.
    """

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        sequencer: Sequencer,
        timers: Timers,
        *,
        checkpoint: Checkpoint,
        memo: Memo,
    ) -> None:
        self._spec = spec
        self._limits = limits
        self._sequencer = sequencer
        self._timers = timers
        self._known_gaps: dict[int, list[Gap]] = {}
        for gap in checkpoint.gaps:
            self._known_gaps.setdefault(gap.first_seq, []).append(gap)
        self._frame_bytes = spec.frame_bytes
        self._typical_samples = 0
        positions = {track: checkpoint.mark(track).position for track in spec.tracks}
        self.timeline = Timeline(positions, checkpoint.totals)
        self.channels = Channels(spec, checkpoint)
        self._rules = Rules(spec, limits, self.channels)
        self._overrides = Overrides(memo.overrides)
        self._tells_speakers_from = memo.tells_speakers_from
        self._has_new_attributes = False
        self.undecodable: str | None = None
        self._decoding: Decoding | None = None
        self._let_go = 0
        self._ending: End | None = None
        if spec.is_encoded:
            self._decoding = Decoding(spec, self.timeline, checkpoint, memo.heads)
        self._place_known_gaps()

    def place_ready(self, now: float) -> Iterator[Effect]:
        """Puts in place what is in order, including the gaps that a predecessor declared.

        Of what has to be decoded only a little is placed at once; ``is_decoding`` tells that there
        is more.
        """
        while True:
            if self._decoding is not None and self._decoding.is_busy:
                yield from self._decode(self._decoding)
                if self._decoding.is_busy:
                    break
            self._place_known_gaps()
            delivery = self._sequencer.take(now)
            if delivery is None:
                break
            # Each rejection is published before the next delivery is placed: a checkpoint that is
            # built meanwhile must not know of a gap that no consumer has heard of.
            if isinstance(delivery, EndDelivered):
                yield from self._end(End(delivery.seq, resume_seq=delivery.seq))
            elif rejection := self._place(delivery):
                yield from self.reject(rejection)
        if self._has_new_attributes:
            # Before any event that may cover the command: a successor must know of it.
            self._has_new_attributes = False
            yield Save.ATTRIBUTES

    def _place(self, delivery: ChunkDelivered | CommandDelivered) -> Rejection | None:
        if isinstance(delivery, CommandDelivered):
            return self._place_command(delivery)
        if self._decoding is not None:
            return self._begin_to_decode(self._decoding, delivery)
        return self._place_chunk(delivery)

    def reject(self, rejection: Rejection) -> Iterator[Effect]:
        # The delivery is accounted for when its copy is confirmed, so no input is lost unseen.
        yield DeadLetter(rejection.tag, rejection.code, rejection.reason)
        yield self._warning(rejection.code, rejection.reason)
        if rejection.gap:
            yield self._audio_gap(rejection.gap)
        elif rejection.had_its_turn:
            # It keeps its place in the checkpoint, so that no successor waits for it.
            yield Save.CHECKPOINT

    def _warning(self, code: str, reason: str) -> StreamWarning:
        return StreamWarning(self._spec.stream_id, code, reason)

    def _audio_gap(self, gap: Gap) -> AudioGap:
        seconds = self._spec.seconds
        return AudioGap(
            self._spec.stream_id,
            seconds(gap.start),
            seconds(gap.end),
            gap.first_seq,
            gap.last_seq,
            label_of(gap.track),
        )

    # -- audio that has to be decoded ------------------------------------------------------------

    @property
    def has_decoder(self) -> bool:
        """Whether the stream is a file."""
        return self._decoding is not None

    @property
    def is_decoding(self) -> bool:
        """Whether a message is there of which not all is in place."""
        return self._decoding is not None and self._decoding.is_busy

    @property
    def may_decode(self) -> bool:
        """Whether there is something to decode, and room for it."""
        # A chunk may decode to any amount of samples, to hours of silence: what is decoded and not
        # sent is bounded by what may be under way.
        decoding = self._decoding
        return (
            decoding is not None
            and decoding.is_busy
            and self.undecodable is None
            and decoding.ahead < self._spec.samples(self._limits.window)
        )

    def watch_decoding(self, now: float) -> None:
        # Due at once: what was not decoded now has its turn when other streams have had theirs.
        if self.may_decode:
            self._timers.set(Timer.DECODE, math.nextafter(now, math.inf))
        else:
            self._timers.stop(Timer.DECODE)

    def _begin_to_decode(self, decoding: Decoding, delivery: ChunkDelivered) -> Rejection | None:
        fault = self.channels.fault_of(delivery)
        if fault is not None:
            # A file has one track, whichever channel its chunk names.
            delivery = msgspec.structs.replace(delivery, channel=None)
        fault = fault or self._rules.fault_of_size(delivery)
        if fault is not None:
            return self._refuse(delivery, self._mean_samples, *fault)
        decoding.begin(delivery)
        return None

    def _decode(self, decoding: Decoding) -> Iterator[Effect]:
        """Goes on with the message that is being decoded."""
        if not self.may_decode:
            return
        knew = decoding.heads
        try:
            is_done = decoding.go_on()
        except UndecodableAudio as error:
            # Not raised: what was decoded before goes upstream first, and the lifecycle decides.
            self.undecodable = f"the file cannot be decoded: {error}"
            return
        self._has_new_attributes = self._has_new_attributes or decoding.heads is not knew
        damage = decoding.take_damage()
        if damage is not None:
            until = self._spec.seconds(decoding.position)
            yield self._warning("damaged_audio", f"up to {until} s: {damage}")
        if is_done and self._ending is not None:
            yield from self._end_here(self._ending)

    @property
    def _mean_samples(self) -> int:
        """What a chunk of a file was decoded to so far, on average."""
        chunks, gaps = self.timeline.chunks, self.timeline.gap_samples
        position = self._decoding.position if self._decoding is not None else 0
        return (position - gaps) // chunks if chunks else 0

    def let_go_before(self, seq: int) -> None:
        """No unit that begins with an earlier message can be entered any more."""
        # Its bytes are acknowledged, and will not be delivered to a successor.
        self._let_go = seq

    # -- raw audio, commands, gaps ---------------------------------------------------------------

    def _place_known_gaps(self) -> None:
        # As long as they were, wherever they now begin: the length was published, and must not be
        # guessed a second time.
        while known := self._known_gaps.pop(self._sequencer.expected, None):
            for gap in known:
                start = self.timeline.tracks[gap.track].position
                self._place_gap(replace(gap, start=start, end=start + gap.end - gap.start))

    def end_without_message(self) -> Iterator[Effect]:
        """The publisher has vanished: the stream ends without a message that says so."""
        expected = self._sequencer.expected
        return self._end(End(expected - 1, resume_seq=expected))

    def _end(self, end: End) -> Iterator[Effect]:
        # Of a file, what its decoder holds back comes before the end.
        if self._decoding is None:
            yield from self._end_here(end)
        else:
            self._ending = end
            self._decoding.finish(end.resume_seq)

    def _end_here(self, end: End) -> Iterator[Effect]:
        for rejection in self._sequencer.end_with(end):
            yield from self.reject(rejection)

    def _place_chunk(self, delivery: ChunkDelivered) -> Rejection | None:
        fault = self.channels.fault_of(delivery)
        if fault is not None:
            return self._pass_over(delivery, fault)
        samples = delivery.size // self._frame_bytes
        fault = self._rules.fault_of_size(delivery) or self._rules.fault_of_samples(delivery)
        if fault is not None:
            return self._refuse(delivery, samples, *fault)
        self._typical_samples = samples or self._typical_samples
        self.channels.heard(delivery.channel, delivery.seq)
        self.timeline.place(delivery.seq, samples, delivery.audio, delivery.tag, delivery.channel)
        return None

    def _place_command(self, delivery: CommandDelivered) -> Rejection | None:
        command = delivery.command
        fault = self._rules.fault_of_command(command)
        if fault is not None:
            return self._pass_over(delivery, fault)
        track = self.channels.newest
        match command:
            case ChangeConfig(config):
                self._overrides.add(delivery.seq, config)
                self._has_new_attributes = True
            case TellSpeakers(final=True) if self._tells_speakers_from is None:
                self._tells_speakers_from = delivery.seq
                self._has_new_attributes = True
            case CloseChannel(track):
                self.channels.ended_at[track] = delivery.seq
        entry = self._entry_before(delivery.seq)
        self.timeline.place(delivery.seq, 0, b"", delivery.tag, track, command=command, entry=entry)
        return None

    def _pass_over(self, delivery: Sequenced, fault: Fault) -> Rejection:
        # It has no length: a command, or a chunk of no channel, so that no channel is to be silent.
        gap = self._gap(delivery.seq, delivery.seq, 0, self._spec.tracks[0])
        self._place_gap(replace(gap, holds_audio=isinstance(delivery, ChunkDelivered)))
        return Rejection(delivery.tag, *fault, had_its_turn=True)

    def _refuse(self, delivery: ChunkDelivered, samples: int, code: str, reason: str) -> Rejection:
        # Silence of the chunk's own length, so that the stream's clock stays true.
        gap = self._gap(delivery.seq, delivery.seq, samples, delivery.channel)
        self._place_gap(gap)
        return Rejection(delivery.tag, code, reason, gap)

    def give_up_hole(self, now: float) -> Iterator[Effect]:
        """Silence takes the place of what is missing, when all before it is in place."""
        if self.is_decoding:
            self._sequencer.wait_longer(now)
            return
        # What never came has no length. Publishers send chunks of one length, so the last one's is
        # the best guess; of a file the mean, as its messages are cut anywhere.
        first, last = self._sequencer.hole()
        typical = self._mean_samples if self._decoding else self._typical_samples
        each = typical or self._next_samples()
        gaps = [
            self._gap(first, last, count * each, track)
            for track, count in self.channels.share(first, last).items()
        ]
        for gap in gaps:
            self._place_gap(gap)
        yield from map(self._audio_gap, gaps)
        yield from self.place_ready(now)

    def _next_samples(self) -> int:
        held = self._sequencer.next_held()
        if self._decoding is not None:
            return 0
        return held.size // self._frame_bytes if isinstance(held, ChunkDelivered) else 0

    def _gap(self, first: int, last: int, samples: int, track: Track) -> Gap:
        # A sequence number that jumps far ahead must not become hours of silence.
        start = self.timeline.tracks[track].position
        longest = self._spec.samples(self._limits.max_gap)
        return Gap(first, last, start, start + min(samples, longest), track)

    def _place_gap(self, gap: Gap) -> None:
        if self._sequencer.expected <= gap.last_seq:
            self._sequencer.give_up(gap)
        if self._decoding is not None and gap.holds_audio:
            self._decoding.lose(gap.last_seq - gap.first_seq + 1)
        entry = None if gap.holds_audio else self._entry_before(gap.first_seq)
        # A refused command takes no audio with it: the bytes of a file go on after it.
        step = self._spec.sample_rate
        silence = self._spec.silence_byte * (step * self._frame_bytes)
        self.timeline.place_gap(gap, silence, step, entry)

    # -- what a successor and the next session begin with ------------------------------------------

    @property
    def resume_seq(self) -> int:
        """The message with which a session that begins now would begin."""
        # The oldest piece that is kept: all before it is covered, and that is confirmed.
        first = self.timeline.first_seq
        return self._sequencer.next_seq if first is None else first

    def entry_of(self, pieces: Sequence[Piece]) -> Entry | None:
        """Where in its file a successor begins that needs all of ``pieces``."""
        entry = pieces[0].entry if pieces else self._entry_before(self._sequencer.next_seq)
        return None if entry is None or entry.unit.seq < self._let_go else entry

    def _entry_before(self, next_seq: int) -> Entry | None:
        return None if self._decoding is None else self._decoding.entry_before(next_seq)

    def memo(self, speakers: dict[str, tuple[str, ...]]) -> Memo:
        # No successor resumes before confirmed coverage, so older changes need no place of their
        # own. A successor may have to hear what is not covered: later changes keep theirs.
        overrides = self._overrides.settled_before(self.resume_seq)
        heads = self._decoding.heads if self._decoding is not None else {}
        return Memo(speakers, overrides, self._tells_speakers_from, heads)

    @property
    def changes(self) -> dict[str, Any]:
        """What was changed of the configuration before the audio that a session begins with."""
        return self._overrides.before(self.resume_seq)

    @property
    def ended_channels(self) -> Iterable[str]:
        """Whose end lies before all that a session hears that begins now."""
        return sorted(self.channels.ended_before(self.resume_seq))

    @property
    def was_asked_for_speakers(self) -> bool:
        """Whether the publisher wants the speakers at the end."""
        return self._tells_speakers_from is not None

    @property
    def must_ask_for_speakers(self) -> bool:
        """Whether that wish lies before all that a session hears that begins now."""
        asked_at = self._tells_speakers_from
        return asked_at is not None and asked_at < self.resume_seq
