"""Samples at 16 kHz -> the log-mel spectrogram that Whisper was trained on."""

import numpy as np
from numpy.typing import NDArray

from speechmq_emulator.audio import Samples

RATE = 16000
HOP = 160
FRAMES_PER_SECOND = RATE // HOP
LONGEST_SECONDS = 30
_FFT = 400
_LEAST_SECONDS = 8.0
_TAIL_SECONDS = 2.0
_BREAK_HERTZ = 1000.0
_BREAK_MEL = 15.0
_LOG_STEP = np.log(6.4) / 27


def _mel_to_hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's scale: linear below 1 kHz, logarithmic above."""
    above = _BREAK_HERTZ * np.exp((np.maximum(mel, _BREAK_MEL) - _BREAK_MEL) * _LOG_STEP)
    return np.where(mel >= _BREAK_MEL, above, mel * 200 / 3)


def _filter_bank(bands: int) -> NDArray[np.float32]:
    """Triangles of equal area, a row a band."""
    highest = _BREAK_MEL + np.log(RATE / 2 / _BREAK_HERTZ) / _LOG_STEP
    edges = _mel_to_hertz(np.linspace(0, highest, bands + 2))
    widths = np.diff(edges)
    away = edges[:, None] - np.fft.rfftfreq(_FFT, 1 / RATE)
    rising, falling = -away[:-2] / widths[:-1, None], away[2:] / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(triangles * (2 / (edges[2:] - edges[:-2]))[:, None], np.float32)


class LogMel:
    """``bands`` is the model's: 80, or 128 for large-v3."""

    def __init__(self, bands: int) -> None:
        self._filters = _filter_bank(bands).T
        self._window = np.hanning(_FFT + 1)[:-1].astype(np.float32)

    def __call__(self, samples: Samples) -> NDArray[np.float32]:
        """One row a band, one column each 10 ms; at most 30 s of sound.

        Zeros follow the sound. Without them the model repeats itself; silence instead of
        zeros makes it invent a continuation.
        """
        samples = samples[: LONGEST_SECONDS * RATE]
        padded = np.pad(samples, _FFT // 2, mode="reflect" if len(samples) > _FFT else "constant")
        frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::HOP]
        frames = frames[: len(samples) // HOP] * self._window
        power = np.abs(np.fft.rfft(frames)).astype(np.float32) ** 2
        level = np.log10(np.maximum(power @ self._filters, 1e-10))
        level = (np.maximum(level, level.max(initial=-10.0) - 8) + 4) / 4
        missing = max(0, self._columns(len(samples)) - len(level))
        return np.ascontiguousarray(np.pad(level, ((0, missing), (0, 0))).T, np.float32)

    @staticmethod
    def _columns(samples: int) -> int:
        seconds = max(_LEAST_SECONDS, samples / RATE + _TAIL_SECONDS)
        return round(min(seconds, LONGEST_SECONDS) * FRAMES_PER_SECOND)
