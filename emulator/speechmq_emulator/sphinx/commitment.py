"""Which words of a growing hypothesis are settled.

While somebody speaks, a decoder changes its mind about the last words. A word that ended
``max_delay`` ago has to be settled now; with it go the words that ended long enough ago to
be stable, so that finals come in phrases. What is settled is never contradicted: of later
hypotheses only words whose middle lies behind the settled part count.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from speechmq_emulator.speech.events import Word

STABLE_SECONDS = 0.7
"""A word that ended this long ago seldom changes any more; with more time, wait for half of it."""

_MARGIN_SECONDS = 0.1
"""Settle this much before the deadline: hypotheses are read only so often."""

_REMEMBERED = 10


class Commitment:
    """The settled part of a stream; ``until`` is its end in seconds."""

    def __init__(self, max_delay: float) -> None:
        self.until = 0.0
        self._recent: deque[list[Word]] = deque(maxlen=_REMEMBERED)
        self.hurry(max_delay)

    def hurry(self, max_delay: float) -> None:
        """From now on words have to be settled within ``max_delay``, in seconds."""
        self._due_after = max_delay - _MARGIN_SECONDS
        self._stable_after = min(max(STABLE_SECONDS, max_delay / 2), self._due_after)

    def cover(self, until: float) -> None:
        """Everything up to ``until`` is settled."""
        self.until = max(self.until, until)

    def open_words(self, hypothesis: Sequence[Word]) -> list[Word]:
        """The words of a hypothesis that are not settled yet, none starting before ``until``."""
        words = [word for word in hypothesis if (word.start + word.end) / 2 > self.until]
        if words and words[0].start < self.until:
            words[0] = replace(words[0], start=self.until)
        return words

    def settle(self, hypothesis: Sequence[Word], now: float) -> list[Word]:
        """The words that become settled at ``now``, oldest first; often none.

        Their confidence is the share of the last second's hypotheses that agree.
        """
        words = self.open_words(hypothesis)
        self._recent.append(words)
        if not words or words[0].end > now - self._due_after:
            return []
        settled = [word for word in words if word.end <= now - self._stable_after]
        self.until = settled[-1].end
        return [replace(word, confidence=self._agreement(word)) for word in settled]

    def _agreement(self, word: Word) -> float:
        middle = (word.start + word.end) / 2
        agreeing = sum(
            any(w.content == word.content and w.start < middle < w.end for w in words)
            for words in self._recent
        )
        return round(agreeing / len(self._recent), 3)

    def idle_until(self, hypothesis: Sequence[Word], now: float) -> float:
        """Up to where nothing was said that could still become a word."""
        words = self.open_words(hypothesis)
        horizon = now - self._due_after
        return max(self.until, min(words[0].start, horizon) if words else horizon)
