"""Folds the events of one stream into its transcript, for consumers. Pure.

Events may come twice and in any order, as after a take-over: of everything that can be said twice
the newest is kept, by (epoch, seq), so any order and any repetition give the same transcript.

- A segment has one text: its newest partial, then its newest final. A final is never replaced by a
  partial, nor a partial by one of an older epoch.
- An owner goes on behind the last final that the broker has kept. So a final of a newer epoch
  supersedes everything that older epochs said from its segment on.
- The end of a stream ends its partials; a stream that failed keeps them, for nobody will say more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Any, ClassVar, Literal, TypeVar

from .events import (
    AudioGap,
    EndOfUtterance,
    Event,
    FinalTranscript,
    PartialTranscript,
    RecognitionResult,
    StreamEnded,
    StreamFailed,
    StreamStarted,
)
from .events import Transcript as Segment

Position = tuple[int, int]
State = Literal["live", "ended", "failed"]

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Word:
    """A word or an entity. Times are seconds on the stream's clock.

    ``text`` is ``content`` with the punctuation that is attached to it. ``is_attached`` says that
    nothing stands between it and the word before.
    """

    content: str
    text: str
    start_time: float
    end_time: float
    segment_id: int
    speaker: str | None = None
    confidence: float | None = None
    is_attached: bool = False
    ends_sentence: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says until another does; ``speaker`` is None without diarization."""

    speaker: str | None
    start_time: float
    end_time: float
    text: str
    words: tuple[Word, ...]


class Transcript:
    """What has been said in one stream so far; made empty, and fed with ``apply``."""

    def __init__(self) -> None:
        self.stream_id: str | None = None
        self._finals: dict[int, tuple[Position, FinalTranscript]] = {}
        self._partials: dict[int, tuple[Position, PartialTranscript]] = {}
        self._first_final: dict[int, int] = {}  # by epoch, the lowest segment
        self._gaps: dict[int, tuple[Position, AudioGap]] = {}  # by first seq
        self._utterance_ends: set[float] = set()
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
        first = self._first_final.get(epoch, segment)
        self._first_final[epoch] = min(first, segment)
        partial = self._partials.get(segment)
        if partial is not None and partial[0][0] <= epoch:
            del self._partials[segment]
        return _keep_newest(self._finals, segment, position, event)

    def _gap(self, event: AudioGap, position: Position) -> bool:
        return _keep_newest(self._gaps, event.first_seq, position, event)

    def _utterance_end(self, event: EndOfUtterance, _: Position) -> bool:
        is_new = event.end_time not in self._utterance_ends
        self._utterance_ends.add(event.end_time)
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
    def segments(self) -> list[Segment]:
        """One a segment id, in order: finals, and behind them what is being said now."""
        by_id: dict[int, Segment] = {one.segment_id: one for one in self.partials}
        by_id.update((one.segment_id, one) for one in self.finals)
        return [by_id[segment] for segment in sorted(by_id)]

    @property
    def finals(self) -> list[FinalTranscript]:
        """In order; silence has empty ones."""
        return [event for _, event in self._standing(self._finals)]

    @property
    def partials(self) -> list[PartialTranscript]:
        """Of segments that have no final yet."""
        if self.state == "ended":
            return []
        taken = {event.segment_id for event in self.finals}
        standing = self._standing(self._partials)
        return [event for _, event in standing if event.segment_id not in taken]

    def _standing(self, table: dict[int, tuple[Position, V]]) -> list[tuple[int, V]]:
        """What no newer epoch has superseded, in order of segments."""
        return [
            (segment, event)
            for segment, ((epoch, _), event) in sorted(table.items(), key=lambda item: item[0])
            if not any(e > epoch and first <= segment for e, first in self._first_final.items())
        ]

    @property
    def words(self) -> list[Word]:
        """Of finals; they do not change."""
        return words_of(self.finals)

    @property
    def text(self) -> str:
        """Of finals."""
        return join_words(self.words, self.word_delimiter)

    @property
    def live_text(self) -> str:
        """What is being said now, and is not in ``text``."""
        return join_words(words_of(self.partials), self.word_delimiter)

    @property
    def turns(self) -> list[Turn]:
        """Of finals."""
        groups = groupby(self.words, lambda word: word.speaker)
        return [self._turn(speaker, tuple(words)) for speaker, words in groups]

    def _turn(self, speaker: str | None, words: tuple[Word, ...]) -> Turn:
        text = join_words(words, self.word_delimiter)
        return Turn(speaker, words[0].start_time, words[-1].end_time, text, words)

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
        return sorted(self._utterance_ends)

    @property
    def end_time(self) -> float:
        """Up to here everything is final, in seconds."""
        return max((final.end_time for final in self.finals), default=0.0)

    @property
    def missing(self) -> list[tuple[int, int]]:
        """Segments, first and last, whose finals were not heard although later ones were: what was
        said before one listened, and what got lost."""
        known = [0, *(final.segment_id for final in self.finals)]
        return [(before + 1, after - 1) for before, after in pairwise(known) if after - before > 1]


