"""What the stream has said: the order of its events, and how far its finals cover the audio.

Audio is released for acknowledgement only when the broker has confirmed a final that covers it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from ..audio.placement import Placement
from ..audio.timeline import Piece, Timeline
from ..values.checkpoint import Checkpoint
from ..values.events import Event, FinalTranscript, FinalTranslation, StreamEnded, StreamWarning
from ..values.memo import Memo
from ..values.outputs import Output, Publish, SaveCheckpoint, SaveMemo
from ..values.spec import Channel, Limits, StreamSpec, Track
from .resumption import checkpoint_of
from .said import said_of
from .speakers import Voices

# Upstream rounds the end of a channel's last final by less than so many seconds, and no later one
# will make up for it. No word is as short.
ROUNDING = 0.01


class Journal:
    """``said`` is what was told of each channel; ``seq`` that of the newest event."""

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        placement: Placement,
        *,
        checkpoint: Checkpoint,
        voices: Voices,
        emit: Callable[[Output], None],
    ) -> None:
        self._spec = spec
        self._emit = emit
        self._context = limits.resume_context
        self._placement = placement
        self._sequencer = placement.sequencer
        self._unconfirmed: deque[tuple[int, int]] = deque()
        self._resume_seq = checkpoint.next_seq
        self.seq = 0
        self.said = said_of(spec, checkpoint)
        self._voices = voices
        self._translated = {
            language: checkpoint.translated.get(language, 0.0) for language in spec.target_languages
        }
        self._untranslated: set[str] = set()
        self._spoken = checkpoint.spoken

    @property
    def timeline(self) -> Timeline:
        return self._placement.timeline

    @property
    def finals(self) -> int:
        return sum(one.finals for one in self.said.values())

    @property
    def watermark(self) -> float:
        """Up to where everything is final, in seconds."""
        return min(one.watermark for one in self.said.values())

    @property
    def ended_channels(self) -> frozenset[str]:
        """Whose end lies before all that a session hears that begins now."""
        return self._placement.channels.ended_before(self._placement.resume_seq)

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

    def publish_final(self, final: FinalTranscript, channel: Channel = None) -> None:
        """No final covers audio that was never sent, and none takes back what was covered."""
        said = self.said[channel]
        track = self.timeline.tracks[self._spec.track_of(channel)]
        said.watermark = max(said.watermark, min(final.end_time, self._spec.seconds(track.sent)))
        said.finals += 1
        checkpoint = self.publish_state(replace(final, end_time=said.watermark))
        self._unconfirmed.append((self.seq, checkpoint.next_seq))

    @property
    def is_translated(self) -> bool:
        return bool(self._translated)

    def translated_to(self, language: str) -> float:
        return self._translated.get(language, 0.0)

    def spoke(self, until: float) -> None:
        """A word that was published ends at ``until``."""
        self._spoken = max(self._spoken, until)

    def publish_translation(self, translation: FinalTranslation, end: float) -> None:
        """``end`` is that of its last sentence."""
        language = translation.language
        self._untranslated.discard(language)
        if language in self._translated:
            self._translated[language] = max(self._translated[language], end)
        checkpoint = self.publish_state(translation)
        self._unconfirmed.append((self.seq, checkpoint.next_seq))

    def doubt_translations(self, reason: str) -> None:
        """Upstream will not translate into some language, which must not hold back what is covered.
        Which one it tells in prose; a translation shows that it was not that one."""
        never = {language for language, end in self._translated.items() if not end}
        named = never & set(re.findall(r"[A-Za-z][A-Za-z0-9_-]*", reason))
        self._untranslated = named or never

    @property
    def coverage(self) -> float:
        """Up to where everything that was asked for has been published. A translation comes after
        its words, and covers the silence behind them."""
        waiting = [
            end
            for language, end in self._translated.items()
            if language not in self._untranslated and end < self._spoken
        ]
        return min([self.watermark, *waiting])

    @property
    def changes(self) -> dict[str, Any]:
        """What was changed of the configuration before the audio that a session begins with."""
        return self._placement.overrides.before(self._placement.resume_seq)

    @property
    def was_asked_for_speakers(self) -> bool:
        """Whether the publisher wants to be told of the speakers at the end."""
        return self._placement.tells_speakers_from is not None

    @property
    def must_ask_for_speakers(self) -> bool:
        """Whether that wish lies before all that a session hears that begins now."""
        asked_at = self._placement.tells_speakers_from
        return asked_at is not None and asked_at < self._placement.resume_seq

    def save_memo(self) -> None:
        """What is confirmed as covered nobody begins before again; what is not, somebody may."""
        placement = self._placement
        overrides = placement.overrides.settled_before(placement.resume_seq)
        speakers = dict(self._voices.known)
        memo = Memo(speakers, overrides, placement.tells_speakers_from, placement.head)
        self._emit(SaveMemo(memo))

    @property
    def is_releasing(self) -> bool:
        """Whether audio is about to be let go, as soon as a checkpoint is confirmed."""
        first = self.timeline.first_seq
        return first is not None and bool(self._unconfirmed) and self._unconfirmed[-1][1] > first

    def give_up(self, count: int) -> int:
        """Lets go of the oldest ``count`` pieces, which no final covers, once the checkpoint says
        so; the sample up to which they go."""
        left = self._still_kept(self.timeline.pieces[count:])
        self._placement.let_go_before(left[0].seq if left else self._sequencer.expected)
        return self._save(left).position

    def close_session(self) -> None:
        """Upstream has said all about the audio that it heard, also what no final's end reached."""
        for channel, said in self.said.items():
            sent = self.timeline.tracks[self._spec.track_of(channel)].sent
            said.watermark = max(said.watermark, self._spec.seconds(sent))
        self._spoken = 0.0  # and no translation of it will come any more
        self._save(self.timeline.unsent)

    def save_place(self) -> None:
        """A message has been refused: a successor must not wait for it."""
        self._save(self._uncovered_pieces())

    def _save(self, pieces: Sequence[Piece]) -> Checkpoint:
        self.seq += 1
        checkpoint = self._checkpoint(pieces)
        self._emit(SaveCheckpoint(self.seq, checkpoint))
        self._unconfirmed.append((self.seq, checkpoint.next_seq))
        return checkpoint

    def _checkpoint(self, pieces: Sequence[Piece]) -> Checkpoint:
        checkpoint = checkpoint_of(self._spec, self._placement, self._sequencer, pieces, self.said)
        checkpoint = replace(
            checkpoint,
            voices=self._voices.highest,
            translated=dict(self._translated),
            spoken=self._spoken if self._translated else 0.0,
        )
        self._resume_seq = checkpoint.next_seq
        return checkpoint

    def _uncovered_pieces(self) -> list[Piece]:
        """The audio that a successor has to hear, with a run-up before the watermark."""
        covered = {track: self._covered(track) for track in self.timeline.tracks}
        return self._still_kept(self.timeline.beyond(covered))

    def _still_kept(self, pieces: Sequence[Piece]) -> list[Piece]:
        """No checkpoint goes back behind an earlier one: what that left out may be gone."""
        return [piece for piece in pieces if piece.seq >= self._resume_seq]

    def _covered(self, track: Track) -> int:
        """The sample up to which the track need not be heard again.

        A separate channel whose audio is all final has paused or ended, and needs no run-up: it
        would hold back the others.
        """
        if track is None:
            return self._spec.samples(self.coverage - self._context)
        position, watermark = self.timeline.tracks[track].position, self.said[track].watermark
        unsaid = position - self._spec.samples(watermark)
        has_ended = track in self._placement.channels.ended_at
        if unsaid <= 0 or (has_ended and unsaid < self._spec.samples(ROUNDING)):
            return position
        return self._spec.samples(watermark - self._context)

    def publish_ended(self, reason: Literal["end", "idle"]) -> None:
        """The stream's last word. Everything is final now, also what no final's end reached."""
        placement, seconds = self._placement, self._spec.seconds
        width = self._spec.width
        received = sum(one.position for one in self.timeline.tracks.values())
        ended = StreamEnded(
            self._spec.stream_id,
            reason,
            received_seconds=seconds(received * width),
            finalised_seconds=seconds((received - placement.gap_samples) * width),
            gap_seconds=seconds(placement.gap_samples * width),
            chunks=placement.chunks,
            duplicates=self._sequencer.repeats,
            finals=self.finals,
        )
        self.publish_state(ended)

    def confirmed(self, seq: int) -> None:
        """The broker has every event up to ``seq``: the audio that they cover is done with."""
        released = None
        while self._unconfirmed and self._unconfirmed[0][0] <= seq:
            released = self._unconfirmed.popleft()[1]
        if released is not None:
            self._placement.release(released)
