"""What PocketSphinx has to say of one channel, in the terms of ``speech.recogniser``.

Puts together what works on the same samples: the transcript, the voices, the audio events;
and sees to it that what is asked for takes effect at its place in the audio.
"""

import numpy as np
from pocketsphinx import Decoder

from speechmq_emulator.audio import Samples
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.sound.audio_events import AudioEvents
from speechmq_emulator.sound.diarization import Diarization
from speechmq_emulator.speech.events import Heard, Partial, SpeakerVoices, Transcript
from speechmq_emulator.sphinx.decoder import RATE, Pcm, UtteranceDecoder, VoiceDetector
from speechmq_emulator.sphinx.endpointer import FRAME_SECONDS
from speechmq_emulator.sphinx.transcriber import Transcriber
from speechmq_emulator.sphinx.vocabulary import Vocabulary


def make_recogniser(decoder: Decoder, start: StartRecognition, rate: int) -> "SphinxRecogniser":
    """A recogniser that has the decoder for itself; with many own words it takes half a second.

    Raises:
        ValueError: ``rate`` is not 16 kHz.
    """
    if rate != RATE:
        raise ValueError(f"PocketSphinx hears {RATE} Hz, not {rate}")
    return SphinxRecogniser(decoder, start)


class SphinxRecogniser:
    """Implements ``speech.recogniser.Recogniser`` for samples at 16 kHz."""

    def __init__(self, decoder: Decoder, start: StartRecognition) -> None:
        config = start.transcription_config
        words = UtteranceDecoder(decoder, Vocabulary(decoder, config.additional_vocab))
        voice = VoiceDetector(FRAME_SECONDS)
        self._frame_length = voice.frame_length
        voices = config.speaker_diarization_config
        self._diarization = Diarization(voices) if config.tells_speakers else None
        self._transcriber = Transcriber(words, voice, self._diarization, config)
        events = start.audio_events_config
        self._audio_events = AudioEvents(events.types) if events else None
        self._partials = config.enable_partials
        self._rest: Pcm = np.zeros(0, np.int16)
        self._position = 0  # of the frames that were worked through
        self._forced: list[int] = []

    def begin(self) -> list[Heard]:
        return [*self._diarization.notices()] if self._diarization else []

    def feed(self, samples: Samples) -> list[Heard]:
        audio = np.concatenate([self._rest, _pcm(samples)])
        whole = len(audio) - len(audio) % self._frame_length
        self._rest = audio[whole:]
        heard: list[Heard] = []
        for at in range(0, whole, self._frame_length):
            heard += self._frame(audio[at : at + self._frame_length])
        if self._audio_events:
            heard += self._audio_events.feed(samples)
        return heard

    def _frame(self, frame: Pcm) -> list[Heard]:
        self._position += len(frame)
        transcripts = self._transcriber.feed(frame)
        return [*self._wanted(transcripts), *self._due()]

    def _wanted(self, transcripts: list[Transcript]) -> list[Heard]:
        return [t for t in transcripts if self._partials or not isinstance(t, Partial)]

    def end_utterance(self, at: float | None) -> list[Heard]:
        newest = self._position + len(self._rest)
        if at is None:
            return [*self._transcriber.end_utterance(newest)]
        self._forced.append(round(at * RATE))
        return self._due()

    def _due(self) -> list[Heard]:
        """The utterances' ends that were asked for and whose time has come."""
        if not self._forced:
            return []
        due = sorted(at for at in self._forced if at <= self._position)
        self._forced = [at for at in self._forced if at > self._position]
        return [event for at in due for event in self._transcriber.end_utterance(at)]

    def configure(self, config: TranscriptionConfig) -> None:
        self._partials = config.enable_partials
        self._transcriber.configure(config)

    def speakers(self) -> tuple[SpeakerVoices, ...]:
        return self._diarization.speakers() if self._diarization else ()

    def finish(self, duration: float) -> list[Heard]:
        heard: list[Heard] = []
        if self._forced:
            heard += self._transcriber.end_utterance(round(duration * RATE))
        heard += self._wanted(self._transcriber.finish(duration, self._rest))
        if self._audio_events:
            heard += self._audio_events.finish(duration)
        return heard


def _pcm(samples: Samples) -> Pcm:
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)
