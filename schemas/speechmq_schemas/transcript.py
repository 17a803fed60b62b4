"""Folds the events of one stream into its transcript, for consumers. Pure.

Events may come twice and in any order, as after a take-over: of everything that can be said twice
the newest is kept, by (epoch, seq), so any order and any repetition give the same transcript.

- A segment has one text: its newest partial, then its newest final. A final is never replaced by a
  partial, nor a partial by one of an older epoch.
- An owner goes on behind the last final that the broker has kept. So a final of a newer epoch
  supersedes everything that older epochs said from its segment on, in its channel.
- The end of a stream ends its partials; a stream that failed keeps them, for nobody will say more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, ClassVar, Literal, TypeVar

from .events import (
    AudioGap,
    EndOfUtterance,
    Event,
    FinalTranscript,
    PartialTranscript,
    StreamEnded,
    StreamFailed,
    StreamStarted,
)
from .events import Transcript as Segment
from .words import Word, join_words, words_of

Position = tuple[int, int]
State = Literal["live", "ended", "failed"]

K = TypeVar("K")
V = TypeVar("V")
S = TypeVar("S", bound=Segment)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says until another does; ``speaker`` is None without diarization, and
    ``channel`` where there is one."""

    speaker: str | None
    start_time: float
    end_time: float
    text: str
    words: tuple[Word, ...]
    channel: str | None = None


