"""The ledger engine: reads numbers out of the samples and says them as words.

In-process and cheap. Settles words two at a time and at every pause, so a word is final
0.3 s after its end at the latest, well within the smallest ``max_delay``. Sound that is no
undamaged block is the word ``w?``; a fragment of a block, where the session begins or ends,
is covered as silence is.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from speechmq_emulator.audio import SampleReader
from speechmq_emulator.engine import Emit, quota_exceeded
from speechmq_emulator.ledger.reader import Block, BlockReader, Fragment, Noise, Silence, Span
from speechmq_emulator.protocol.config import RawAudio, StartRecognition, TranscriptionConfig
from speechmq_emulator.speech.events import ChunkTaken, Ended, Transcript, Word
from speechmq_emulator.speech.timeline import Timeline

WORDS_A_FINAL = 2
DAMAGED = "w?"


class LedgerRecogniser:
    """Spans of one stream -> transcripts; times are exact to the sample."""

    def __init__(self, rate: int, config: TranscriptionConfig) -> None:
        trigger = config.conversation_config.end_of_utterance_silence_trigger
        self._timeline = Timeline(rate, partials=config.enable_partials)
        self._trigger = round(trigger * rate)
        self._pending: list[Word] = []
        self._heard_to = 0
        self._quiet_from: int | None = None
        """Where the silence behind the last word began, until its utterance has ended."""

    def read(self, span: Span) -> list[Transcript]:
        match span:
            case Block(number):
                return self._word(f"w{number}", span)
            case Noise():
                return self._word(DAMAGED, span)
            case Silence():
                return self._settle() + self._silence(span)
            case Fragment():
                return self._settle() + self._timeline.silence(span.end)

    def finish(self, end: int) -> list[Transcript]:
        """Settle everything up to ``end``, the length of the audio in samples."""
        return self._settle() + self._timeline.close(self._timeline.seconds(end))

    def _word(self, content: str, sound: Block | Noise) -> list[Transcript]:
        seconds = self._timeline.seconds
        self._pending.append(Word(content, seconds(sound.start), seconds(sound.end)))
        self._heard_to = self._quiet_from = sound.end
        if len(self._pending) >= WORDS_A_FINAL:
            return self._settle()
        return self._timeline.partial(self._pending, sound.end)

    def _settle(self) -> list[Transcript]:
        if not self._pending:
            return []
        words, self._pending = self._pending, []
        return self._timeline.final(words, self._heard_to)

    def _silence(self, silence: Silence) -> list[Transcript]:
        ends_at = self._utterance_end(silence)
        if ends_at is None:
            return self._timeline.silence(silence.end)
        self._quiet_from = None
        return [
            *self._timeline.silence(ends_at),
            *self._timeline.utterance_end(ends_at),
            *self._timeline.silence(silence.end),
        ]

    def _utterance_end(self, silence: Silence) -> int | None:
        if not self._trigger or self._quiet_from is None:
            return None
        at = self._quiet_from + self._trigger
        return at if at <= silence.end else None


class LedgerStream:
    """One session's samples on their way through reader and recogniser."""

    def __init__(self, start: StartRecognition, emit: Emit) -> None:
        audio_format = start.audio_format
        if not isinstance(audio_format, RawAudio):
            raise TypeError(f"the ledger engine reads raw audio, not {audio_format.type!r}")
        self._emit = emit
        self._samples = SampleReader(audio_format.encoding)
        self._blocks = BlockReader(audio_format.sample_rate)
        self._recogniser = LedgerRecogniser(audio_format.sample_rate, start.transcription_config)
        self._received = 0

    async def feed(self, audio: bytes) -> None:
        samples = self._samples.read(audio)
        self._received += len(samples)
        self._emit(ChunkTaken())
        self._report(self._blocks.feed(samples))

    async def finish(self) -> None:
        self._report(self._blocks.finish())
        for event in self._recogniser.finish(self._received):
            self._emit(event)
        self._emit(Ended())

    def _report(self, spans: list[Span]) -> None:
        for span in spans:
            for event in self._recogniser.read(span):
                self._emit(event)


class LedgerEngine:
    """Numbers belong to no language, so it takes every one that the service has."""

    name = "ledger"

    def __init__(self, quota: int = 10_000) -> None:
        self.quota = quota
        self._streams = 0

    def speaks(self, language: str) -> bool:
        return True

    @asynccontextmanager
    async def stream(self, start: StartRecognition, emit: Emit) -> AsyncIterator[LedgerStream]:
        if self._streams >= self.quota:
            raise quota_exceeded(self.quota)
        self._streams += 1
        try:
            yield LedgerStream(start, emit)
        finally:
            self._streams -= 1
