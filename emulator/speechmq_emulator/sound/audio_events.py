"""Sounds that are no speech: music and applause, by simple measures of the spectrum.

Music holds its tones: a partial stays on one frequency for half a second, where a voice
glides; a melody of quick notes alone is not noticed. Applause is noise without tones, and
rougher than a steady rustle: single claps stand out, so a stadium is not noticed either.
Laughter is not told from speech, so it is never reported.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from speechmq_emulator.audio import Samples
from speechmq_emulator.speech.events import AudioEventEnded, AudioEventStarted, Heard

_RATE = 16000
WINDOW_SECONDS = 0.5
_WINDOW = round(WINDOW_SECONDS * _RATE)
_FFT = 2048
_STEP = 512
_SILENCE = 1e-6
_REMEMBERED = 5
_BEGIN = 3
_END = 1
"""An event begins when 3 of the last 5 half seconds say so, and ends when at most 1 does."""


def _spectra(window: Samples) -> NDArray[np.float64]:
    """Power by time and frequency."""
    frames = np.lib.stride_tricks.sliding_window_view(window, _FFT)[::_STEP]
    return np.abs(np.fft.rfft(frames * np.hanning(_FFT))) ** 2 + 1e-12


def music(window: Samples) -> float:
    """The share of the power that lies in tones which last through the whole window, 0 to 1."""
    power = _spectra(window)[:, 10:640]  # 80 Hz to 5 kHz
    level = power / power.mean(axis=1, keepdims=True)
    lasting = np.percentile(level, 10, axis=0)
    return float(min(1.0, lasting.sum() / level.mean(axis=0).sum()))


def applause(window: Samples) -> float:
    """How noisy and how rough a sound is, 0 to 1."""
    power = _spectra(window)[:, 64:768].mean(axis=0)  # 500 Hz to 6 kHz
    flatness = float(np.exp(np.log(power).mean()) / power.mean())
    steps = np.square(window[: len(window) // 32 * 32].reshape(-1, 32)).mean(axis=1)  # of 2 ms
    roughness = float(steps.std() / steps.mean())
    quietest = float(np.percentile(steps.reshape(-1, 25).mean(axis=1), 5) / steps.mean())
    is_rough = 0.35 <= roughness <= 3.0 and quietest >= 0.15
    return min(1.0, flatness) if is_rough else 0.0


_MEASURES: Mapping[str, Callable[[Samples], float]] = MappingProxyType(
    {"music": music, "applause": applause}
)
_THRESHOLD = 0.45
"""Of six minutes of a dozen voices, four half seconds came to it, none near another."""


class _Detector:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.active = False
        self._scores: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)

    def push(self, window: Samples, start: float) -> list[Heard]:
        loud = float(np.square(window).mean()) > _SILENCE
        self._scores.append((start, _MEASURES[self.kind](window) if loud else 0.0))
        found = [(at, score) for at, score in self._scores if score >= _THRESHOLD]
        if not self.active and len(found) >= _BEGIN:
            self.active = True
            return [AudioEventStarted(self.kind, found[0][0], round(found[-1][1], 2))]
        if self.active and len(found) <= _END and len(self._scores) == _REMEMBERED:
            self.active = False
            newest = found[-1][0] if found else self._scores[0][0]
            return [AudioEventEnded(self.kind, newest + WINDOW_SECONDS)]
        return []


class AudioEvents:
    """The events of these kinds, in order; kinds that can not be told are never reported."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._detectors = [_Detector(kind) for kind in dict.fromkeys(kinds) if kind in _MEASURES]
        self._rest: Samples = np.zeros(0, np.float32)
        self._windows = 0

    def feed(self, samples: Samples) -> list[Heard]:
        """Samples at 16 kHz, any number of them; judged by the half second."""
        if not self._detectors:
            return []
        audio = np.concatenate([self._rest, samples])
        whole = len(audio) - len(audio) % _WINDOW
        self._rest = audio[whole:]
        heard: list[Heard] = []
        for at in range(0, whole, _WINDOW):
            heard += self._judge(audio[at : at + _WINDOW])
        return heard

    def _judge(self, window: Samples) -> list[Heard]:
        start = self._windows * WINDOW_SECONDS
        self._windows += 1
        return [event for detector in self._detectors for event in detector.push(window, start)]

    def finish(self, duration: float) -> list[Heard]:
        """What still goes on ends with the audio."""
        return [AudioEventEnded(d.kind, duration) for d in self._detectors if d.active]
