"""One stream's events as a page to read: passages, marks between them, translations beside. Pure.

Text is as it was said; nothing here is HTML, and whoever shows it must not make HTML of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

from speechmq.commandline.caption_formats import clean
from speechmq.commandline.captions import news_of
from speechmq.commandline.cues import passages
from speechmq.commandline.received import Received
from speechmq_schemas import (
    AudioEventEnded,
    AudioEventStarted,
    AudioGap,
    Event,
    FinalTranscript,
    FinalTranslation,
    PartialTranslation,
    StreamResumed,
    Transcript,
    Word,
    join_words,
    words_of,
)
from speechmq_schemas.events import TranslatedSentence, Translation

Entry = dict[str, Any]
Position = tuple[int, int]

PASSAGE_WORDS = 60
"""A passage that goes on without a pause is cut behind the next sentence,"""
PASSAGE_WORDS_AT_MOST = 150
"""or at the latest here."""

MARK_CHARACTERS = 1000
MARKS = 500
"""The newest are shown."""

LANGUAGES = 32
"""Translations into more than these are not shown."""

PARTIAL_CHARACTERS = 2000
"""Of a partial the newest words matter."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at ``at`` seconds of the stream."""

    kind: str
    at: float
    text: str
    is_trouble: bool
    number: int


@dataclass(slots=True)
class Reading:
    """Made empty and fed with ``apply``, in any order; an event that comes twice counts once."""

    stream_id: str
    transcript: Transcript = field(default_factory=Transcript)
    _marks: dict[str, Mark] = field(default_factory=dict)
    _sentences: dict[tuple[str, float, float], tuple[Position, TranslatedSentence]] = field(
        default_factory=dict
    )
    _newest: dict[str, tuple[Position, Translation]] = field(default_factory=dict)
    _channels: dict[int, str] = field(default_factory=dict)
    _final_until: float = 0.0

    def apply(self, received: Received) -> None:
        """Takes an event in. One that bears another stream's name is no news of this one."""
        event, position = received.event, received.position
        if event is None:
            return
        self._mark(event, received)
        if event.stream_id != self.stream_id:
            return
        if isinstance(event, Translation):
            self._translation(event, position)
        epoch, seq = position
        self.transcript.apply(event, epoch=epoch, seq=seq)
        if isinstance(event, FinalTranscript):
            self._final_until = max(self._final_until, event.end_time)
        channel = _channel(event)
        if channel is not None and (segment := getattr(event, "segment_id", None)) is not None:
            self._channels[segment] = channel

    def _mark(self, event: Event, received: Received) -> None:
        told = _told(event)
        epoch, seq = received.position
        key = f"{epoch}.{seq}.{type(event).__name__}"
        if told is None or key in self._marks:
            return
        text, is_trouble = told
        at = event.start_time if isinstance(event, AudioGap) else self._final_until
        kind, number = _kind(event), len(self._marks)
        self._marks[key] = Mark(kind, at, text, is_trouble, number)

    def _translation(self, event: Translation, position: Position) -> None:
        language = event.language
        if language not in self._newest and len(self._newest) >= LANGUAGES:
            return
        known = self._newest.get(language)
        if known is None or known[0] < position:
            self._newest[language] = (position, event)
        for sentence in event.results if isinstance(event, FinalTranslation) else ():
            place = (language, sentence.start_time, sentence.end_time)
            before = self._sentences.get(place)
            if before is None or before[0] < position:
                self._sentences[place] = (position, sentence)

    @property
    def is_live(self) -> bool:
        return self.transcript.state == "live"

    def entries(self) -> dict[str, Entry]:
        """By key, which stays the same as long as the beginning of the entry does.

        ``order`` tells where an entry stands among the others.
        """
        parts = self._passages()
        beside = self._beside(parts)
        found: dict[str, Entry] = {}
        for number, words in enumerate(parts):
            entry = self._passage_entry(words)
            if number in beside:
                entry["translations"] = beside[number]
            found[_unused(found, f"p{words[0].segment_id}.{words[0].start_time:.3f}")] = entry
        marks = list(self._marks.items())[-MARKS:]
        found.update(_mark_entry(key, mark) for key, mark in marks)
        return found

    def _passages(self) -> list[list[Word]]:
        """As in the text file, but cut also at marks and channels, and for the eye."""
        times = sorted(mark.at for mark in list(self._marks.values())[-MARKS:])

        def is_cut(before: Word, after: Word) -> bool:
            is_mark = bisect_right(times, after.start_time) > bisect_right(times, before.start_time)
            return is_mark or self._channel_of(before) != self._channel_of(after)

        return [
            piece
            for passage in passages(self.transcript)
            for part in _cut(passage, is_cut)
            for piece in _short(part)
        ]

    def _channel_of(self, word: Word) -> str | None:
        return self._channels.get(word.segment_id)

    def _passage_entry(self, words: Sequence[Word]) -> Entry:
        first = words[0]
        entry: Entry = {
            "order": [round(first.start_time, 3), 1, first.segment_id],
            "at": round(first.start_time, 3),
            "text": clean(join_words(words, self.transcript.word_delimiter)),
        }
        entry.update(_voice(first.speaker, self._channel_of(first)))
        return entry

    def _beside(self, parts: Sequence[Sequence[Word]]) -> dict[int, list[dict[str, str]]]:
        """Each translated sentence stands with the passage that it begins in, by its number."""
        starts = [words[0].start_time for words in parts]
        found: dict[int, dict[str, str]] = {}
        for (language, start, _), (_, sentence) in sorted(self._sentences.items(), key=_by_place):
            if not starts:
                break
            texts = found.setdefault(max(0, bisect_right(starts, start + 0.001) - 1), {})
            texts[language] = f"{texts.get(language, '')} {clean(sentence.content)}".strip()
        return {
            number: [{"language": clean(one), "text": text} for one, text in texts.items()]
            for number, texts in found.items()
        }

    def live(self) -> list[dict[str, str]]:
        """What is being said now, by voice; the end of it if it is long."""
        words = words_of(self.transcript.partials)
        groups = groupby(words, lambda word: (word.speaker, self._channel_of(word)))
        return _newest(
            {
                **_voice(*voice),
                "text": clean(join_words(list(said), self.transcript.word_delimiter)),
            }
            for voice, said in groups
        )

    def live_translations(self) -> list[dict[str, str]]:
        """What it may mean so far, by language."""
        return [
            {"language": clean(language), "text": end_of_text(_text_of(event), PARTIAL_CHARACTERS)}
            for language, (_, event) in sorted(self._newest.items())
            if isinstance(event, PartialTranslation) and event.results and self.is_live
        ]


