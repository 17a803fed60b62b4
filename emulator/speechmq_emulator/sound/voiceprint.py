"""How a voice sounds, in 13 numbers for each 20 ms: timbre (cepstrum) and pitch.

Pure signal analysis. The band is that of a telephone, so that a voice is much the same
over one. Who speaks is ``voices``' affair.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechmq_emulator.audio import Samples

Pcm = NDArray[np.int16]
"""Samples at 16 kHz."""

Analysis = NDArray[np.float64]
"""A row for each frame: 12 of cepstrum, pitch (the logarithm of Hz, or NaN), energy."""

Features = NDArray[np.float64]
"""The rows with a pitch, without the energy."""

DIMENSIONS = 13
_RATE = 16000
_WINDOW = 640
HOP = 320
_FFT = 1024
_BANDS = 24
_BAND_EDGES = (150.0, 3800.0)
_PITCHES = (70.0, 350.0)
_LEAST_PERIODICITY = 0.45
_FLOOR = 1e-12
_SPEECH_BELOW_LOUDEST = 1e-3  # 30 dB: below is breath, room and the tails of words


def _mel(hertz: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return np.asarray(2595 * np.log10(1 + hertz / 700), np.float64)


def _filter_bank() -> NDArray[np.float64]:
    """Triangles of equal width on the mel scale, one a row."""
    low, high = _mel(np.array(_BAND_EDGES))
    edges = np.linspace(low, high, _BANDS + 2)
    bins = _mel(np.fft.rfftfreq(_FFT, 1 / _RATE))
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.asarray(np.clip(np.minimum(rising, falling), 0, None))


def _cosines() -> NDArray[np.float64]:
    """The cosine transform, without the row that is loudness."""
    rows = np.arange(1, DIMENSIONS)[:, None]
    angles = np.pi * rows * (np.arange(_BANDS) + 0.5) / _BANDS
    return np.asarray(np.cos(angles) * np.sqrt(2 / _BANDS))


_FILTER_BANK = _filter_bank()
_COSINES = _cosines()
_HANN = np.hanning(_WINDOW)
_WINDOW_CORRELATION = np.fft.irfft(np.abs(np.fft.rfft(_HANN, 2 * _FFT)) ** 2)


_EMPTY: Analysis = np.zeros((0, DIMENSIONS + 1))


def analyse(samples: Samples) -> Analysis:
    """Frames of 40 ms, 20 ms apart, of samples at 16 kHz; as many as fit."""
    if len(samples) < _WINDOW:
        return _EMPTY
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::HOP] * _HANN
    power = np.abs(np.fft.rfft(frames, _FFT)) ** 2
    bands = power @ _FILTER_BANK.T
    # 50 dB below the loudest band there is nothing of a voice.
    floor = 1e-5 * bands.max(axis=1, keepdims=True) + _FLOOR
    return np.column_stack(
        [np.log(bands + floor) @ _COSINES.T, _pitch(frames), (frames**2).mean(axis=1)]
    )


def _pitch(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """By the highest peak of the autocorrelation, corrected for the window's own."""
    correlation = np.fft.irfft(np.abs(np.fft.rfft(frames, 2 * _FFT)) ** 2)
    shortest, longest = (round(_RATE / hertz) for hertz in reversed(_PITCHES))
    whole = correlation[:, :1] + _FLOOR
    periodic = correlation[:, shortest : longest + 1] / whole
    periodic /= _WINDOW_CORRELATION[shortest : longest + 1] / _WINDOW_CORRELATION[0]
    # Twice the period fits as well: prefer short ones a little.
    best = (periodic * np.linspace(1.0, 0.85, periodic.shape[1])).argmax(axis=1)
    strength = np.take_along_axis(periodic, best[:, None], axis=1)[:, 0]
    pitch = np.log(_RATE / (shortest + best))
    return np.where(strength >= _LEAST_PERIODICITY, pitch, np.nan)


def voiced(analysis: Analysis) -> Features:
    """The voiced frames' cepstra and pitch: vowels tell more of a speaker than hisses."""
    pitch, energy = analysis[:, -2], analysis[:, -1]
    loud = energy > energy.max(initial=0.0) * _SPEECH_BELOW_LOUDEST
    return analysis[loud & ~np.isnan(pitch), :-1]


class Track:
    """The analysis of samples that grow in number; each frame is analysed once."""

    def __init__(self) -> None:
        self._analysis = _EMPTY

    def features(self, samples: Pcm, first: int, last: int) -> Features:
        """Of the voiced frames between two samples; ``samples`` are all there are by now."""
        fresh = samples[len(self._analysis) * HOP :]
        if len(fresh) >= _WINDOW:
            scaled = (fresh / np.float32(32768)).astype(np.float32)
            self._analysis = np.concatenate([self._analysis, analyse(scaled)])
        return voiced(self._analysis[max(0, first) // HOP : max(0, last) // HOP])
