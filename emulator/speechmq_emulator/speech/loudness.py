"""How loud a stretch of recent audio was, on the service's scale of 0 to 100.

The scale is imitated: 100 times the root mean square of the samples, so that full-scale
noise is near 100 and quiet speech in the background below 4, the service's own example
of a threshold. Costs a pass over the samples; nothing measures unless it was asked to.
"""

import math
from collections import deque

import numpy as np

from speechmq_emulator.audio import Samples

FRAME_SECONDS = 0.02
REMEMBERED_SECONDS = 60.0


class Loudness:
    """Squares of a stream's samples, summed by frame. ``position`` is in samples."""

    def __init__(self, rate: int, position: int = 0) -> None:
        self._rate = rate
        self._length = round(FRAME_SECONDS * rate)
        self._begin = position / rate
        self._energies: deque[float] = deque(maxlen=round(REMEMBERED_SECONDS / FRAME_SECONDS))
        self._frames = 0
        self._rest: Samples = np.zeros(0, np.float32)

    def add(self, samples: Samples) -> None:
        audio = np.concatenate([self._rest, samples])
        whole = len(audio) - len(audio) % self._length
        self._rest = audio[whole:]
        energies = np.square(audio[:whole].reshape(-1, self._length)).mean(axis=1)
        self._energies.extend(energies.tolist())
        self._frames += len(energies)

    def volume(self, start: float, end: float) -> float:
        """Between ``start`` and ``end`` in seconds; of what is forgotten or not yet heard, 0."""
        oldest = self._frames - len(self._energies)
        first = round((start - self._begin) / FRAME_SECONDS)
        last = max(round((end - self._begin) / FRAME_SECONDS), first + 1)
        known = range(max(first, oldest), min(last, self._frames))
        heard = [self._energies[i - oldest] for i in known]
        mean = sum(heard) / len(heard) if heard else 0.0
        return round(min(100.0, 100 * math.sqrt(mean)), 2)
