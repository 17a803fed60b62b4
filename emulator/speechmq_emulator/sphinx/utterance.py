"""One utterance on its way through the decoder, with its place on the session's clock."""

import numpy as np

from speechmq_emulator.sound.voiceprint import Features, Track
from speechmq_emulator.speech.events import Word
from speechmq_emulator.sphinx.decoder import RATE, Pcm, Segment, UtteranceDecoder

_MEASURED_SAMPLES = round(0.6 * RATE)


class Utterance:
    """Begins at sample ``origin``; keeps its audio, so that a long one can be cut in two.

    Decoding of a session's first utterance waits for 0.6 s of it, to measure the channel.
    """

    def __init__(self, decoder: UtteranceDecoder, origin: int) -> None:
        self._decoder = decoder
        self._origin = origin
        self._audio: list[Pcm] = []
        self._length = 0
        self._decoded = 0
        self._track = Track()

    @property
    def seconds(self) -> float:
        return self._length / RATE

    def feed(self, pcm: Pcm) -> None:
        if not len(pcm):
            return
        self._audio.append(pcm)
        self._length += len(pcm)
        if self._decoder.has_mean or self._length >= _MEASURED_SAMPLES:
            self._decode()

    def _decode(self) -> None:
        if self._decoded == 0:
            if not self._decoder.has_mean:
                self._decoder.measure(np.concatenate(self._audio))
            self._decoder.start()
        for pcm in self._audio[self._decoded :]:
            self._decoder.feed(pcm)
        self._decoded = len(self._audio)

    def hypothesis(self) -> list[Word]:
        """The words so far, which may still change."""
        return self._words(self._decoder.hypothesis()) if self._decoded else []

    def end(self) -> list[Word]:
        """All words, for good."""
        if not self._audio:
            return []
        self._decode()
        return self._words(self._decoder.end())

    def audio_from(self, position: int) -> Pcm:
        """The samples from ``position`` of the session on."""
        return self._joined()[max(0, position - self._origin) :]

    def features_between(self, start: float, end: float) -> Features:
        """How the voice sounds between two times, in seconds of the session."""
        first, last = (round(time * RATE) - self._origin for time in (start, end))
        return self._track.features(self._joined(), first, last)

    def _joined(self) -> Pcm:
        if len(self._audio) > 1:
            self._audio = [np.concatenate(self._audio)]
            self._decoded = min(self._decoded, 1)
        return self._audio[0] if self._audio else np.zeros(0, np.int16)

    def _words(self, segments: list[Segment]) -> list[Word]:
        return [segment.after(self._origin / RATE) for segment in segments]
