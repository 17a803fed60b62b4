"""Music and applause are told from speech, silence and noise."""

import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from speechmq_emulator.audio import Samples
from speechmq_emulator.sound.audio_events import AudioEvents
from speechmq_emulator.speech.events import AudioEventEnded, AudioEventStarted, Heard

SAMPLES = Path(__file__).parents[4] / "samples"
RATE = 16000


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


def chord(root: float, seconds: float) -> Samples:
    time = np.arange(round(seconds * RATE)) / RATE
    tones = [root * ratio * n for ratio in (1, 1.25, 1.5) for n in (1, 2, 3)]
    sound = np.sum([np.sin(2 * np.pi * hertz * time) for hertz in tones], axis=0)
    return np.asarray(0.05 * sound * np.exp(-1.5 * time), np.float32)


def chords(seconds: float) -> Samples:
    roots = [220, 196, 261.6, 174.6] * 10
    return np.concatenate([chord(root, seconds) for root in roots])[: 6 * RATE]


def clapping(people: int = 12) -> Samples:
    """Bursts of noise, each person about 3.5 a second, in a room with an echo."""
    random = np.random.default_rng(5)
    sound = np.zeros(6 * RATE)
    for _ in range(people):
        for at in np.cumsum(random.uniform(0.8, 1.2, 20) / 3.5):
            burst = random.normal(0, random.uniform(0.3, 1), 320) * np.exp(-np.arange(320) / 96)
            here = sound[int(at * RATE) :][:320]
            here += burst[: len(here)]
    echo = random.normal(0, 0.08, 4000) * np.exp(-np.arange(4000) / 1600)
    sound += np.convolve(sound, echo)[: len(sound)]
    return (0.1 * sound).astype(np.float32)


def noise() -> Samples:
    return np.random.default_rng(1).normal(0, 0.1, 6 * RATE).astype(np.float32)


def speech() -> Samples:
    with wave.open(str(SAMPLES / "dialogue-16k-mono.wav")) as recording:
        pcm = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
    return pcm.astype(np.float32) / np.float32(32768)


def heard(kinds: Iterable[str], *sounds: Samples, chunk: int = 1600) -> list[Heard]:
    events = AudioEvents(kinds)
    audio = np.concatenate(sounds)
    told = [e for at in range(0, len(audio), chunk) for e in events.feed(audio[at : at + chunk])]
    return told + events.finish(len(audio) / RATE)


def spans(events: list[Heard]) -> list[tuple[str, float]]:
    return [
        (e.kind, e.start if isinstance(e, AudioEventStarted) else e.end)
        for e in events
        if isinstance(e, AudioEventStarted | AudioEventEnded)
    ]


@pytest.mark.parametrize("chunk", [160, 1600, 100_000])
@pytest.mark.parametrize(
    ("kind", "sound"), [("music", chords(1.0)), ("applause", clapping())], ids=["music", "applause"]
)
def test_event_lasts_as_long_as_its_sound(kind: str, sound: Samples, chunk: int) -> None:
    told = heard(["music", "applause"], silence(4), sound, silence(4), chunk=chunk)
    begin, end = spans(told)
    assert (begin[0], end[0]) == (kind, kind)
    assert begin[1] == pytest.approx(4.0, abs=0.5)
    assert end[1] == pytest.approx(10.0, abs=0.5)


def test_confidence_is_a_share() -> None:
    started, _ = heard(["music"], chords(1.0))
    assert isinstance(started, AudioEventStarted)
    assert 0.45 <= started.confidence <= 1.0


def test_music_need_not_keep_time_with_the_measuring() -> None:
    (begin, end) = spans(heard(["music"], chords(0.73), silence(4)))
    assert begin[1] <= 1.0
    assert end[1] >= 5.0


def test_event_that_goes_on_ends_with_the_audio() -> None:
    assert spans(heard(["music"], chords(1.0))) == [("music", 0.0), ("music", 6.0)]


@pytest.mark.parametrize(
    "sound", [speech(), noise(), silence(6)], ids=["speech", "noise", "silence"]
)
def test_other_sounds_are_no_event(sound: Samples) -> None:
    assert heard(["music", "applause"], sound) == []


def test_only_what_was_asked_for_is_reported() -> None:
    assert heard(["applause"], chords(1.0)) == []
    assert heard([], chords(1.0)) == []
    assert heard(["laughter", "thunder"], chords(1.0)) == []
    assert len(heard(["music", "music"], chords(1.0))) == 2
