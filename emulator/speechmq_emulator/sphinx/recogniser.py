"""Samples at 16 kHz -> transcripts: listens for utterances, decodes them, settles words.

Pure apart from PocketSphinx: time is the position in the audio.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from speechmq_emulator.protocol.config import TranscriptionConfig
from speechmq_emulator.speech.events import Transcript, Word
from speechmq_emulator.speech.timeline import Timeline
from speechmq_emulator.sphinx.commitment import STABLE_SECONDS, Commitment
from speechmq_emulator.sphinx.decoder import RATE, Pcm, UtteranceDecoder, VoiceDetector
from speechmq_emulator.sphinx.endpointer import FRAME_SECONDS, RUN_UP_SECONDS, Endpointer
from speechmq_emulator.sphinx.sentences import Sentences
from speechmq_emulator.sphinx.utterance import Utterance

PAUSE_SECONDS = 0.5
"""Silence that ends an utterance, unless the session asks for a shorter one."""

MAX_UTTERANCE_SECONDS = 30.0
_READ_EVERY = round(0.1 / FRAME_SECONDS)
_PARTIAL_EVERY = round(0.3 / FRAME_SECONDS)
_RUN_UP_SAMPLES = round(RUN_UP_SECONDS * RATE)


class Recogniser:
    """One session's audio, in order, by ``feed``; then ``finish``."""

    def __init__(
        self, decoder: UtteranceDecoder, voice: VoiceDetector, config: TranscriptionConfig
    ) -> None:
        trigger = config.conversation_config.end_of_utterance_silence_trigger
        self._decoder = decoder
        self._voice = voice
        self._trigger = trigger
        self._pause = min(PAUSE_SECONDS, trigger or PAUSE_SECONDS)
        self._timeline = Timeline(RATE, partials=config.enable_partials)
        self._commitment = Commitment(config.max_delay)
        self._sentences = Sentences()
        self._endpointer = Endpointer()
        self._run_up: deque[Pcm] = deque(maxlen=round(RUN_UP_SECONDS / FRAME_SECONDS))
        self._utterance: Utterance | None = None
        self._awaits_utterance_end = False
        self._rest: Pcm = np.zeros(0, np.int16)
        self._position = 0
        self._frames = 0

    def feed(self, pcm: Pcm) -> list[Transcript]:
        length = self._voice.frame_length
        audio = np.concatenate([self._rest, pcm])
        whole = len(audio) - len(audio) % length
        self._rest = audio[whole:]
        events: list[Transcript] = []
        for at in range(0, whole, length):
            events += self._frame(audio[at : at + length])
        return events

    def finish(self, duration: float) -> list[Transcript]:
        """Settle everything up to ``duration``, the length of the audio in seconds."""
        words: list[Word] = []
        if self._utterance is not None:
            self._utterance.feed(self._rest)
            words = self._last_words(duration)
        return self._timeline.close(duration, self._sentences.end(words))

    def _frame(self, frame: Pcm) -> list[Transcript]:
        self._position += len(frame)
        self._frames += 1
        self._run_up.append(frame)
        if self._endpointer.push(self._voice.is_voice(frame)):
            self._begin(np.concatenate(self._run_up))
        elif self._utterance is not None:
            self._utterance.feed(frame)
        return self._silence() if self._utterance is None else self._listen(self._utterance)

    def _begin(self, audio: Pcm) -> None:
        self._utterance = Utterance(self._decoder, self._position - len(audio))
        self._utterance.feed(audio)

    def _silence(self) -> list[Transcript]:
        events: list[Transcript] = []
        if self._awaits_utterance_end and self._quiet >= self._trigger:
            self._awaits_utterance_end = False
            events += self._timeline.utterance_end(self._position)
        events += self._timeline.silence(self._position - _RUN_UP_SAMPLES)
        self._commitment.cover(self._covered)
        return events

    @property
    def _quiet(self) -> float:
        return self._endpointer.quiet_frames * FRAME_SECONDS

    @property
    def _now(self) -> float:
        return self._position / RATE

    @property
    def _covered(self) -> float:
        return self._timeline.seconds(self._timeline.covered)

    def _listen(self, utterance: Utterance) -> list[Transcript]:
        if self._quiet >= self._pause:
            return self._end()
        if self._frames % _READ_EVERY:
            return []
        if utterance.seconds >= MAX_UTTERANCE_SECONDS:
            return self._cut(utterance)
        hypothesis = utterance.hypothesis()
        events = self._settle(hypothesis)
        if events or self._frames % _PARTIAL_EVERY == 0:
            events += self._partial(hypothesis)
        return events

    def _settle(self, hypothesis: Sequence[Word]) -> list[Transcript]:
        words = self._commitment.settle(hypothesis, self._now)
        if words:
            end = max(self._timeline.covered, round(words[-1].end * RATE))
            return self._timeline.final(self._sentences.settle(words), end)
        idle = self._commitment.idle_until(hypothesis, self._now)
        events = self._timeline.silence(round(idle * RATE))
        self._commitment.cover(self._covered)
        return events

    def _partial(self, hypothesis: Sequence[Word]) -> list[Transcript]:
        words = self._commitment.open_words(hypothesis)
        return self._timeline.partial(self._sentences.preview(words), self._position)

    def _end(self) -> list[Transcript]:
        """A pause ends the utterance: settle its words, and the silence as far as it is sure."""
        words = self._last_words(self._now)
        self._endpointer.end_utterance()
        ends_utterance = self._sentences.begun or bool(words)
        results = self._sentences.end(words)
        if ends_utterance and self._trigger and self._quiet >= self._trigger:
            events = self._timeline.utterance_end(self._position, results)
        else:
            self._awaits_utterance_end = ends_utterance and self._trigger > 0
            end = round(words[-1].end * RATE) if words else 0
            end = max(end, self._timeline.covered, self._position - _RUN_UP_SAMPLES)
            events = self._timeline.final(results, end) + self._timeline.partial((), end)
        self._commitment.cover(self._covered)
        return events

    def _last_words(self, until: float) -> list[Word]:
        if self._utterance is None:
            return []
        words = self._commitment.open_words(self._utterance.end())
        self._utterance = None
        return [replace(w, start=min(w.start, until), end=min(w.end, until)) for w in words]

    def _cut(self, utterance: Utterance) -> list[Transcript]:
        """Nobody speaks that long without a pause: go on in a new utterance, mid-sentence."""
        stable = self._now - STABLE_SECONDS
        words = [w for w in self._commitment.open_words(utterance.end()) if w.end <= stable]
        end = round((words[-1].end if words else stable) * RATE)
        end = max(end, self._timeline.covered)
        events = self._timeline.final(self._sentences.settle(words), end)
        self._commitment.cover(self._covered)
        self._begin(utterance.audio_from(end))
        return events