class Transcript:
    """What has been said in one stream so far; made empty, and fed with ``apply``."""

    def __init__(self) -> None:
        self.stream_id: str | None = None
        self._finals: dict[int, tuple[Position, FinalTranscript]] = {}
        self._partials: dict[int, tuple[Position, PartialTranscript]] = {}
        self._first_final: dict[tuple[int, str | None], int] = {}  # by epoch, the lowest segment
        self._gaps: dict[tuple[int, str | None], tuple[Position, AudioGap]] = {}  # by first seq
        self._utterance_ends: set[tuple[str | None, float]] = set()
        self._start: dict[None, tuple[Position, StreamStarted]] = {}
        self._end: dict[None, tuple[Position, StreamEnded | StreamFailed]] = {}
        self._newest_epoch = 0

    def apply(self, event: Event, *, epoch: int, seq: int) -> bool:
        """Takes an event in; says whether the transcript is another now.

        ``epoch`` and ``seq`` are the message's headers, and what its ``message_id`` is made of.
        Raises ``ValueError`` for an event of another stream.
        """
        if self.stream_id is not None and event.stream_id != self.stream_id:
            raise ValueError(f"an event of stream {event.stream_id!r}, not {self.stream_id!r}")
        self.stream_id = event.stream_id
        state = self.state
        self._newest_epoch = max(self._newest_epoch, epoch)
        fold = self._FOLDS.get(type(event))
        changed = fold is not None and fold(self, event, (epoch, seq))
        return changed or self.state != state

    def _partial(self, event: PartialTranscript, position: Position) -> bool:
        known = self._finals.get(event.segment_id)
        if known is not None and known[0][0] >= position[0]:
            return False
        return _keep_newest(self._partials, event.segment_id, position, event)

    def _final(self, event: FinalTranscript, position: Position) -> bool:
        epoch, segment = position[0], event.segment_id
        key = epoch, event.channel
        self._first_final[key] = min(self._first_final.get(key, segment), segment)
        partial = self._partials.get(segment)
        if partial is not None and partial[0][0] <= epoch:
            del self._partials[segment]
        return _keep_newest(self._finals, segment, position, event)

    def _gap(self, event: AudioGap, position: Position) -> bool:
        return _keep_newest(self._gaps, (event.first_seq, event.channel), position, event)

    def _utterance_end(self, event: EndOfUtterance, _: Position) -> bool:
        end = event.channel, event.end_time
        is_new = end not in self._utterance_ends
        self._utterance_ends.add(end)
        return is_new

    def _started(self, event: StreamStarted, position: Position) -> bool:
        return _keep_newest(self._start, None, position, event)

    def _ended(self, event: StreamEnded | StreamFailed, position: Position) -> bool:
        return _keep_newest(self._end, None, position, event)

    # Kinds that are not listed say nothing of what was said.
    _FOLDS: ClassVar[dict[type[Event], Callable[[Any, Any, Position], bool]]] = {
        PartialTranscript: _partial,
        FinalTranscript: _final,
        AudioGap: _gap,
        EndOfUtterance: _utterance_end,
        StreamStarted: _started,
        StreamEnded: _ended,
        StreamFailed: _ended,
    }

    @property
    def state(self) -> State:
        """A last event of an epoch is no longer the last when a newer epoch has spoken: it was
        about a refused start with the same id, or the id is used again."""
        if not self._end:
            return "live"
        (epoch, _), event = self._end[None]
        if epoch < self._newest_epoch:
            return "live"
        return "ended" if isinstance(event, StreamEnded) else "failed"

    @property
    def channels(self) -> list[str | None]:
        """As the start told them, or in the order of the alphabet where it was not heard; None is
        the one of a mono stream."""
        if self._start and self._start[None][1].channels:
            return [*self._start[None][1].channels]
        heard = [event for _, event in (*self._finals.values(), *self._partials.values())]
        return [*sorted({one.channel for one in heard if one.channel is not None})] or [None]

    @property
    def segments(self) -> list[Segment]:
        """One a segment id, in order: finals, and behind them what is being said now."""
        by_id: dict[int, Segment] = {one.segment_id: one for one in self.partials}
        by_id.update((one.segment_id, one) for one in self.finals)
        return self._in_order(by_id.values())

    def _in_order(self, segments: Iterable[S]) -> list[S]:
        """Of time, where there are channels: each counts its segments for itself."""
        found = sorted(segments, key=lambda one: one.segment_id)
        return found if self.channels == [None] else sorted(found, key=lambda one: one.start_time)

    @property
    def finals(self) -> list[FinalTranscript]:
        """In order; silence has empty ones."""
        return self._in_order(self._standing(self._finals))

    def finals_of(self, channel: str | None) -> list[FinalTranscript]:
        """Those of one channel, in order."""
        return [final for final in self.finals if final.channel == channel]

    @property
    def partials(self) -> list[PartialTranscript]:
        """Of segments that have no final yet."""
        if self.state == "ended":
            return []
        taken = {event.segment_id for event in self.finals}
        standing = self._standing(self._partials)
        return self._in_order(event for event in standing if event.segment_id not in taken)

    def _standing(self, table: dict[int, tuple[Position, S]]) -> list[S]:
        """What no newer epoch has superseded."""
        return [
            event
            for segment, ((epoch, _), event) in table.items()
            if not any(
                e > epoch and channel == event.channel and first <= segment
                for (e, channel), first in self._first_final.items()
            )
        ]

    @property
    def words(self) -> list[Word]:
        """Of finals; they do not change."""
        return words_of(self.finals)

    @property
    def text(self) -> str:
        """Of finals; with several channels, a line a turn."""
        if self.channels == [None]:
            return join_words(self.words, self.word_delimiter)
        return "\n".join(turn.text for turn in self.turns)

    @property
    def live_text(self) -> str:
        """What is being said now, and is not in ``text``."""
        return join_words(words_of(self.partials), self.word_delimiter)

    @property
    def turns(self) -> list[Turn]:
        """Of finals."""
        groups = groupby(self.words, lambda word: (word.channel, word.speaker))
        return [self._turn(*who, tuple(words)) for who, words in groups]

    def _turn(self, channel: str | None, speaker: str | None, words: tuple[Word, ...]) -> Turn:
        text = join_words(words, self.word_delimiter)
        return Turn(speaker, words[0].start_time, words[-1].end_time, text, words, channel)

    @property
    def word_delimiter(self) -> str:
        """What stands between two words: nothing in some languages."""
        if not self._start:
            return " "
        delimiter = self._start[None][1].language_pack_info.get("word_delimiter")
        return delimiter if isinstance(delimiter, str) else " "

    @property
    def gaps(self) -> list[AudioGap]:
        """Where audio never came, in order of time."""
        found = [event for _, event in self._gaps.values()]
        return sorted(found, key=lambda gap: (gap.start_time, gap.first_seq))

    @property
    def utterance_ends(self) -> list[float]:
        """Seconds at which a speaker had paused, in order."""
        return sorted({end for _, end in self._utterance_ends})

    def utterance_ends_of(self, channel: str | None) -> list[float]:
        """Those of one channel."""
        return sorted(end for where, end in self._utterance_ends if where == channel)

    @property
    def end_time(self) -> float:
        """Up to here everything is final in every channel, in seconds."""
        return min(map(self.end_time_of, self.channels))

    def end_time_of(self, channel: str | None) -> float:
        """Up to here everything of a channel is final, in seconds."""
        return max((final.end_time for final in self.finals_of(channel)), default=0.0)

    @property
    def missing(self) -> list[tuple[int, int]]:
        """Segments, first and last, whose finals were not heard although later ones were: what was
        said before one listened, and what got lost. Channels share the ids out."""
        channels = self.channels
        step = len(channels)
        return sorted(
            (before + step, after - step)
            for before_all, channel in enumerate(channels, 1 - step)
            for before, after in pairwise([before_all, *self._ids(channel)])
            if after - before > step
        )

    def _ids(self, channel: str | None) -> list[int]:
        return sorted(final.segment_id for final in self.finals_of(channel))


def _keep_newest(table: dict[K, tuple[Position, V]], key: K, position: Position, value: V) -> bool:
    known = table.get(key)
    if known is not None and known[0] >= position:
        return False
    table[key] = (position, value)
    return True
