"""Cuts a transcript into cues, by the common rules of captioning. Pure.

Each channel is cut for itself, so that who talks over somebody does not cut them short.

A cue has at most two lines of 42 columns and stays for 7 seconds at most. A new one begins with
every sentence, speaker and utterance, and behind a pause; a longer sentence is cut behind a comma
if there is one in the second half of what fits. Words that come later never change a cue that is
not the last.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from rich.cells import cell_len

from speechmq_schemas import Transcript, Word, join_words, words_of

LINE_CELLS = 42
LONGEST_MS = 7000
SHORTEST_MS = 1000
PAUSE = 1.5
"""Seconds of silence behind which a new cue begins."""

CLAUSE_ENDS = tuple(",;:.!?…—،؛、。，；：")  # noqa: RUF001  # as other scripts write them
# A line that ends a clause may be this much shorter or longer than the other one.
CLAUSE_WORTH = 12


@dataclass(frozen=True, slots=True)
class Cue:
    """Milliseconds on the stream's clock, and one or two lines. ``speaker`` is the channel's label,
    the speaker's, or both."""

    start: int
    end: int
    lines: tuple[str, ...]
    speaker: str | None = None
    channel: str | None = None


def passages(transcript: Transcript) -> list[list[Word]]:
    """The final words, cut where speakers change or pause, in order of time."""
    parts = [part for one in transcript.channels for part in _passages_of(transcript, one)]
    return sorted(parts, key=lambda words: words[0].start_time)


def _passages_of(transcript: Transcript, channel: str | None) -> list[list[Word]]:
    ends = transcript.utterance_ends_of(channel)

    def is_cut(before: Word, after: Word) -> bool:
        is_utterance = bisect_right(ends, after.start_time) > bisect_right(ends, before.start_time)
        is_pause = after.start_time - before.end_time >= PAUSE
        return before.speaker != after.speaker or is_utterance or is_pause

    return _cut(words_of(transcript.finals_of(channel)), is_cut)


def voice_of(word: Word) -> str | None:
    """Who says it: the channel, the speaker, or both."""
    names = [name for name in (word.channel, word.speaker) if name is not None]
    return " ".join(names) or None


def cues_of(transcript: Transcript) -> list[Cue]:
    """In order of time."""
    cues = [cue for one in transcript.channels for cue in _cues_of(transcript, one)]
    return sorted(cues, key=lambda cue: cue.start)


def _cues_of(transcript: Transcript, channel: str | None) -> Iterator[Cue]:
    delimiter = transcript.word_delimiter
    groups = [
        group
        for passage in _passages_of(transcript, channel)
        for sentence in _cut(passage, lambda before, _: before.ends_sentence)
        for group in _pack([piece for word in sentence for piece in _fit(word)], delimiter)
    ]
    return _timed(groups, delimiter)


Span = tuple[str | None, float, float]
"""A channel, and from when to when one of its cues or passages is, in seconds."""


def settled(transcript: Transcript, spans: Sequence[Span]) -> int:
    """How many of the cues or passages at ``spans``, in order of time, no later word changes, nor
    comes before."""
    if transcript.state != "live":
        return len(spans)
    told = {channel: transcript.end_time_of(channel) for channel in transcript.channels}
    last = {channel: end for channel, _, end in spans}
    for count, (channel, start, end) in enumerate(spans):
        may_grow = end == last[channel] and told[channel] - end < PAUSE
        may_be_preceded = any(told[other] < start for other in told if other != channel)
        if may_grow or may_be_preceded:
            return count
    return len(spans)


def _cut(words: Sequence[Word], is_cut: Callable[[Word, Word], bool]) -> list[list[Word]]:
    parts = [[word] for word in words[:1]]
    for before, after in pairwise(words):
        if is_cut(before, after):
            parts.append([])
        parts[-1].append(after)
    return parts


def _fit(word: Word) -> list[Word]:
    """The word, in pieces if it is wider than a line; they share its time out."""
    if cell_len(word.text) <= LINE_CELLS:
        return [word]
    size = LINE_CELLS // 2  # a character takes two columns at most
    texts = [word.text[at : at + size] for at in range(0, len(word.text), size)]
    seconds = (word.end_time - word.start_time) / len(texts)
    return [
        replace(
            word,
            text=text,
            start_time=word.start_time + n * seconds,
            end_time=word.start_time + (n + 1) * seconds,
            is_attached=word.is_attached or n > 0,
        )
        for n, text in enumerate(texts)
    ]


def _pack(words: Sequence[Word], delimiter: str) -> Iterator[Sequence[Word]]:
    """One sentence as the words of each of its cues."""
    while words:
        count = _room(words, delimiter)
        if count < len(words):
            count = _clause(words[:count])
        yield words[:count]
        words = words[count:]


def _room(words: Sequence[Word], delimiter: str) -> int:
    """How many words one cue takes: one at least."""
    count = 1
    while count < len(words) and (
        _ms(words[count].end_time) - _ms(words[0].start_time) <= LONGEST_MS
        and _lines(words[: count + 1], delimiter)
    ):
        count += 1
    return count


def _clause(words: Sequence[Word]) -> int:
    """How many words there are up to the last clause that ends in their second half."""
    for count in range(len(words), (len(words) + 1) // 2, -1):
        if words[count - 1].text.endswith(CLAUSE_ENDS):
            return count
    return len(words)


def _lines(words: Sequence[Word], delimiter: str) -> tuple[str, ...]:
    """One line or two of about one length; none if there is no room."""
    whole = join_words(words, delimiter)
    if cell_len(whole) <= LINE_CELLS:
        return (whole,)
    splits = (
        (join_words(words[:at], delimiter), join_words(words[at:], delimiter))
        for at in range(1, len(words))
    )
    fitting = [pair for pair in splits if max(map(cell_len, pair)) <= LINE_CELLS]
    return min(fitting, key=_unevenness, default=())


def _unevenness(lines: tuple[str, str]) -> int:
    difference = abs(cell_len(lines[0]) - cell_len(lines[1]))
    return difference - CLAUSE_WORTH * lines[0].endswith(CLAUSE_ENDS)


def _timed(groups: Sequence[Sequence[Word]], delimiter: str) -> Iterator[Cue]:
    """A cue begins with its first word. It stays a second, if the next one leaves it that long."""
    starts = list(accumulate((_ms(group[0].start_time) for group in groups), max))
    for group, start, following in zip(groups, starts, [*starts[1:], None], strict=False):
        end = max(_ms(group[-1].end_time), start + SHORTEST_MS)
        if following is not None and following > start:
            end = min(end, following)
        yield Cue(
            start,
            min(end, start + LONGEST_MS),
            _lines(group, delimiter),
            voice_of(group[0]),
            group[0].channel,
        )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
