"""PocketSphinx, as far as it is used here: an utterance's samples -> words with times."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Config, Decoder, Vad

from speechmq_emulator.speech.events import Word
from speechmq_emulator.sphinx.vocabulary import Vocabulary

RATE = 16000
FRAMES_PER_SECOND = 100
Pcm = NDArray[np.int16]

_LONGEST_WORD = 2.0
"""Longer ones are noise that the decoder had to find a word for."""

_VARIANT = re.compile(r"\(\d+\)$")
_FILLER = re.compile(r"^(<.*>|\[.*\]|\+\+.*\+\+)$")


def load_decoder() -> Decoder:
    """The English model of the wheel; takes about 0.4 s and 100 MB."""
    # The bound saves a sixth of the work, and cost no error on clean speech.
    return Decoder(Config(loglevel="FATAL", maxhmmpf=3000))


@dataclass(frozen=True, slots=True)
class Segment:
    """One word of a hypothesis, in seconds from the utterance's first sample."""

    content: str
    start: float
    end: float
    confidence: float

    def after(self, origin: float) -> Word:
        """The word with its times on the session's clock."""
        start, end = round(origin + self.start, 2), round(origin + self.end, 2)
        return Word(self.content, start, end, self.confidence)


class UtteranceDecoder:
    """Decodes one utterance after the other with one PocketSphinx decoder."""

    def __init__(self, decoder: Decoder, vocabulary: Vocabulary | None = None) -> None:
        self._decoder = decoder
        self._vocabulary = vocabulary or Vocabulary(decoder)
        self.has_mean = False
        """Whether the channel's mean spectrum is known; without, the first words come out wrong."""

    def measure(self, pcm: Pcm) -> None:
        """Take the mean spectrum (CMN) of the session's first speech as a start."""
        self._decoder.start_utt()
        self._decoder.process_raw(pcm.tobytes(), no_search=True)
        self._decoder.end_utt()
        self._decoder.set_cmn(self._decoder.get_cmn(True))
        self.has_mean = True

    def start(self) -> None:
        self._decoder.start_utt()

    def feed(self, pcm: Pcm) -> None:
        if len(pcm):  # PocketSphinx raises IndexError on none
            self._decoder.process_raw(pcm.tobytes())

    def hypothesis(self) -> list[Segment]:
        """What the first pass believes now; its confidences say nothing."""
        return list(self._segments())

    def end(self) -> list[Segment]:
        """The words after all passes."""
        self._decoder.end_utt()
        return list(self._segments())

    def _segments(self) -> Iterator[Segment]:
        for segment in self._decoder.seg() or ():
            seconds = (segment.end_frame + 1 - segment.start_frame) / FRAMES_PER_SECOND
            if not _FILLER.match(segment.word) and seconds <= _LONGEST_WORD:
                yield Segment(
                    self._vocabulary.content(_VARIANT.sub("", segment.word)),
                    segment.start_frame / FRAMES_PER_SECOND,
                    (segment.end_frame + 1) / FRAMES_PER_SECOND,
                    min(1.0, round(segment.prob, 3)),
                )


class VoiceDetector:
    """Whether a frame of ``frame_length`` samples at 16 kHz is voice."""

    def __init__(self, frame_seconds: float) -> None:
        self._vad = Vad(Vad.STRICT, RATE, frame_seconds)
        self.frame_length = self._vad.frame_bytes // 2

    def is_voice(self, frame: Pcm) -> bool:
        return bool(self._vad.is_speech(frame.tobytes()))
