"""Frames at 16 kHz -> transcripts: listens for utterances, decodes them, settles words.

Pure apart from PocketSphinx: time is the position in the audio. Partials are always made;
whether the client wants them is ``recogniser``'s to know.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from speechmq_emulator.protocol.config import TranscriptionConfig
from speechmq_emulator.sound.diarization import Diarization
from speechmq_emulator.speech.events import Transcript, UtteranceEnded, Word
from speechmq_emulator.speech.timeline import UTTERANCE_END_SECONDS, Timeline
from speechmq_emulator.sphinx.commitment import STABLE_SECONDS, Commitment
from speechmq_emulator.sphinx.decoder import RATE, Pcm, UtteranceDecoder, VoiceDetector
from speechmq_emulator.sphinx.endpointer import FRAME_SECONDS, RUN_UP_SECONDS, Endpointer
from speechmq_emulator.sphinx.sentences import Sentences
from speechmq_emulator.sphinx.utterance import Utterance

PAUSE_SECONDS = 0.5
"""Silence that ends an utterance, unless the session asks for a shorter one."""

TRAILING_SECONDS = 0.28
"""A word's last sounds fade so long: the trigger's silence begins behind them.

With a trigger of 0.2 s, recorded sessions of the service have ``EndOfUtterance`` 0.4 to
0.6 s behind the last voice, and none in pauses up to 0.3 s.
"""

MAX_UTTERANCE_SECONDS = 30.0
_READ_EVERY = round(0.1 / FRAME_SECONDS)
_PARTIAL_EVERY = round(0.3 / FRAME_SECONDS)
_RUN_UP_SAMPLES = round(RUN_UP_SECONDS * RATE)


class Transcriber:
    """One channel's frames, in order, by ``feed``; then ``finish``."""

    def __init__(
        self,
        decoder: UtteranceDecoder,
        voice: VoiceDetector,
        diarization: Diarization | None,
        config: TranscriptionConfig,
    ) -> None:
        self._decoder = decoder
        self._voice = voice
        self._diarization = diarization
        self._timeline = Timeline(RATE, partials=True)
        self._commitment = Commitment(config.max_delay)
        self._sentences = Sentences()
        self._endpointer = Endpointer()
        self._run_up: deque[Pcm] = deque(maxlen=round(RUN_UP_SECONDS / FRAME_SECONDS))
        self._utterance: Utterance | None = None
        self._awaits_utterance_end = False
        self._position = 0
        self._frames = 0
        self.configure(config)

    def configure(self, config: TranscriptionConfig) -> None:
        """Delays and triggers as they are from here on."""
        trigger = config.conversation_config.end_of_utterance_silence_trigger
        self._trigger = trigger + TRAILING_SECONDS if trigger else 0.0
        self._pause = min(PAUSE_SECONDS, self._trigger or PAUSE_SECONDS)
        self._commitment.hurry(config.max_delay)

    def feed(self, frame: Pcm) -> list[Transcript]:
        """Take one frame, of the voice detector's length."""
        self._position += len(frame)
        self._frames += 1
        self._run_up.append(frame)
        if self._endpointer.push(self._voice.is_voice(frame)):
            self._begin(np.concatenate(self._run_up))
        elif self._utterance is not None:
            self._utterance.feed(frame)
        return self._silence() if self._utterance is None else self._listen(self._utterance)

    def end_utterance(self, at: int) -> list[Transcript]:
        """Settle everything up to sample ``at``, which is no later than the newest."""
        at = max(at, self._timeline.covered)
        words, rest = self._words_before(at)
        results = self._sentences.end(words, self._covered)
        final = [replace(event, forced=True) for event in self._timeline.final(results, at)]
        self._cover()
        self._awaits_utterance_end = False
        if rest is not None:
            self._begin(rest)
        return [*final, UtteranceEnded(self._timeline.seconds(at), forced=True)]

    def finish(self, duration: float, rest: Pcm) -> list[Transcript]:
        """Settle everything up to ``duration`` seconds; ``rest`` is too short for a frame."""
        words: Sequence[Word] = []
        if self._utterance is not None:
            self._utterance.feed(rest)
            words = self._last_words(duration)
        return self._timeline.close(duration, self._sentences.end(words, self._covered))

    def _begin(self, audio: Pcm) -> None:
        self._utterance = Utterance(self._decoder, self._position - len(audio))
        self._utterance.feed(audio)

    def _silence(self) -> list[Transcript]:
        events: list[Transcript] = []
        if self._awaits_utterance_end and self._quiet >= self._trigger:
            self._awaits_utterance_end = False
            events += self._timeline.utterance_end(self._position)
        events += self._timeline.silence(self._position - _RUN_UP_SAMPLES)
        self._cover()
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

    def _cover(self) -> None:
        self._commitment.cover(self._covered)

    def _listen(self, utterance: Utterance) -> list[Transcript]:
        if self._quiet >= self._pause:
            return self._end()
        if self._frames % _READ_EVERY:
            return []
        if utterance.seconds >= MAX_UTTERANCE_SECONDS:
            return self._cut(utterance)
        hypothesis = utterance.hypothesis()
        events = self._settle(hypothesis, utterance)
        if events or self._frames % _PARTIAL_EVERY == 0:
            events += self._partial(hypothesis, utterance)
        return events

    def _settle(self, hypothesis: Sequence[Word], utterance: Utterance) -> list[Transcript]:
        words = self._commitment.settle(hypothesis, self._now)
        if words:
            end = max(self._timeline.covered, round(words[-1].end * RATE))
            return self._final(words, utterance, end)
        idle = self._commitment.idle_until(hypothesis, self._now)
        events = self._timeline.silence(round(idle * RATE))
        self._cover()
        return events

    def _final(self, words: Sequence[Word], utterance: Utterance, end: int) -> list[Transcript]:
        results = self._sentences.settle(self._labelled(words, utterance), self._covered)
        return self._timeline.final(results, end)

    def _labelled(self, words: Sequence[Word], utterance: Utterance) -> Sequence[Word]:
        return self._diarization.settle(words, utterance) if self._diarization else words

    def _partial(self, hypothesis: Sequence[Word], utterance: Utterance) -> list[Transcript]:
        words: Sequence[Word] = self._commitment.open_words(hypothesis)
        if self._diarization:
            words = self._diarization.preview(words, utterance)
        results = self._sentences.preview(words, self._covered)
        return self._timeline.partial(results, self._position)

    def _end(self) -> list[Transcript]:
        """A pause ends the utterance: settle its words, and the silence as far as it is sure."""
        words = self._last_words(self._now - UTTERANCE_END_SECONDS)
        self._endpointer.end_utterance()
        if self._diarization:
            self._diarization.begin_turn()
        ends_utterance = self._sentences.begun or bool(words)
        results = self._sentences.end(words, self._covered)
        if ends_utterance and self._trigger and self._quiet >= self._trigger:
            events = self._timeline.utterance_end(self._position, results)
        else:
            self._awaits_utterance_end = ends_utterance and self._trigger > 0
            end = round(words[-1].end * RATE) if words else 0
            end = max(end, self._timeline.covered, self._position - _RUN_UP_SAMPLES)
            events = self._timeline.final(results, end) + self._timeline.partial((), end)
        self._cover()
        return events

    def _last_words(self, until: float) -> Sequence[Word]:
        if self._utterance is None:
            return []
        words = self._commitment.open_words(self._utterance.end())
        words = [replace(w, start=min(w.start, until), end=min(w.end, until)) for w in words]
        labelled = self._labelled(words, self._utterance)
        self._utterance = None
        return labelled

    def _words_before(self, at: int) -> tuple[Sequence[Word], Pcm | None]:
        """The open words before a cut at sample ``at``, and the utterance's audio behind it."""
        utterance = self._utterance
        if utterance is None:
            return [], None
        until = self._timeline.seconds(at)
        words = [w for w in self._last_words(float("inf")) if (w.start + w.end) / 2 < until]
        return [replace(w, end=min(w.end, until)) for w in words], utterance.audio_from(at)

    def _cut(self, utterance: Utterance) -> list[Transcript]:
        """Nobody speaks that long without a pause: go on in a new utterance, mid-sentence."""
        stable = self._now - STABLE_SECONDS
        words = [w for w in self._commitment.open_words(utterance.end()) if w.end <= stable]
        end = round((words[-1].end if words else stable) * RATE)
        events = self._final(words, utterance, max(end, self._timeline.covered))
        self._cover()
        self._begin(utterance.audio_from(self._timeline.covered))
        return events
