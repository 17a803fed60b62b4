"""The words of transcripts, with their punctuation. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .events import RecognitionResult
from .events import Transcript as Segment


@dataclass(frozen=True, slots=True)
class Word:
    """A word or an entity. Times are seconds on the stream's clock.

    ``text`` is ``content`` with the punctuation that is attached to it. ``is_attached`` says that
    nothing stands between it and the word before. ``channel`` is None where there is one.
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
    channel: str | None = None


def words_of(segments: Iterable[Segment]) -> list[Word]:
    """The words in order. Punctuation belongs to the word that it is attached to, also where that
    is in another segment of the channel."""
    writings: dict[str | None, _Writing] = {}
    places: dict[int, int] = {}
    for place, segment in enumerate(segments):
        places[segment.segment_id] = place
        writing = writings.setdefault(segment.channel, _Writing(segment.channel))
        if not segment.results:
            writing.words += _words_without_results(segment)
        for result in segment.results:
            writing.add(result, segment.segment_id)
    words = [word for writing in writings.values() for word in writing.words]
    # Those of one channel are in order already, and sorting leaves them in it.
    return sorted(words, key=lambda word: places[word.segment_id])


class _Writing:
    """Puts marks to their words; a mark whose word was not heard is left out."""

    def __init__(self, channel: str | None) -> None:
        self.words: list[Word] = []
        self._channel = channel
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
            channel=self._channel,
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
        words.append(Word(text, text, start, end, segment.segment_id, channel=segment.channel))
    return words


def join_words(words: Sequence[Word], delimiter: str = " ") -> str:
    """As one would write them."""
    return "".join(
        word.text if n == 0 or word.is_attached else delimiter + word.text
        for n, word in enumerate(words)
    )
