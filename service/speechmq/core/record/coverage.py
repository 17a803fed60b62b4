"""How far do confirmed events cover the audio? The order of events, and the one checkpoint.

Every part returns its events bare; ``Coverage.complete`` numbers them and adds the checkpoint to
those that bear state. So an event's checkpoint is that of the moment at which it was returned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Literal, cast, get_args

from ..audio.placement import Placement
from ..audio.sequencer import REMEMBERED_GAPS, Sequencer
from ..audio.timeline import Piece
from ..values import events
from ..values.checkpoint import ChannelMark, Checkpoint, Gap, Totals
from ..values.events import Event
from ..values.outputs import Effect, Output, Publish, Save, SaveCheckpoint, SaveMemo
from ..values.spec import Limits, StreamSpec, Track
from .channel_progress import progress_of
from .speakers import Voices
from .translation_progress import TranslationProgress

# Upstream rounds the end of a channel's last final by less than so many seconds, and no later one
# will make up for it. No word is as short.
ROUNDING = 0.01

EVENTS: frozenset[type] = frozenset(get_args(Event))
# The next one of its kind makes up for a lost one, so nothing waits for its confirm.
TRANSIENT: frozenset[type] = frozenset({events.PartialTranscript, events.PartialTranslation})
# What is confirmed with these is released for acknowledgement.
COVERING: frozenset[type] = frozenset({events.FinalTranscript, events.FinalTranslation})
# A successor resumes from the last of these: each changes what it needs to know.
STATE_BEARING: frozenset[type] = COVERING | {
    events.AudioGap,
    events.StreamDetached,
    events.StreamEnded,
    events.StreamFailed,
}


class Coverage:
    """``progress`` is how far each channel is final; ``seq`` is that of the newest event."""

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        placement: Placement,
        sequencer: Sequencer,
        *,
        checkpoint: Checkpoint,
        voices: Voices,
    ) -> None:
        self._spec = spec
        self._context = limits.resume_context
        self._placement = placement
        self._timeline = placement.timeline
        self._sequencer = sequencer
        self._voices = voices
        self._unconfirmed: deque[tuple[int, int]] = deque()
        self._resume_seq = checkpoint.next_seq
        self.seq = 0
        self.progress = progress_of(spec, checkpoint)
        self.translations = TranslationProgress(spec.target_languages, checkpoint)

    # -- events in order -------------------------------------------------------------------------

    def complete(self, effect: Effect) -> Output:
        """What the shell is to do about ``effect``."""
        kind = type(effect)
        if kind in EVENTS:
            return self._publish(cast("Event", effect))
        if kind is not Save:
            return cast("Output", effect)
        if effect is Save.CHECKPOINT:
            return self._save(self._uncovered_pieces())
        return SaveMemo(self._placement.memo(dict(self._voices.known)))

    def _publish(self, event: Event) -> Publish:
        self.seq += 1
        kind = type(event)
        if kind not in STATE_BEARING:
            return Publish(event, self.seq, confirm=kind not in TRANSIENT)
        checkpoint = self._checkpoint(self._uncovered_pieces())
        # A gap covers nothing: it only changes what a successor has to know.
        if kind in COVERING:
            self._unconfirmed.append((self.seq, checkpoint.next_seq))
        return Publish(event, self.seq, checkpoint=checkpoint)

    def confirmed(self, seq: int) -> list[int]:
        """The broker has every event up to ``seq``: the tags of the deliveries that they cover."""
        # Audio is acknowledged only when the broker has the final that covers it: what is released
        # here, no successor can hear again.
        released = None
        while self._unconfirmed and self._unconfirmed[0][0] <= seq:
            released = self._unconfirmed.popleft()[1]
        return [] if released is None else self._timeline.release(released)

    # -- checkpoints without an event ------------------------------------------------------------

    def let_go(self, most: int) -> Iterator[Effect]:
        """Lets go of the oldest audio, which no final covers: about ``most`` pieces of it."""
        count = self._timeline.oldest_sent(most)
        if not count or self._is_releasing:
            return
        left = self._still_kept(self._timeline.pieces[count:])
        self._placement.let_go_before(left[0].seq if left else self._sequencer.expected)
        # It is acknowledged once the checkpoint that says so is confirmed, and no sooner: a
        # successor that found the older one would wait for what no queue has any more.
        saved = self._save(left)
        yield saved
        seconds = self._spec.seconds(saved.checkpoint.position)
        yield events.StreamWarning(
            self._spec.stream_id,
            "replay_window_exceeded",
            f"upstream finalises nothing: audio before {seconds} s is let go uncovered, "
            "and would be missing if this session were lost now",
        )

    @property
    def _is_releasing(self) -> bool:
        """Whether audio is about to be let go, as soon as a checkpoint is confirmed."""
        first = self._timeline.first_seq
        return first is not None and bool(self._unconfirmed) and self._unconfirmed[-1][1] > first

    def close_session(self) -> SaveCheckpoint:
        """Upstream has said all about the audio that it heard, also what no final's end reached."""
        for channel, progress in self.progress.items():
            sent = self._timeline.tracks[self._spec.track_of(channel)].sent
            progress.watermark = max(progress.watermark, self._spec.seconds(sent))
        self.translations.end_session()
        # All that it heard is covered: the next session begins with what was not sent.
        return self._save(self._timeline.unsent)

    def _save(self, pieces: Sequence[Piece]) -> SaveCheckpoint:
        self.seq += 1
        checkpoint = self._checkpoint(pieces)
        self._unconfirmed.append((self.seq, checkpoint.next_seq))
        return SaveCheckpoint(self.seq, checkpoint)

    # -- the checkpoint --------------------------------------------------------------------------

    def _checkpoint(self, pieces: Sequence[Piece]) -> Checkpoint:
        """What a successor begins with when only ``pieces`` are left to be heard."""
        timeline, progress = self._timeline, self.progress
        # A file is entered where a unit begins, which may be some messages before its first piece;
        # nothing from there on is acknowledged.
        entry = self._placement.entry_of(pieces)
        if entry is not None:
            pieces = timeline.from_message(entry.unit.seq)
        next_seq = pieces[0].seq if pieces else self._sequencer.next_seq
        starts = timeline.starts(pieces)
        gaps = _gaps_of(pieces)
        ended = self._placement.channels.ended_before(next_seq)
        self._resume_seq = next_seq if entry is None else entry.unit.seq
        return Checkpoint(
            next_seq=self._resume_seq,
            # Of several channels the lowest decides: what others said after it is heard again, and
            # trimmed.
            position=min(starts.values()) if entry is None else entry.position,
            watermark=self.watermark,
            # A successor must not guess their length a second time.
            gaps=gaps,
            # The successor will count what it hears again.
            totals=Totals(
                chunks=timeline.chunks - sum(piece.is_chunk for piece in pieces),
                duplicates=self._sequencer.repeats,
                finals=self.finals,
                gap_samples=timeline.gap_samples - sum(gap.end - gap.start for gap in gaps),
            ),
            voices=self._voices.highest,
            translated=dict(self.translations.until),
            spoken=self.translations.spoken,
            channels={
                label: ChannelMark(
                    starts[self._spec.track_of(label)],
                    progress[label].watermark,
                    progress[label].finals,
                    label in ended,
                )
                for label in self._spec.channel_labels
            },
            entry=entry,
        )

    def _uncovered_pieces(self) -> list[Piece]:
        """The audio that a successor has to hear, with a run-up before the watermark."""
        covered = {track: self._covered(track) for track in self._timeline.tracks}
        return self._still_kept(self._timeline.beyond(covered))

    def _still_kept(self, pieces: Sequence[Piece]) -> list[Piece]:
        # No checkpoint goes back to before an earlier one: what that left out may be gone.
        return [piece for piece in pieces if piece.seq >= self._resume_seq]

    def _covered(self, track: Track) -> int:
        """The sample up to which the track need not be heard again."""
        samples = self._spec.samples
        if track is None:
            # A recogniser that resumes needs a run-up to hear the next word well.
            return samples(self.translations.coverage(self.watermark) - self._context)
        # A separate channel whose audio is all final has paused or ended, and needs no run-up: it
        # would hold back the others.
        position, watermark = self._timeline.tracks[track].position, self.progress[track].watermark
        unsaid = position - samples(watermark)
        has_ended = track in self._placement.channels.ended_at
        if unsaid <= 0 or (has_ended and unsaid < samples(ROUNDING)):
            return position
        return samples(watermark - self._context)

    # -- totals ----------------------------------------------------------------------------------

    @property
    def finals(self) -> int:
        return sum(one.finals for one in self.progress.values())

    @property
    def watermark(self) -> float:
        """Up to where everything is final, in seconds."""
        return min(one.watermark for one in self.progress.values())

    def ended(self, reason: Literal["end", "idle"]) -> events.StreamEnded:
        """The stream's last event."""
        # Everything is final now, also what no final's end reached.
        seconds, width = self._spec.seconds, self._spec.width
        received = sum(one.position for one in self._timeline.tracks.values())
        gaps = self._timeline.gap_samples
        return events.StreamEnded(
            self._spec.stream_id,
            reason,
            received_seconds=seconds(received * width),
            finalised_seconds=seconds((received - gaps) * width),
            gap_seconds=seconds(gaps * width),
            chunks=self._timeline.chunks,
            duplicates=self._sequencer.repeats,
            finals=self.finals,
        )


def _gaps_of(pieces: Sequence[Piece]) -> tuple[Gap, ...]:
    gaps: dict[tuple[int, Track], Gap] = {}
    for piece in pieces:
        if piece.gap:
            gaps.setdefault((piece.seq, piece.track), piece.gap)
    return tuple(gaps.values())[:REMEMBERED_GAPS]
