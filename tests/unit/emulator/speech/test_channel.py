"""A channel from bytes to what the client is told, with a recogniser that says what it gets."""

from typing import Any

import numpy as np
import pytest

from speechmq_emulator.audio import Samples, Undecodable, encode
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.protocol.errors import ErrorType
from speechmq_emulator.speech.channel import Channel, failed
from speechmq_emulator.speech.events import (
    Failed,
    Final,
    Heard,
    Speakers,
    SpeakerVoices,
    TranslatedSentence,
    Translation,
    UtteranceEnded,
    Word,
)
from speechmq_emulator.speech.replacements import BadReplacement

RAW = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000}
FILE = {"type": "file"}
VOICES = (SpeakerVoices("S1", ("abc",)),)


class Counting:
    """Says how many samples it was fed, a word for each time, and keeps what it was asked."""

    def __init__(self, start: StartRecognition, rate: int) -> None:
        self.rate = rate
        self.asked: list[Any] = []
        self._position = 0

    def begin(self) -> list[Heard]:
        return [Final(0.0, 0.0)]

    def feed(self, samples: Samples) -> list[Heard]:
        begin, self._position = self._position, self._position + len(samples)
        span = (begin / self.rate, self._position / self.rate)
        return [Final(*span, (Word(f"n{len(samples)}", *span),))]

    def end_utterance(self, at: float | None) -> list[Heard]:
        now = self._position / self.rate
        return [Final(now, now, forced=True), UtteranceEnded(now if at is None else at, True)]

    def configure(self, config: TranscriptionConfig) -> None:
        self.asked.append(config)

    def speakers(self) -> tuple[SpeakerVoices, ...]:
        return VOICES

    def finish(self, duration: float) -> list[Heard]:
        self.asked.append(duration)
        return []


def start(audio_format: dict[str, Any] = RAW, **fields: Any) -> StartRecognition:
    transcription = fields.pop("transcription_config", {})
    return StartRecognition.model_validate(
        {
            "message": "StartRecognition",
            "audio_format": audio_format,
            "transcription_config": {"language": "en", **transcription},
            **fields,
        }
    )


def channel(started: StartRecognition, rate: int | None = None) -> tuple[Channel, Counting]:
    made: list[Counting] = []

    def make(start: StartRecognition, rate: int) -> Counting:
        made.append(Counting(start, rate))
        return made[0]

    return Channel(started, make, rate=rate), made[0]


def raw(seconds: float, level: float = 0.25, rate: int = 8000) -> bytes:
    return encode(np.full(round(seconds * rate), level, np.float32), "pcm_s16le")


def wav(seconds: float, rate: int = 8000) -> bytes:
    size = len(raw(seconds, rate=rate))
    head = b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    form = np.array([1, 1], "<u2").tobytes() + np.array([rate, 2 * rate], "<u4").tobytes()
    form += np.array([2, 16], "<u2").tobytes()
    return head + form + b"data" + size.to_bytes(4, "little") + raw(seconds, rate=rate)


def test_raw_audio_keeps_its_rate() -> None:
    heard, recogniser = channel(start())
    assert heard.begin() == [Final(0.0, 0.0)]
    assert heard.feed(raw(0.5)) == [Final(0.0, 0.5, (Word("n4000", 0.0, 0.5),))]
    assert heard.feed(b"\0") == []
    assert heard.finish() == []
    assert (recogniser.rate, recogniser.asked) == (8000, [0.5])


def test_raw_audio_comes_at_the_rate_that_the_recogniser_needs() -> None:
    heard, recogniser = channel(start(), rate=16_000)
    heard.feed(raw(0.5))
    heard.finish()
    assert (recogniser.rate, recogniser.asked) == (16_000, [0.5])


@pytest.mark.parametrize(("rate", "expected"), [(None, 16_000), (8000, 8000)])
def test_file_comes_at_16_khz_unless_the_recogniser_needs_another_rate(
    rate: int | None, expected: int
) -> None:
    heard, recogniser = channel(start(FILE), rate=rate)
    audio = wav(0.5)
    for at in range(0, len(audio), 100):
        heard.feed(audio[at : at + 100])
    heard.finish()
    assert recogniser.rate == expected
    assert recogniser.asked == pytest.approx([0.5], abs=0.001)


def test_what_is_no_audio_file_is_the_clients_fault() -> None:
    heard, _ = channel(start(FILE))
    heard.feed(b"hello")
    with pytest.raises(Undecodable) as refused:
        heard.finish()
    assert failed(refused.value) == Failed(str(refused.value), ErrorType.INVALID_AUDIO_TYPE)


def test_malformed_replacement_is_the_clients_fault() -> None:
    filtering = {"replacements": [{"from": "/(/", "to": "x"}]}
    with pytest.raises(BadReplacement) as refused:
        channel(start(transcription_config={"transcript_filtering_config": filtering}))
    assert failed(refused.value) == Failed(str(refused.value), ErrorType.INVALID_CONFIG)


def test_forced_utterance_end_follows_what_was_fed() -> None:
    heard, _ = channel(start())
    heard.feed(raw(0.5))
    assert heard.end_utterance(None) == [Final(0.5, 0.5, forced=True), UtteranceEnded(0.5, True)]


def test_speakers_are_told_when_asked() -> None:
    assert channel(start())[0].tell_speakers() == [Speakers(VOICES)]


def test_sentence_is_translated_when_the_audio_ends() -> None:
    heard, _ = channel(start(translation_config={"target_languages": ["de", "de"]}))
    heard.feed(raw(0.5))
    sentence = TranslatedSentence("n4000[de]", 0.0, 0.5)
    assert heard.finish() == [Translation("de", (sentence,), final=True)]


def test_volume_is_measured_from_the_configuration_that_asks_for_it_on() -> None:
    heard, recogniser = channel(start())
    heard.feed(raw(0.5))
    changed = start(
        transcription_config={"audio_filtering_config": {"volume_threshold": 10.0}}
    ).transcription_config
    assert heard.configure(changed) == []
    assert recogniser.asked == [changed]
    assert heard.feed(raw(0.5)) == [Final(0.5, 1.0, (Word("n4000", 0.5, 1.0, volume=25.0),))]
    assert heard.feed(raw(0.5, level=0.05)) == [Final(1.0, 1.5)]
