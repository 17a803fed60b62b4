"""Speech that survives any codec: tones with pauses between them, and a recogniser that hears each
as a word, at the time at which it really is in the audio that came."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from speechmq_emulator.in_process import InProcessEngine
from speechmq_emulator.protocol.config import TranscriptionConfig
from speechmq_emulator.speech.events import Final, Heard, SpeakerVoices, Word
from speechmq_emulator.speech.timeline import Timeline

RATE = 16_000
PERIOD, LENGTH = 0.4, 0.2
QUIET = 0.05  # a pause, in seconds
LOUD = 0.1


def pitches(count: int) -> list[int]:
    """Neighbours differ by far more than a codec may change."""
    return [500 + 100 * (n * 7 % 23) for n in range(count)]


def spoken(hertz: Sequence[int], rate: int = RATE) -> NDArray[np.int16]:
    """Tone ``n`` begins at ``PERIOD * n + QUIET``."""
    sound = np.zeros(round(len(hertz) * PERIOD * rate))
    times = np.arange(round(LENGTH * rate)) / rate
    for n, pitch in enumerate(hertz):
        start = round((n * PERIOD + QUIET) * rate)
        sound[start : start + len(times)] = 0.5 * np.sin(2 * np.pi * pitch * times)
    return (sound * 32767).astype(np.int16)


def file_of(
    sound: NDArray[np.int16], container: str, codec: str, rate: int = RATE, **options: str
) -> bytes:
    """``sound`` at ``RATE``, as a file that is written in one go, without seeking."""
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate)
        assert isinstance(stream, AudioStream)
        encoder = stream.codec_context
        encoder.layout = "mono"
        encoder.options = {"strict": "-2"}
        name = (av.codec.Codec(codec, "w").audio_formats or [])[0].name
        encoder.format = name
        encoder.open(strict=False)
        resampler = AudioResampler(name, "mono", rate, encoder.frame_size or 1024)
        frame = av.AudioFrame.from_ndarray(sound[None, :], "s16", "mono")
        frame.sample_rate = RATE
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            for packet in stream.encode(piece):
                output.mux(packet)
        output.mux([packet for packet in stream.encode(None) if packet.size])
    return file.getvalue()


class ToneRecogniser:
    """A ``speech.recogniser.Recogniser``. A tone in whose midst the audio begins says nothing."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._timeline = Timeline(rate, partials=False)
        self._samples = np.zeros(0, np.float32)
        self._at = 0  # of the first sample kept
        self._was_quiet = False

    def configure(self, config: TranscriptionConfig) -> None: ...

    def begin(self) -> list[Heard]:
        return []

    def speakers(self) -> tuple[SpeakerVoices, ...]:
        return ()

    def feed(self, samples: NDArray[np.float32]) -> list[Heard]:
        self._samples = np.concatenate((self._samples, samples))
        return self._hear()

    def end_utterance(self, at: float | None) -> list[Heard]:
        return []

    def finish(self, duration: float) -> list[Heard]:
        self._samples = np.concatenate((self._samples, np.zeros(self._pause + 1, np.float32)))
        return [*self._hear(), *self._timeline.close(duration)]

    @property
    def _pause(self) -> int:
        return round(QUIET / 2 * self._rate)

    def _hear(self) -> list[Heard]:
        heard: list[Heard] = []
        while True:
            loud = np.flatnonzero(np.abs(self._samples) > LOUD)
            if not len(loud):
                self._was_quiet = self._was_quiet or len(self._samples) > self._pause
                return heard
            begin = int(loud[0])
            pauses = np.flatnonzero(np.diff(loud) > self._pause)
            if len(pauses):
                end = int(loud[pauses[0]])
            elif len(self._samples) - loud[-1] > self._pause:
                end = int(loud[-1])
            else:
                return heard
            if self._was_quiet or begin > self._pause:
                heard += self._word(begin, end + 1)
            self._was_quiet = True
            self._samples, self._at = self._samples[end + 1 :], self._at + end + 1

    def _word(self, begin: int, end: int) -> list[Heard]:
        spectrum = np.abs(np.fft.rfft(self._samples[begin:end], 1 << 14))
        hertz = round(float(np.argmax(spectrum)) * self._rate / (1 << 14) / 100) * 100
        start, stop = (self._timeline.seconds(self._at + at) for at in (begin, end))
        return [*self._timeline.final([Word(f"t{hertz}", start, stop)], self._at + end)]


def hear(pcm: bytes) -> list[tuple[str, float, float]]:
    """The words in 16-bit samples at ``RATE``: what, and from when to when."""
    samples = (np.frombuffer(pcm, "<i2") / 32768).astype(np.float32)
    recogniser = ToneRecogniser(RATE)
    heard = [*recogniser.feed(samples), *recogniser.finish(len(samples) / RATE)]
    return [
        (one.content, one.start, one.end)
        for final in heard
        if isinstance(final, Final)
        for one in final.results
        if isinstance(one, Word)
    ]


def tones_engine() -> InProcessEngine:
    return InProcessEngine("tones", lambda _, rate: ToneRecogniser(rate), 10_000)


FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "400000"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file, as ffmpeg's muxers write it. ``delay`` is by how many seconds its audio comes
    late, because nothing in the file tells of the encoder's own delay."""

    container: str
    codec: str
    rate: int = RATE
    options: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0

    def encode(self, sound: NDArray[np.int16]) -> bytes:
        return file_of(sound, self.container, self.codec, self.rate, **self.options)


AAC_DELAY = 1024 / 44_100
KINDS = {
    "wav": Kind("wav", "pcm_s16le"),
    "mp3": Kind("mp3", "mp3", 44_100),
    "ogg": Kind("ogg", "libopus", 48_000),
    "webm": Kind("webm", "libopus", 48_000),
    "flac": Kind("flac", "flac"),
    "aac": Kind("adts", "aac", 44_100, delay=AAC_DELAY),
    "mp4": Kind("mp4", "aac", 44_100, FRAGMENTS, delay=AAC_DELAY),
}


@cache
def example(kind: str, tones: int = 20) -> bytes:
    return KINDS[kind].encode(spoken(pitches(tones)))


def tone_times(tones: int, delay: float = 0.0) -> list[tuple[str, float, float]]:
    """What a recogniser hears: word, start and end."""
    begins = [n * PERIOD + QUIET + delay for n in range(tones)]
    return [
        (f"t{pitch}", begin, begin + LENGTH)
        for pitch, begin in zip(pitches(tones), begins, strict=True)
    ]
