"""Voices are told apart by the means of their frames, and known again by identifiers."""

import numpy as np
import pytest

from speechmq_emulator.protocol.config import SpeakerDiarizationConfig
from speechmq_emulator.sound.voiceprint import DIMENSIONS, Features
from speechmq_emulator.sound.voices import Voice, Voices

LOW, HIGH = 0.0, 4.0
"""So far apart that nobody takes one for the other."""


def speech(voice: float, frames: int = 40) -> Features:
    """Frames that all lie at ``voice``."""
    return np.full((frames, DIMENSIONS), voice)


def voices(**config: object) -> Voices:
    return Voices(SpeakerDiarizationConfig.model_validate(config))


def labels(told: Voices, *spoken: Features) -> list[str | None]:
    """Who said what, without favour for the one before."""
    return [voice.label if voice else None for voice in (told.settle(s, None) for s in spoken)]


def identifiers_of(spoken: Features) -> list[str]:
    told = voices()
    labels(told, spoken)
    (voice,) = told.heard()
    return list(voice.identifiers)


def test_voices_are_numbered_as_they_come() -> None:
    spoken = [speech(HIGH), speech(LOW), speech(HIGH), speech(-HIGH)]
    assert labels(voices(), *spoken) == ["S1", "S2", "S1", "S3"]


def test_too_little_speech_is_nobodys() -> None:
    assert labels(voices(), speech(LOW, 7), speech(LOW, 0)) == [None, None]


def test_too_little_speech_goes_on_with_the_current_voice() -> None:
    told = voices()
    current = told.settle(speech(LOW), None)
    assert told.settle(speech(HIGH, 7), current) is current


def test_short_stretch_makes_no_further_voice() -> None:
    spoken = [speech(LOW), speech(HIGH, 19), speech(HIGH, 20)]
    assert labels(voices(), *spoken) == ["S1", "S1", "S2"]


def test_no_more_voices_than_the_client_allows() -> None:
    told = voices(max_speakers=2)
    spoken = [speech(LOW), speech(HIGH), speech(3 * HIGH), speech(-HIGH)]
    assert labels(told, *spoken) == ["S1", "S2", "S2", "S1"]


@pytest.mark.parametrize(("sensitivity", "second"), [(0.0, "S1"), (0.5, "S1"), (1.0, "S2")])
def test_sensitivity_decides_what_another_voice_is(sensitivity: float, second: str) -> None:
    told = voices(speaker_sensitivity=sensitivity)
    assert labels(told, speech(LOW), speech(LOW + 0.4)) == ["S1", second]


@pytest.mark.parametrize(("preferred", "label"), [(False, "S2"), (True, "S1")])
def test_current_voice_is_preferred_if_the_client_wants_it(preferred: bool, label: str) -> None:
    told = voices(speaker_sensitivity=1.0, prefer_current_speaker=preferred)
    first, second = told.settle(speech(LOW), None), told.settle(speech(LOW + 0.5), None)
    assert first is not second
    voice = told.settle(speech(LOW + 0.32), first)
    assert voice is not None
    assert voice.label == label


def test_match_makes_no_voice() -> None:
    told = voices()
    assert told.match(speech(LOW), None) is None
    assert told.heard() == ()


def test_voice_learns_from_what_it_says() -> None:
    voice = Voice("S1", np.zeros(DIMENSIONS), 10)
    voice.learn(speech(1.0, 30))
    assert (voice.frames, voice.mean.tolist()) == (40, [0.75] * DIMENSIONS)
    voice.learn(speech(1.0, 0))
    assert voice.frames == 40


def test_voice_is_known_again_by_its_identifier() -> None:
    speakers = [{"label": "Ann", "speaker_identifiers": identifiers_of(speech(HIGH))}]
    told = voices(speakers=speakers)
    assert labels(told, speech(LOW), speech(HIGH)) == ["S1", "Ann"]


def test_two_identifiers_of_one_label_are_one_speaker() -> None:
    both = identifiers_of(speech(HIGH)) + identifiers_of(speech(-HIGH))
    told = voices(speakers=[{"label": "Ann", "speaker_identifiers": both}])
    assert labels(told, speech(HIGH), speech(LOW), speech(-HIGH)) == ["Ann", "S1", "Ann"]


def test_only_voices_that_spoke_are_told() -> None:
    speakers = [
        {"label": "Ann", "speaker_identifiers": identifiers_of(speech(LOW))},
        {"label": "Bob", "speaker_identifiers": identifiers_of(speech(HIGH))},
    ]
    told = voices(speakers=speakers)
    voice = told.settle(speech(LOW), None)
    assert voice is not None
    voice.learn(speech(LOW))
    assert [known.label for known in told.heard()] == ["Ann"]


def test_unreadable_identifier_is_told_and_the_others_are_used() -> None:
    identifiers = ["nonsense", *identifiers_of(speech(LOW))]
    told = voices(speakers=[{"label": "Ann", "speaker_identifiers": identifiers}])
    assert told.malformed == ["An identifier of speaker 'Ann' is not one that this server gave"]
    assert labels(told, speech(LOW)) == ["Ann"]
