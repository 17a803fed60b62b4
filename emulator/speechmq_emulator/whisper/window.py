"""The audio that is decoded again and again, from its place on the session's clock. Pure."""

import numpy as np

from speechmq_emulator.audio import Samples
from speechmq_emulator.sound.voiceprint import Features, Track
from speechmq_emulator.whisper.features import RATE
from speechmq_emulator.whisper.hypothesis import HeardWord

TRIM_SECONDS = 8.0
"""A longer window is cut where a sentence, or else a word, is settled."""

LONGEST_SECONDS = 20.0


class Window:
    """Begins at sample ``origin``; keeps what follows until it is trimmed."""

    def __init__(self, samples: Samples, origin: int, *, sounds: bool) -> None:
        self.origin = origin
        self._parts = [samples]
        self._length = len(samples)
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

    def samples(self) -> Samples:
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    def trim(self, settled: list[HeardWord]) -> None:
        """Leave out what was settled, once the window is long."""
        if self.seconds <= TRIM_SECONDS or not settled:
            return
        ends = [heard.word.end for heard in settled if heard.ends_sentence]
        self.cut(ends[-1] if ends else settled[-1].word.end)

    def cut(self, at: float) -> None:
        """Begin at ``at`` seconds of the session instead."""
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
