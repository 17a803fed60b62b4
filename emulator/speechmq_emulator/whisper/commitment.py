"""Which words of a growing utterance are settled, and when it must be decoded again.

A word is settled when it ended ``max_delay`` ago, or when two decodes in a row agree on it and
on all words before it. With a word that is due go those that ended long enough ago to be
stable. Pure, and a function of the audio alone: how busy the machine is changes no word.
"""

from collections.abc import Sequence
from dataclasses import replace

from speechmq_emulator.whisper.hypothesis import HeardWord, after

STABLE_SECONDS = 0.7
_AGREED_SECONDS = 0.3
"""The newest word often lacks its end: agreement on it says little."""

_SHORTEST_PERIOD = 0.4
_LONGEST_PERIOD = 3.0
_ROUNDING = 0.01
_LEAST_SECONDS = 0.02


class Commitment:
    """The settled part of a stream; ``until`` is its end in seconds."""

    def __init__(self, max_delay: float) -> None:
        self.until = 0.0
        self._agreed: list[str] = []
        self.hurry(max_delay)

    def hurry(self, max_delay: float) -> None:
        """From now on words have to be settled within ``max_delay``, in seconds."""
        self._max_delay = max_delay
        self._stable = min(max(STABLE_SECONDS, max_delay / 4), max_delay - _SHORTEST_PERIOD)

    def cover(self, until: float) -> None:
        """Everything up to ``until`` is settled."""
        self.until = max(self.until, until)

    def begin(self) -> None:
        """An utterance begins: no decode of it can agree with an earlier one."""
        self._agreed = []

    def first_decode(self, start: float) -> float:
        """When an utterance that begins at ``start`` is decoded first."""
        return start + min(max(self._max_delay, _SHORTEST_PERIOD), _LONGEST_PERIOD)

    def next_decode(self, open_words: Sequence[HeardWord], now: float) -> float:
        """When the oldest open word is due, within 0.4 to 3 s from ``now``."""
        due = open_words[0].word.end + self._max_delay if open_words else now + self._max_delay
        return min(max(due, now + _SHORTEST_PERIOD), now + _LONGEST_PERIOD)

    def open_words(
        self, words: Sequence[HeardWord], known: Sequence[HeardWord] = ()
    ) -> list[HeardWord]:
        """The words that are not settled yet, none starting before ``until``.

        ``known`` are the settled words that the decode heard, too.
        """
        rest = after(known, words)
        if rest is None:
            rest = [h for h in words if (h.word.start + h.word.end) / 2 > self.until]
        return [_not_before(self.until, heard) for heard in rest]

    def settle(self, rest: Sequence[HeardWord], now: float) -> list[HeardWord]:
        """The open words that become settled at ``now``, oldest first; often none."""
        spoken = [h.word.content.casefold() for h in rest]
        agreed = _common(spoken, self._agreed)
        due_before = now + _SHORTEST_PERIOD - self._max_delay + _ROUNDING
        is_due = bool(rest) and rest[0].word.end <= due_before
        count = 0
        for index, heard in enumerate(rest):
            age = now - heard.word.end + _ROUNDING
            sure = index < agreed and age >= _AGREED_SECONDS
            if not (sure or (is_due and age >= self._stable)):
                break
            count += 1
        self._agreed = spoken[count:]
        if count:
            self.until = max(self.until, rest[count - 1].word.end)
        return list(rest[:count])

    def idle_until(self, open_words: Sequence[HeardWord], now: float) -> float:
        """Up to where nothing was said that could still become a word."""
        horizon = now - self._stable
        return max(self.until, min(open_words[0].word.start, horizon) if open_words else horizon)


def _not_before(until: float, heard: HeardWord) -> HeardWord:
    start, end = max(until, heard.word.start), max(until + _LEAST_SECONDS, heard.word.end)
    return replace(heard, word=replace(heard.word, start=start, end=end))


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
