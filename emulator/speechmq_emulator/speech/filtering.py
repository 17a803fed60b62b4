"""``audio_filtering_config``: each word's volume, and quiet words left out."""

from collections.abc import Sequence
from dataclasses import replace

from speechmq_emulator.audio import Samples
from speechmq_emulator.speech.events import Final, Heard, Mark, Partial, Result, Word
from speechmq_emulator.speech.loudness import Loudness


class VolumeFilter:
    """``position`` is the sample at which it begins to listen."""

    def __init__(self, rate: int, threshold: float, position: int = 0) -> None:
        self.threshold = threshold
        self._left_out = False
        """The newest final word was."""

        self._loudness = Loudness(rate, position)

    def listen(self, samples: Samples) -> None:
        self._loudness.add(samples)

    def apply(self, heard: Sequence[Heard]) -> list[Heard]:
        return [self._applied(event) for event in heard]

    def _applied(self, event: Heard) -> Heard:
        if not isinstance(event, Final | Partial) or not event.results:
            return event
        kept, left_out = self._loud(event.results)
        if isinstance(event, Final):
            self._left_out = left_out
        return replace(event, results=tuple(kept))

    def _loud(self, results: Sequence[Result]) -> tuple[list[Result], bool]:
        """A mark is left out with the words before it, as far as these have come with it."""
        kept: list[Result] = []
        left_out = self._left_out
        for result in map(self._measured, results):
            if isinstance(result, Word):
                left_out = (result.volume or 0.0) < self.threshold
            takes_its_place = isinstance(result, Mark) and kept and isinstance(kept[-1], Word)
            if not left_out or takes_its_place:
                kept.append(result)
        return kept, left_out

    def _measured(self, result: Result) -> Result:
        if not isinstance(result, Word) or result.volume is not None:
            return result
        return replace(result, volume=self._loudness.volume(result.start, result.end))
