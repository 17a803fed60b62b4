"""The audio that is decoded again and again, from its place on the session's clock. Pure."""

from collections.abc import Sequence

import numpy as np

from speechmq_emulator.audio import Samples
from speechmq_emulator.sound.voiceprint import Features, Track
from speechmq_emulator.whisper.features import RATE
from speechmq_emulator.whisper.hypothesis import HeardWord, Sound

TRIM_SECONDS = 5.0
"""A longer window is cut where a sentence is settled, or else before the newest settled words:
the cost of a decode grows with its window."""

KEPT_WORDS = 3
"""Settled words that stay: they give the model a beginning, and show what was settled."""

_KEPT_BEFORE_SECONDS = 0.1

LONGEST_SECONDS = 20.0


class Window:
    """Begins at sample ``origin``; keeps what follows until it is trimmed.

    ``known`` are the settled words in it.
    """

    def __init__(self, samples: Samples, origin: int, *, sounds: bool) -> None:
        self.origin = origin
        self.known: tuple[HeardWord, ...] = ()
        self._parts = [samples]
        self._length = len(samples)
        self._goes_on = False
        self._track = Track() if sounds else None

    @property
    def seconds(self) -> float:
        return self._length / RATE

    @property
    def start(self) -> float:
        return self.origin / RATE

    @property
    def end(self) -> float:
        return (self.origin + self._length) / RATE

    def feed(self, samples: Samples) -> None:
        self._parts.append(samples)
        self._length += len(samples)

    def sound(self) -> Sound:
        return Sound(self.samples(), self.start, goes_on=self._goes_on)

    def samples(self) -> Samples:
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    def settle(self, words: Sequence[HeardWord]) -> None:
        """These words are settled. Leave out the older ones, once the window is long."""
        self.known = (*self.known, *words)
        self._goes_on = self._goes_on or bool(words)
        if self.seconds <= TRIM_SECONDS:
            return
        ends = [heard.word.end for heard in words if heard.ends_sentence]
        if ends:
            self.cut(ends[-1])
        elif len(self.known) > KEPT_WORDS:
            self.known = self.known[-KEPT_WORDS:]
            self._begin_at(self.known[0].word.start - _KEPT_BEFORE_SECONDS)

    def cut(self, at: float) -> None:
        """Begin at ``at`` seconds of the session instead."""
        self.known = tuple(heard for heard in self.known if heard.word.start >= at)
        self._begin_at(at)

    def _begin_at(self, at: float) -> None:
        first = min(max(0, round(at * RATE) - self.origin), self._length)
        self._parts = [self.samples()[first:]]
        self._length -= first
        self.origin += first
        if self._track is not None:
            self._track = Track()

    def features_between(self, start: float, end: float) -> Features:
        """How the voice sounds between two times, in seconds of the session."""
        if self._track is None:
            return np.zeros((0, 13))
        first, last = (round(time * RATE) - self.origin for time in (start, end))
        pcm = np.clip(np.round(self.samples() * 32768), -32768, 32767).astype(np.int16)
        return self._track.features(pcm, first, last)
