"""Words carry the loudness of their audio, and quiet ones are left out."""

import numpy as np
import pytest

from speechmq_emulator.audio import Samples
from speechmq_emulator.speech.events import Final, Mark, Partial, UtteranceEnded, Word
from speechmq_emulator.speech.filtering import VolumeFilter
from speechmq_emulator.speech.loudness import REMEMBERED_SECONDS, Loudness

RATE = 1000


def level(volume: float, seconds: float) -> Samples:
    """Audio of one loudness on the scale of 0 to 100."""
    return np.full(round(seconds * RATE), volume / 100, np.float32)


@pytest.mark.parametrize("chunk", [7, 20, 5000])
def test_volume_is_that_of_the_stretch(chunk: int) -> None:
    audio = np.concatenate([level(40, 1), level(4, 1)])
    loudness = Loudness(RATE)
    for at in range(0, len(audio), chunk):
        loudness.add(audio[at : at + chunk])
    volumes = [loudness.volume(*span) for span in ((0, 1), (1, 2), (0.5, 1.5), (0.5, 0.5), (9, 10))]
    assert volumes == pytest.approx([40, 4, np.sqrt((1600 + 16) / 2), 40, 0], abs=0.02)


def test_clipped_audio_is_no_louder_than_the_scale_is_long() -> None:
    loudness = Loudness(RATE)
    loudness.add(level(200, 1))
    assert loudness.volume(0, 1) == 100.0


def test_what_is_forgotten_is_silent() -> None:
    loudness = Loudness(RATE)
    loudness.add(level(40, 1))
    loudness.add(level(10, REMEMBERED_SECONDS))
    assert (loudness.volume(0, 1), loudness.volume(1, 2)) == (0.0, 10.0)


def listening(threshold: float) -> VolumeFilter:
    """Loud for a second, then quiet for one."""
    volumes = VolumeFilter(RATE, threshold)
    volumes.listen(np.concatenate([level(40, 1), level(4, 1)]))
    return volumes


LOUD, QUIET = Word("loud", 0.2, 0.8), Word("quiet", 1.2, 1.8)
MARKS = (Mark(",", 0.8, ends_sentence=False), Mark(".", 1.8))


def test_words_are_measured_and_kept_without_a_threshold() -> None:
    spoken = (LOUD, MARKS[0], QUIET, MARKS[1])
    measured = (Word("loud", 0.2, 0.8, volume=40.0), MARKS[0])
    quiet = (Word("quiet", 1.2, 1.8, volume=4.0), MARKS[1])
    assert listening(0).apply([Final(0, 2, spoken), Partial(2, 2), UtteranceEnded(2)]) == [
        Final(0, 2, measured + quiet),
        Partial(2, 2),
        UtteranceEnded(2),
    ]


def test_quiet_words_are_left_out_and_their_time_stays_covered() -> None:
    volumes = listening(5)
    assert volumes.apply([Final(0, 1, (LOUD,)), Final(1, 2, (QUIET,)), Final(2, 2, MARKS[1:])]) == [
        Final(0, 1, (Word("loud", 0.2, 0.8, volume=40.0),)),
        Final(1, 2),
        Final(2, 2),
    ]


def test_mark_moves_to_the_loud_word_before_it() -> None:
    (settled,) = listening(5).apply([Final(0, 2, (LOUD, QUIET, MARKS[1]))])
    assert settled == Final(0, 2, (Word("loud", 0.2, 0.8, volume=40.0), MARKS[1]))


def test_volume_that_the_recogniser_measured_stays() -> None:
    word = Word("loud", 0.2, 0.8, volume=3.0)
    assert listening(2).apply([Final(0, 1, (word,))]) == [Final(0, 1, (word,))]