def _keep_newest(table: dict[K, tuple[Position, V]], key: K, position: Position, value: V) -> bool:
    known = table.get(key)
    if known is not None and known[0] >= position:
        return False
    table[key] = (position, value)
    return True


def words_of(segments: Iterable[Segment]) -> list[Word]:
    """The words in order. Punctuation belongs to the word that it is attached to, also where that
    is in another segment."""
    writing = _Writing()
    for segment in segments:
        if not segment.results:
            writing.words += _words_without_results(segment)
        for result in segment.results:
            writing.add(result, segment.segment_id)
    return writing.words


class _Writing:
    """Puts marks to their words; a mark whose word was not heard is left out."""

    def __init__(self) -> None:
        self.words: list[Word] = []
        self._marks = ""  # that wait for the word behind them
        self._joins = False  # as a hyphen does

    def add(self, result: RecognitionResult, segment_id: int) -> None:
        if not result.alternatives:
            return
        if result.type != "punctuation":
            self._add_word(result, segment_id)
        elif result.attaches_to == "next":
            self._marks += result.alternatives[0].content
        elif self.words:
            self._add_mark(result, self.words[-1])

    def _add_word(self, result: RecognitionResult, segment_id: int) -> None:
        best = result.alternatives[0]
        word = Word(
            content=best.content,
            text=self._marks + best.content,
            start_time=result.start_time,
            end_time=result.end_time,
            segment_id=segment_id,
            speaker=best.speaker,
            confidence=best.confidence,
            is_attached=self._joins or result.attaches_to in {"previous", "both"},
            ends_sentence=bool(result.is_eos),
        )
        self.words.append(word)
        self._marks, self._joins = "", result.attaches_to in {"next", "both"}

    def _add_mark(self, result: RecognitionResult, word: Word) -> None:
        self.words[-1] = replace(
            word,
            text=word.text + result.alternatives[0].content,
            ends_sentence=word.ends_sentence or bool(result.is_eos),
        )
        self._joins = result.attaches_to == "both"


def _words_without_results(segment: Segment) -> list[Word]:
    """The time is shared out by length."""
    texts = segment.transcript.split()
    size = max(1, sum(map(len, texts)))
    scale = max(0.0, segment.end_time - segment.start_time) / size
    words, done = [], 0
    for text in texts:
        start, done = segment.start_time + done * scale, done + len(text)
        end = segment.start_time + done * scale
        words.append(Word(text, text, start, end, segment.segment_id))
    return words


def join_words(words: Sequence[Word], delimiter: str = " ") -> str:
    """As one would write them."""
    return "".join(
        word.text if n == 0 or word.is_attached else delimiter + word.text
        for n, word in enumerate(words)
    )
