"""What the stream has said: the order of its events, and how far its finals cover the audio.

Audio is released for acknowledgement only when the broker has confirmed a final that covers it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from .checkpoint import Checkpoint
from .events import Event, FinalTranscript, StreamEnded, StreamWarning
from .intake import Intake
from .outputs import Output, Publish, SaveCheckpoint
from .speakers import Voices
from .spec import Limits, StreamSpec
from .timeline import Piece, Timeline


class Journal:
    """``watermark`` is the end of the newest final in seconds; ``seq`` that of the newest event."""

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        intake: Intake,
        *,
        checkpoint: Checkpoint,
        voices: Voices,
        emit: Callable[[Output], None],
    ) -> None:
        self._spec = spec
        self._emit = emit
        self._context = limits.resume_context
        self._intake = intake
        self._unconfirmed: deque[tuple[int, int]] = deque()
        self._resume_seq = checkpoint.next_seq
        self._giving_up = 0
        self.seq = 0
        self.finals = checkpoint.totals.finals
        self.watermark = checkpoint.watermark
        self._voices = voices

    @property
    def timeline(self) -> Timeline:
        return self._intake.timeline

    @property
    def segment_id(self) -> int:
        """The segment that is being spoken: the id that the next final will have."""
        return self.finals + 1

    def publish(self, event: Event, *, confirm: bool = True) -> None:
        self.seq += 1
        self._emit(Publish(event, self.seq, confirm))

    def warn(self, code: str, reason: str) -> None:
        self.publish(StreamWarning(self._spec.stream_id, code, reason))

    def publish_state(self, event: Event) -> Checkpoint:
        """A state-bearing event: it carries where a successor resumes."""
        self.seq += 1
        checkpoint = self._checkpoint(self._uncovered_pieces())
        self._emit(Publish(event, self.seq, checkpoint=checkpoint))
        return checkpoint

    def publish_final(self, final: FinalTranscript) -> None:
        """No final covers audio that was never sent, and none takes back what was covered."""
        sent = self._spec.seconds(self._intake.timeline.sent)
        self.watermark = max(self.watermark, min(final.end_time, sent))
        self.finals = final.segment_id
        checkpoint = self.publish_state(replace(final, end_time=self.watermark))
        self._unconfirmed.append((self.seq, checkpoint.next_seq))

    @property
    def is_giving_up(self) -> bool:
        """Whether audio is about to be let go, as soon as the checkpoint is confirmed."""
        return self._giving_up > 0

    def give_up(self, count: int) -> int:
        """Lets go of the oldest ``count`` pieces, which no final covers, once the checkpoint says
        so; the sample up to which they go."""
        checkpoint = self._save(self._intake.timeline.from_sample(-1)[count:])
        self._giving_up = self.seq
        return checkpoint.position

    def close_session(self) -> None:
        """Upstream has said all about the audio that it heard, also what no final's end reached."""
        self.watermark = max(self.watermark, self._spec.seconds(self._intake.timeline.sent))
        self._save(self._intake.timeline.from_sample(self._intake.timeline.sent))

    def _save(self, pieces: Sequence[Piece]) -> Checkpoint:
        self.seq += 1
        checkpoint = self._checkpoint(pieces)
        self._emit(SaveCheckpoint(self.seq, checkpoint))
        self._unconfirmed.append((self.seq, checkpoint.next_seq))
        return checkpoint

    def _checkpoint(self, pieces: Sequence[Piece]) -> Checkpoint:
        checkpoint = self._intake.checkpoint(pieces, self.watermark, self.finals)
        checkpoint = replace(checkpoint, voices=self._voices.highest)
        self._resume_seq = checkpoint.next_seq
        return checkpoint

    def _uncovered_pieces(self) -> list[Piece]:
        """The audio that a successor has to hear, with a run-up before the watermark."""
        covered = self._spec.samples(self.watermark - self._context)
        pieces = self._intake.timeline.from_sample(covered)
        return [piece for piece in pieces if piece.seq >= self._resume_seq]

    def publish_ended(self, reason: Literal["end", "idle"]) -> None:
        """The stream's last word. Everything is final now, also what no final's end reached."""
        totals, seconds = self._intake.totals, self._spec.seconds
        position = self._intake.timeline.position
        ended = StreamEnded(
            self._spec.stream_id,
            reason,
            received_seconds=seconds(position),
            finalised_seconds=seconds(position - totals.gap_samples),
            gap_seconds=seconds(totals.gap_samples),
            chunks=totals.chunks,
            duplicates=totals.duplicates,
            finals=self.finals,
        )
        self.publish_state(ended)

    def confirmed(self, seq: int) -> None:
        """The broker has every event up to ``seq``: the audio that they cover is done with."""
        released = None
        while self._unconfirmed and self._unconfirmed[0][0] <= seq:
            released = self._unconfirmed.popleft()[1]
        if released is not None:
            self._intake.release(released)
        if self._giving_up <= seq:
            self._giving_up = 0
