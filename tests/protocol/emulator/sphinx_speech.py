"""Recordings for sessions with real recognition."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TESTS = Path(__file__).parents[2]
SENTENCE = TESTS / "protocol" / "emulator" / "speech-16k.wav"
INVENTED_NAME = TESTS / "fixtures" / "invented-name-16k.wav"
"""A synthetic voice: "We have a meeting with Zorblat in the evening"."""

DIALOGUE = TESTS.parent / "samples" / "dialogue-16k-mono.wav"
SECOND = 32_000


def read_wav(path: Path) -> bytes:
    """The 16 bit samples of a recording at 16 kHz."""
    with wave.open(str(path)) as recording:
        assert recording.getframerate() == 16_000
        audio: bytes = recording.readframes(recording.getnframes())
    return audio


def turns_of_dialogue(audio: bytes) -> list[tuple[str, float, float]]:
    """Who speaks from when to when, in seconds: the turns of the script, by their pauses."""
    script = DIALOGUE.with_name("dialogue.txt").read_text().splitlines()
    speakers = [line.split(":")[0] for line in script]
    spans = _voiced(np.frombuffer(audio, "<i2"))
    assert len(spans) == len(speakers)
    return [(who, *span) for who, span in zip(speakers, spans, strict=True)]


def _voiced(samples: NDArray[np.int16], pause: float = 0.5) -> list[tuple[float, float]]:
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 300) / 16_000
    breaks = np.flatnonzero(np.diff(loud) > pause)
    begins = [loud[0], *loud[breaks + 1]]
    ends = [*loud[breaks], loud[-1]]
    return [(float(begin), float(end)) for begin, end in zip(begins, ends, strict=True)]