def end_of_text(text: str, characters: int) -> str:
    """The last of it, from a whole word on if there is one."""
    if len(text) <= characters:
        return text
    end = text[-characters:]
    head, space, rest = end.partition(" ")
    return f"… {rest if space and len(head) < characters // 2 else end}"


def _told(event: Event) -> tuple[str, bool] | None:
    """Text, and whether it is trouble."""
    if isinstance(event, AudioEventStarted):
        return clean(f"{event.event.type} begins")[:MARK_CHARACTERS], False
    if isinstance(event, AudioEventEnded):
        return clean(f"{event.event.type} is over")[:MARK_CHARACTERS], False
    line = news_of(event)
    return None if line is None else (line.text[:MARK_CHARACTERS], line.kind == "trouble")


def _kind(event: Event) -> str:
    """What the page gives it a colour by: ``resumed``, ``gap``, ``warning``, …"""
    if isinstance(event, AudioGap):
        return "gap"
    if isinstance(event, AudioEventStarted | AudioEventEnded):
        return "sound"
    return "resumed" if isinstance(event, StreamResumed) else type(event).__name__[6:].lower()


def _channel(event: Event) -> str | None:
    channel = getattr(event, "channel", None)
    return clean(channel) if isinstance(channel, str) and channel else None


def _unused(found: dict[str, Entry], key: str) -> str:
    """Passages that begin together, as no recogniser says them, still are two."""
    return key if key not in found else f"{key}.{len(found)}"


def _voice(speaker: str | None, channel: str | None) -> dict[str, str]:
    named = {"speaker": speaker, "channel": channel}
    return {name: clean(value) for name, value in named.items() if value is not None}


def _mark_entry(key: str, mark: Mark) -> tuple[str, Entry]:
    return f"m{key}", {
        "order": [round(mark.at, 3), 0, mark.number],
        "at": round(mark.at, 3),
        "mark": mark.kind,
        "trouble": mark.is_trouble,
        "text": mark.text,
    }


def _cut(words: Sequence[Word], is_cut: Any) -> list[list[Word]]:
    parts = [[word] for word in words[:1]]
    for before, after in pairwise(words):
        if is_cut(before, after):
            parts.append([])
        parts[-1].append(after)
    return parts


def _short(words: Sequence[Word]) -> Iterator[list[Word]]:
    piece: list[Word] = []
    for word in words:
        piece.append(word)
        is_long = len(piece) >= PASSAGE_WORDS and word.ends_sentence
        if is_long or len(piece) >= PASSAGE_WORDS_AT_MOST:
            yield piece
            piece = []
    if piece:
        yield piece


def _newest(parts: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """The last parts, PARTIAL_CHARACTERS in all."""
    kept: list[dict[str, str]] = []
    room = PARTIAL_CHARACTERS
    for part in reversed(list(parts)):
        if room <= 0:
            break
        kept.append({**part, "text": end_of_text(part["text"], room)})
        room -= len(part["text"])
    return kept[::-1]


def _text_of(event: Translation) -> str:
    return clean(" ".join(sentence.content for sentence in event.results))


def _by_place(item: tuple[tuple[str, float, float], object]) -> tuple[float, float, str]:
    (language, start, end), _ = item
    return start, end, language
