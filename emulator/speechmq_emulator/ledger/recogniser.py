"""Samples -> numbers -> words, at times that are exact to the sample.

Settles the words of two blocks at a time and at every pause, so that a word is final 0.3 s
after its end at the latest: well within the smallest ``max_delay``. Sound that is no undamaged
block is the word ``w?``; a fragment of a block, where the session begins or ends, is covered
as silence is.
"""

from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import replace

from speechmq_emulator.audio import Samples
from speechmq_emulator.ledger.audio_events import AudioEvents
from speechmq_emulator.ledger.numerals import number_words
from speechmq_emulator.ledger.reader import Block, BlockReader, Fragment, Noise, Silence, Span
from speechmq_emulator.ledger.spoken import Spoken
from speechmq_emulator.ledger.voices import Voices
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
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
from speechmq_emulator.speech.timeline import Timeline

BLOCKS_A_FINAL = 2
DAMAGED = "w?"
QUIET = 2.0
"""The volume that a quiet block claims; every other one measures about 40."""

MAX_FORCED_ENDS = 1000
"""How many ends of utterances may wait for their audio; beyond it the last one is dropped."""


class LedgerRecogniser:
    """A ``speech.recogniser.Recogniser`` of ledger audio. Positions are in samples.

    ``word`` says how a number is spoken.
    """

    def __init__(
        self, start: StartRecognition, rate: int, *, word: Callable[[int], str] = "w{}".format
    ) -> None:
        self._rate = rate
        self._word = word
        self._blocks = BlockReader(rate)
        self._timeline = Timeline(rate, partials=True)
        self._voices = Voices(start.transcription_config)
        self._audio_events = AudioEvents(start.audio_events_config)
        self._received = 0
        self._pending: list[Result] = []
        self._pending_from = 0
        self._pending_blocks = 0
        self._heard_to = 0
        self._quiet_from: int | None = None
        """Where the silence behind the last word began, until its utterance has ended."""
        self._forced_ends: list[int] = []
        """Where the client wants utterances to end, in audio that has not come yet."""
        self.configure(start.transcription_config)

    def configure(self, config: TranscriptionConfig) -> None:
        trigger = config.conversation_config.end_of_utterance_silence_trigger
        self._partials = config.enable_partials
        self._trigger = round(trigger * self._rate)
        self._measures_volume = "audio_filtering_config" in config.model_fields_set

    def begin(self) -> list[Heard]:
        return [*self._voices.notices()]

    def speakers(self) -> tuple[SpeakerVoices, ...]:
        return self._voices.heard()

    def feed(self, samples: Samples) -> list[Heard]:
        self._received += len(samples)
        heard = self._read_all(self._blocks.feed(samples))
        while self._forced_ends and self._forced_ends[0] <= self._received:
            heard += self._force_end(self._forced_ends.pop(0), self._blocks.certain_to)
        return heard

    def end_utterance(self, at: float | None) -> list[Heard]:
        position = self._received if at is None else round(at * self._rate)
        if position > self._received:
            insort(self._forced_ends, position)
            del self._forced_ends[MAX_FORCED_ENDS:]
            return []
        return self._force_end(position, self._blocks.certain_to)

    def finish(self, duration: float) -> list[Heard]:
        heard = self._read_all(self._blocks.finish())
        for _ in self._forced_ends:
            heard += self._force_end(self._received, self._received)
        heard += self._settle()
        heard += self._timeline.close(duration)
        return [*heard, *self._audio_events.finish(duration)]

    def _read_all(self, spans: Sequence[Span]) -> list[Heard]:
        heard: list[Heard] = []
        for span in spans:
            while self._forced_ends and self._forced_ends[0] < span.end:
                certain = span.start if isinstance(span, Block | Noise) else span.end
                heard += self._force_end(self._forced_ends.pop(0), certain)
            heard += self._read(span)
        return heard

    def _read(self, span: Span) -> Sequence[Heard]:
        match span:
            case Block(number, flags=flags):
                return self._block(Spoken.read(number, flags), span)
            case Noise():
                damaged = Word(
                    DAMAGED,
                    self._timeline.seconds(span.start),
                    self._timeline.seconds(span.end),
                    speaker=self._voices.unknown,
                )
                return self._say([damaged], span)
            case Silence():
                return [*self._settle(), *self._silence(span)]
            case Fragment():
                return [*self._settle(), *self._quiet(span.end)]

    def _block(self, spoken: Spoken, block: Block) -> list[Heard]:
        start, end = self._timeline.seconds(block.start), self._timeline.seconds(block.end)
        return [
            *self._audio_events.begin(spoken.begins, start),
            *self._say(self._results(spoken, block), block),
            *self._audio_events.end(spoken.ends, end),
        ]

    def _results(self, spoken: Spoken, block: Block) -> list[Result]:
        speaker = self._voices.label(spoken.voice)
        volume = QUIET if spoken.quiet and self._measures_volume else None
        contents = number_words(spoken.number) if spoken.in_words else [self._word(spoken.number)]
        length, count = block.end - block.start, len(contents)
        borders = [block.start + i * length // count for i in range(count + 1)]
        times = [self._timeline.seconds(border) for border in borders]
        results: list[Result] = [
            Word(
                content,
                times[i],
                times[i + 1],
                speaker=speaker,
                volume=volume,
                tags=("disfluency",) if spoken.disfluency else (),
            )
            for i, content in enumerate(contents)
        ]
        return (
            [*results, Mark(".", times[-1], speaker=speaker)] if spoken.ends_sentence else results
        )

    def _say(self, results: Sequence[Result], sound: Block | Noise) -> list[Transcript]:
        if not self._pending:
            self._pending_from = sound.start
        self._pending += results
        self._pending_blocks += 1
        self._heard_to = self._quiet_from = sound.end
        if self._pending_blocks >= BLOCKS_A_FINAL:
            return self._settle()
        return self._timeline.partial(self._pending, sound.end) if self._partials else []

    def _settle(self) -> list[Transcript]:
        return self._timeline.final(self._take_pending(), self._heard_to) if self._pending else []

    def _take_pending(self) -> list[Result]:
        results, self._pending, self._pending_blocks = self._pending, [], 0
        return results

    def _silence(self, silence: Silence) -> list[Transcript]:
        ends_at = self._utterance_end(silence)
        if ends_at is None:
            return self._quiet(silence.end)
        self._quiet_from = None
        ended = self._wanted(self._timeline.utterance_end(ends_at))
        return [*self._quiet(ends_at), *ended, *self._quiet(silence.end)]

    def _utterance_end(self, silence: Silence) -> int | None:
        if not self._trigger or self._quiet_from is None:
            return None
        at = self._quiet_from + self._trigger
        return at if at <= silence.end else None

    def _quiet(self, up_to: int) -> list[Transcript]:
        return self._wanted(self._timeline.silence(up_to))

    def _wanted(self, events: list[Transcript]) -> list[Transcript]:
        if self._partials:
            return events
        return [event for event in events if not isinstance(event, Partial)]

    def _force_end(self, at: int, certain_to: int) -> list[Heard]:
        """Settle what ended before ``at``; a word that lasts beyond it waits.

        The final may end before ``at``, where such a word begins, so that finals cover no
        word before they have it.
        """
        results: list[Result] = []
        end = min(at, certain_to)
        if self._heard_to <= at:
            results, self._quiet_from = self._take_pending(), None
        elif self._pending:
            end = min(end, self._pending_from)
        final = self._timeline.final(results, max(end, self._timeline.covered))
        ended = self._timeline.seconds(max(at, self._timeline.covered))
        return [*(replace(f, forced=True) for f in final), UtteranceEnded(ended, forced=True)]
