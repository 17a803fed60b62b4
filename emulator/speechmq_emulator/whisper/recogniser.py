"""Samples of one channel -> words, by decoding each utterance again as it grows.

When finals are decoded depends on the audio alone, so that a busy machine, or a client that
sends faster, changes no word. Partials are decoded where the machine has time.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from speechmq_emulator.audio import Samples
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.sound.audio_events import AudioEvents
from speechmq_emulator.sound.diarization import Diarization
from speechmq_emulator.speech.events import (
    Heard,
    Mark,
    Partial,
    Result,
    SpeakerVoices,
    Transcript,
    UtteranceEnded,
    Word,
)
from speechmq_emulator.speech.timeline import UTTERANCE_END_SECONDS, Timeline
from speechmq_emulator.whisper.commitment import Commitment
from speechmq_emulator.whisper.features import RATE
from speechmq_emulator.whisper.hypothesis import HeardWord, Hypothesis, Sound, retimed
from speechmq_emulator.whisper.voice import FRAME_SAMPLES, RUN_UP_SECONDS, Endpointer
from speechmq_emulator.whisper.window import LONGEST_SECONDS, Window

PAUSE_SECONDS = 0.5
_LEAST_PAUSE = 0.2
_PREVIEW_EVERY = 0.6
_RUN_UP_SAMPLES = round(RUN_UP_SECONDS * RATE)


class Decoder(Protocol):
    """One stream's way to the model."""

    def decode(self, sound: Sound, audio: float) -> Hypothesis:
        """Wait for a turn; ``audio`` is the seconds that were not decoded before."""

    def preview(self, sound: Sound) -> Hypothesis | None:
        """The same at once and with rough times, or None while the machine is busy."""


class Voice(Protocol):
    """How probably a frame of 32 ms is speech, from 0 to 1."""

    def __call__(self, frame: Samples) -> float: ...


