"""What one decode heard in a window of audio: words and marks with times.

Pure: the decoder's text pieces go in, each with its times and its probability.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from speechmq_emulator.audio import Samples
from speechmq_emulator.speech.events import Word
from speechmq_emulator.whisper.features import RATE

_MARKS = ".,?!;:…。、？！，؟،।"  # noqa: RUF001  # as the languages write them
_ENDS = ".?!…。？！؟।"  # noqa: RUF001
_DROPPED = "\"“”«»()[]{}<>*♪—–-'‘’„¿¡「」『』 "  # noqa: RUF001

NO_SPEECH = 0.6
LEAST_LOG_PROBABILITY = -1.0


@dataclass(frozen=True, slots=True)
class Piece:
    """Text between two letters' boundaries, in seconds from the window's first sample."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word on the session's clock, and the punctuation mark after it, if there is one."""

    word: Word
    mark: str = ""

    @property
    def ends_sentence(self) -> bool:
        return bool(self.mark) and self.mark in _ENDS


@dataclass(frozen=True, slots=True)
class Sound:
    """What is decoded: samples at 16 kHz that begin at ``origin`` seconds of the session.

    ``goes_on`` where words of its utterance are settled already.
    """

    samples: Samples
    origin: float
    goes_on: bool = False

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE

    @property
    def end(self) -> float:
        return self.origin + self.seconds


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What is said in the window; nothing where there is no speech."""

    words: tuple[HeardWord, ...] = ()


def is_speech(no_speech: float, mean_log_probability: float, *, goes_on: bool = False) -> bool:
    """Whether the decoder heard speech: on noise it invents sentences that it doubts.

    In a window that was cut in the middle of a sentence the model doubts that there is speech,
    at 0.65 to 0.8, and hears the words all the same: settled words outweigh that doubt.
    """
    if mean_log_probability < LEAST_LOG_PROBABILITY:
        return False
    return goes_on or no_speech <= NO_SPEECH


def words_of(pieces: Iterable[Piece], origin: float, *, spaced: bool) -> tuple[HeardWord, ...]:
    """Join pieces to words. Without spaces between words, each piece is one."""
    groups: list[list[Piece]] = []
    for piece in pieces:
        begins = piece.text[:1] == " " or (not spaced and not _is_mark(piece.text))
        if begins or not groups:
            groups.append([piece])
        else:
            groups[-1].append(piece)
    words: list[HeardWord] = []
    for group in groups:
        words += _word(group, origin)
    return tuple(words)


def _is_mark(text: str) -> bool:
    return not text.strip(_MARKS + _DROPPED)


def _word(group: Sequence[Piece], origin: float) -> list[HeardWord]:
    text = "".join(piece.text for piece in group).strip()
    content = text.strip(_MARKS + _DROPPED)
    if not content:
        return []
    sounding = [piece for piece in group if not _is_mark(piece.text)]
    start, end = sounding[0].start, max(sounding[-1].end, sounding[0].start + 0.02)
    confidence = math.exp(sum(math.log(max(p.probability, 1e-6)) for p in sounding) / len(sounding))
    word = Word(content, round(origin + start, 2), round(origin + end, 2), round(confidence, 3))
    tail = text[text.rindex(content) + len(content) :]
    return [HeardWord(word, next((mark for mark in tail if mark in _MARKS), ""))]


def after(known: Sequence[HeardWord], words: Sequence[HeardWord]) -> Sequence[HeardWord] | None:
    """The words that follow the known ones, or None where the words begin otherwise.

    Times shift from decode to decode, so the text decides what was known already.
    """
    expected = [heard.word.content.casefold() for heard in known]
    found = [heard.word.content.casefold() for heard in words[: len(known)]]
    return words[len(known) :] if known and found == expected else None


def retimed(words: Sequence[HeardWord], timed: Sequence[HeardWord]) -> list[HeardWord]:
    """Words with rough times; those that an earlier decode heard alike have its exact ones."""
    exact: list[HeardWord] = []
    for heard, earlier in zip(words, timed, strict=False):
        if heard.word.content.casefold() != earlier.word.content.casefold():
            break
        exact.append(replace(heard, word=replace(earlier.word, content=heard.word.content)))
    end = exact[-1].word.end if exact else 0.0
    rest = words[len(exact) :]
    return exact + [
        replace(
            h, word=replace(h.word, start=max(h.word.start, end), end=max(h.word.end, end + 0.02))
        )
        for h in rest
    ]


def within(words: Iterable[HeardWord], end: float) -> tuple[HeardWord, ...]:
    """The words that begin before the audio ends: the model may go on beyond it."""
    kept = (heard for heard in words if heard.word.start < end - 0.04)
    return tuple(replace(h, word=replace(h.word, end=min(h.word.end, end))) for h in kept)
