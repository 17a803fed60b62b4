"""Utterances are decoded as they grow, by a scripted decoder; finals depend on audio alone."""

import numpy as np
import pytest

from speechmq_emulator.audio import Samples
from speechmq_emulator.protocol.config import StartRecognition
from speechmq_emulator.speech.events import Final, Heard, Mark, Partial, UtteranceEnded, Word
from speechmq_emulator.whisper.features import RATE
from speechmq_emulator.whisper.hypothesis import HeardWord, Hypothesis, Sound
from speechmq_emulator.whisper.recogniser import WhisperRecogniser

SPEECH = np.full(RATE * 3, 0.1, np.float32)
"""Each half second of it is one word, by the decoder below."""

PAUSE = np.zeros(RATE, np.float32)


class Scripted:
    """Hears ``w<n>`` in the n-th half second of the session's sound, once it is all there."""

    def __init__(self, *, is_busy: bool = True) -> None:
        self.is_busy = is_busy

    def decode(self, sound: Sound, audio: float) -> Hypothesis:
        assert audio >= 0
        loud = np.flatnonzero(sound.samples) / RATE + sound.origin
        if not len(loud):
            return Hypothesis()
        first, last = round(float(loud[0]) * 2), int(float(loud[-1] + 1 / RATE) * 2)
        words = [Word(f"w{n}", n / 2, (n + 1) / 2, 0.9) for n in range(first, last)]
        return Hypothesis(tuple(HeardWord(w, "." if w.content == "w5" else "") for w in words))

    def preview(self, sound: Sound) -> Hypothesis | None:
        return None if self.is_busy else self.decode(sound, 0.0)


def recogniser(decoder: Scripted, **config: object) -> WhisperRecogniser:
    start = StartRecognition.model_validate(
        {
            "message": "StartRecognition",
            "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": RATE},
            "transcription_config": {"language": "en", "max_delay": 1.0, **config},
        }
    )
    return WhisperRecogniser(start, decoder, lambda frame: float(bool(frame.any())))


def heard_by(one: WhisperRecogniser, audio: Samples, chunk: int) -> list[Heard]:
    heard: list[Heard] = []
    for at in range(0, len(audio), chunk):
        heard += one.feed(audio[at : at + chunk])
    return heard + one.finish(len(audio) / RATE)


def words_in(heard: list[Heard]) -> list[str]:
    results = [r for event in heard if isinstance(event, Final) for r in event.results]
    return [r.content for r in results if isinstance(r, Word)]


def test_each_word_is_final_once_and_finals_tile_the_time() -> None:
    heard = heard_by(recogniser(Scripted()), np.concatenate([SPEECH, PAUSE]), 1600)
    finals = [event for event in heard if isinstance(event, Final)]
    assert words_in(heard) == [f"w{n}" for n in range(6)]
    assert [f.start for f in finals] == [0.0, *(f.end for f in finals[:-1])]
    assert finals[-1].end == 4.0
    assert [r for f in finals for r in f.results if isinstance(r, Mark)] == [Mark(".", 3.0)]


@pytest.mark.parametrize("chunk", [160, 1600, 64000])
@pytest.mark.parametrize("is_busy", [False, True])
def test_finals_depend_on_the_audio_alone(chunk: int, is_busy: bool) -> None:
    audio = np.concatenate([SPEECH, PAUSE])
    expected = [e for e in heard_by(recogniser(Scripted()), audio, 3200) if isinstance(e, Final)]
    one = recogniser(Scripted(is_busy=is_busy), enable_partials=True)
    assert [e for e in heard_by(one, audio, chunk) if isinstance(e, Final)] == expected


def test_words_are_final_within_max_delay_of_their_end() -> None:
    one, late = recogniser(Scripted()), []
    audio = np.concatenate([SPEECH, PAUSE])
    for at in range(0, len(audio), 1600):
        for event in one.feed(audio[at : at + 1600]):
            if isinstance(event, Final):
                words = [r for r in event.results if isinstance(r, Word)]
                late += [(at + 1600) / RATE - word.end for word in words]
    assert len(late) == 6
    assert max(late) <= 1.2  # a chunk of 0.1 s and a frame come on top


def test_partials_come_only_to_a_session_that_wants_them() -> None:
    for wanted in (False, True):
        heard = heard_by(recogniser(Scripted(is_busy=False), enable_partials=wanted), SPEECH, 1600)
        assert any(isinstance(event, Partial) and event.results for event in heard) is wanted


def test_silence_ends_the_utterance_when_the_session_asks_for_it() -> None:
    trigger = {"end_of_utterance_silence_trigger": 0.4}
    one = recogniser(Scripted(), conversation_config=trigger)
    heard = heard_by(one, np.concatenate([SPEECH, PAUSE]), 1600)
    (ended,) = [event for event in heard if isinstance(event, UtteranceEnded)]
    assert ended.at == pytest.approx(3.4, abs=0.05)


def test_forced_end_settles_what_was_said() -> None:
    one = recogniser(Scripted(), max_delay=4.0)
    one.feed(SPEECH[: RATE * 11 // 10])
    forced = one.end_utterance(None)
    assert words_in(forced) == ["w0", "w1"]
    assert [event.forced for event in forced if isinstance(event, Final | UtteranceEnded)] == [
        True,
        True,
    ]
