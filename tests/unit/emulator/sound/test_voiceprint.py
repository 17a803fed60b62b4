"""Pitch and timbre of synthetic vowels."""

import numpy as np
import pytest

from speechmq_emulator.audio import Samples
from speechmq_emulator.sound.voiceprint import DIMENSIONS, Track, analyse, voiced


def vowel(hertz: float, seconds: float = 0.5, rolloff: float = 1.0) -> Samples:
    """A buzz of 20 harmonics; a higher ``rolloff`` sounds darker."""
    time = np.arange(round(seconds * 16000)) / 16000
    tones = [np.sin(2 * np.pi * hertz * n * time) / n**rolloff for n in range(1, 21)]
    return np.asarray(0.1 * np.sum(tones, axis=0), np.float32)


@pytest.mark.parametrize("hertz", [80, 120, 200, 320])
def test_pitch_is_that_of_the_voice(hertz: float) -> None:
    pitch = np.exp(voiced(analyse(vowel(hertz)))[:, -1])
    assert len(pitch) == 24
    assert np.median(pitch) == pytest.approx(hertz, rel=0.02)


def test_noise_and_silence_have_hardly_a_voiced_frame() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 16000).astype(np.float32)
    assert len(voiced(analyse(noise))) <= 1
    assert voiced(analyse(np.zeros(16000, np.float32))).shape == (0, DIMENSIONS)


def test_timbre_tells_voices_of_one_pitch_apart() -> None:
    bright, dark = (voiced(analyse(vowel(120, rolloff=r))).mean(axis=0) for r in (0.5, 2.0))
    again = voiced(analyse(vowel(120, seconds=0.3, rolloff=0.5))).mean(axis=0)
    assert np.abs(bright - again).max() < 0.2
    assert np.abs(bright - dark).max() > 2.0


def test_loudness_is_no_part_of_a_voice() -> None:
    loud, quiet = (voiced(analyse(np.float32(gain) * vowel(120))) for gain in (1.0, 0.1))
    assert np.abs(loud - quiet).max() < 0.1


def test_too_few_samples_have_no_frames() -> None:
    assert len(analyse(vowel(120)[:639])) == 0


def test_track_that_grows_is_that_of_the_whole() -> None:
    pcm = np.round(vowel(120) * 32768).astype(np.int16)
    grown, whole = Track(), Track()
    for end in range(0, len(pcm) + 1, 500):
        grown.features(pcm[:end], 0, end)
    assert np.allclose(grown.features(pcm, 0, 8000), whole.features(pcm, 0, 8000))
    assert len(whole.features(pcm, 3200, 6400)) == 10
    assert len(whole.features(pcm, -5000, -1)) == 0