class WhisperRecogniser:
    """Implements ``speech.recogniser.Recogniser`` for samples at 16 kHz."""

    def __init__(self, start: StartRecognition, decoder: Decoder, voice: Voice) -> None:
        config = start.transcription_config
        self._decoder = decoder
        self._voice = voice
        voices = config.speaker_diarization_config
        self._diarization = Diarization(voices) if config.tells_speakers else None
        events = start.audio_events_config
        self._audio_events = AudioEvents(events.types) if events else None
        self._timeline = Timeline(RATE, partials=True)
        self._commitment = Commitment(config.max_delay)
        self._endpointer = Endpointer()
        self._run_up: Samples = np.zeros(0, np.float32)
        self._rest: Samples = np.zeros(0, np.float32)
        self._window: Window | None = None
        self._position = 0
        self._decoded_to = self._decode_at = self._preview_at = 0.0
        self._awaits_utterance_end = self._said = False
        self._timed: list[HeardWord] = []
        self._forced: list[int] = []
        self.configure(config)

    def configure(self, config: TranscriptionConfig) -> None:
        trigger = config.conversation_config.end_of_utterance_silence_trigger
        self._trigger = trigger
        self._pause = max(_LEAST_PAUSE, min(PAUSE_SECONDS, trigger or PAUSE_SECONDS))
        self._partials = config.enable_partials
        self._commitment.hurry(config.max_delay)

    def begin(self) -> list[Heard]:
        return [*self._diarization.notices()] if self._diarization else []

    def speakers(self) -> tuple[SpeakerVoices, ...]:
        return self._diarization.speakers() if self._diarization else ()

    def feed(self, samples: Samples) -> list[Heard]:
        audio = np.concatenate([self._rest, samples])
        whole = len(audio) - len(audio) % FRAME_SAMPLES
        self._rest = audio[whole:]
        heard: list[Heard] = []
        for at in range(0, whole, FRAME_SAMPLES):
            heard += self._wanted(self._frame(audio[at : at + FRAME_SAMPLES]))
            heard += self._due_ends()
        heard += self._preview()
        if self._audio_events:
            heard += self._audio_events.feed(samples)
        return heard

    def _wanted(self, transcripts: list[Transcript]) -> list[Heard]:
        return [t for t in transcripts if self._partials or not isinstance(t, Partial)]

    def end_utterance(self, at: float | None) -> list[Heard]:
        if at is None:
            return [*self._force_end(self._position)]
        self._forced.append(round(at * RATE))
        return self._due_ends()

    def finish(self, duration: float) -> list[Heard]:
        heard: list[Heard] = []
        if self._window is not None:
            self._window.feed(self._rest)
        if self._forced:
            heard += self._force_end(round(duration * RATE))
        results = self._results(self._last_words())
        heard += self._timeline.close(duration, results)
        if self._audio_events:
            heard += self._audio_events.finish(duration)
        return heard

    def _due_ends(self) -> list[Heard]:
        """The utterances' ends that were asked for and whose time has come."""
        due = sorted(at for at in self._forced if at <= self._position)
        self._forced = [at for at in self._forced if at > self._position]
        return [event for at in due for event in self._force_end(at)]

    def _frame(self, frame: Samples) -> list[Transcript]:
        self._position += len(frame)
        self._run_up = np.concatenate([self._run_up, frame])[-_RUN_UP_SAMPLES:]
        if self._endpointer.push(self._voice(frame)):
            self._begin(self._run_up)
        elif self._window is not None:
            self._window.feed(frame)
        if self._window is None:
            return self._silence()
        if self._endpointer.quiet >= self._pause:
            return self._end()
        if self._now >= self._decode_at:
            return self._settle(self._window)
        return []

    @property
    def _now(self) -> float:
        return self._position / RATE

    @property
    def _covered(self) -> float:
        return self._timeline.seconds(self._timeline.covered)

    def _begin(self, audio: Samples) -> None:
        sounds = self._diarization is not None
        self._window = Window(audio, self._position - len(audio), sounds=sounds)
        self._window.cut(max(self._window.start, self._covered))
        self._commitment.begin()
        self._timed = []
        self._decoded_to = self._window.start
        self._decode_at = self._commitment.first_decode(self._window.start)
        self._preview_at = self._now + _PREVIEW_EVERY

    def _silence(self) -> list[Transcript]:
        events: list[Transcript] = []
        if self._awaits_utterance_end and self._endpointer.quiet >= self._trigger:
            self._awaits_utterance_end = False
            events += self._timeline.utterance_end(self._position)
        events += self._timeline.silence(self._position - _RUN_UP_SAMPLES)
        self._commitment.cover(self._covered)
        return events

    def _open_words(self, window: Window) -> list[HeardWord]:
        """What a decode hears now after the settled words."""
        audio = max(0.0, window.end - self._decoded_to)
        self._decoded_to = window.end
        hypothesis = self._decoder.decode(window.sound(), audio)
        return self._commitment.open_words(hypothesis.words, window.known)

    def _settle(self, window: Window) -> list[Transcript]:
        """Decode for finals; the words that are not settled are a partial."""
        words = self._open_words(window)
        settled = self._commitment.settle(words, self._now)
        rest = words[len(settled) :]
        events: list[Transcript] = []
        if settled:
            events += self._final(settled)
        else:
            idle = round(self._commitment.idle_until(rest, self._now) * RATE)
            events += self._timeline.silence(idle)
            self._commitment.cover(self._covered)
        events += self._partial(rest, self._position)
        self._decode_at = self._commitment.next_decode(rest, self._now)
        self._preview_at = self._now + _PREVIEW_EVERY
        window.settle(settled)
        self._timed = rest
        if window.seconds > LONGEST_SECONDS:
            window.cut(max(self._covered, window.end - LONGEST_SECONDS / 2))
            self._timed = []
        return events

    def _preview(self) -> list[Heard]:
        window = self._window
        if window is None or not self._partials or self._now < self._preview_at:
            return []
        hypothesis = self._decoder.preview(window.sound())
        if hypothesis is None:
            return []
        self._preview_at = self._now + _PREVIEW_EVERY
        words = self._commitment.open_words(hypothesis.words, window.known)
        return [*self._partial(retimed(words, self._timed), self._position)]

    def _final(self, words: Sequence[HeardWord]) -> list[Transcript]:
        self._said = True
        end = max(self._timeline.covered, round(words[-1].word.end * RATE))
        return self._timeline.final(self._results(words), end)

    def _partial(self, words: Sequence[HeardWord], end: int) -> list[Transcript]:
        labelled = [heard.word for heard in words]
        if self._diarization and self._window is not None:
            labelled = self._diarization.preview(labelled, self._window)
        return self._timeline.partial(self._with_marks(words, labelled), end)

    def _results(self, words: Sequence[HeardWord]) -> list[Result]:
        labelled = [heard.word for heard in words]
        if self._diarization and self._window is not None:
            labelled = self._diarization.settle(labelled, self._window)
        return self._with_marks(words, labelled)

    def _with_marks(self, words: Sequence[HeardWord], labelled: Sequence[Word]) -> list[Result]:
        results: list[Result] = []
        for heard, word in zip(words, labelled, strict=True):
            results.append(word)
            if heard.mark:
                results.append(Mark(heard.mark, word.end, heard.ends_sentence, word.speaker))
        return results

    def _last_words(self) -> list[HeardWord]:
        """The open words of the utterance, for good."""
        if self._window is None or self._window.seconds < _LEAST_PAUSE:
            return []
        return self._open_words(self._window)

    def _over(self) -> None:
        self._window, self._said = None, False
        self._endpointer.end_utterance()
        self._commitment.cover(self._covered)
        if self._diarization:
            self._diarization.begin_turn()

    def _end(self) -> list[Transcript]:
        """A pause ends the utterance: settle its words, and the silence as far as it is sure."""
        until = self._now - UTTERANCE_END_SECONDS
        words = [_ended_by(heard, until) for heard in self._last_words()]
        results = self._results(words)
        said = bool(words) or self._said or self._awaits_utterance_end
        if said and self._trigger and self._endpointer.quiet >= self._trigger:
            self._awaits_utterance_end = False
            events = self._timeline.utterance_end(self._position, results)
        else:
            self._awaits_utterance_end = bool(said and self._trigger)
            end = round(words[-1].word.end * RATE) if words else 0
            end = max(end, self._timeline.covered, self._position - _RUN_UP_SAMPLES)
            events = self._timeline.final(results, end) + self._timeline.partial((), end)
        self._over()
        return events

    def _force_end(self, at: int) -> list[Transcript]:
        """Settle everything up to sample ``at``; what follows goes on as a new utterance."""
        at = max(at, self._timeline.covered)
        until = self._timeline.seconds(at)
        window = self._window
        words = [h for h in self._last_words() if (h.word.start + h.word.end) / 2 < until]
        results = self._results([_ended_by(heard, until) for heard in words])
        final = [replace(event, forced=True) for event in self._timeline.final(results, at)]
        self._commitment.cover(until)
        self._commitment.begin()
        self._awaits_utterance_end = self._said = False
        if window is not None:
            window.cut(until)
            self._timed = []
            self._decode_at = self._commitment.first_decode(window.start)
        return [*final, UtteranceEnded(until, forced=True)]


def _ended_by(heard: HeardWord, until: float) -> HeardWord:
    word = heard.word
    return replace(
        heard, word=replace(word, start=min(word.start, until), end=min(word.end, until))
    )
