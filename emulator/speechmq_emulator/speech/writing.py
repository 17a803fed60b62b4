"""What a recogniser heard -> what is written: tags, formatting, spelling, replacements, marks.

Owns the order of these steps and what partials are spared: they carry words, never
entities. A step that the session did not ask for is not taken.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from speechmq_emulator.protocol.config import TranscriptionConfig
from speechmq_emulator.speech.disfluencies import Place, without_disfluencies
from speechmq_emulator.speech.events import Final, Heard, Partial, Result, UtteranceEnded, Word
from speechmq_emulator.speech.formatting import formatted, open_words
from speechmq_emulator.speech.holdback import Holdback
from speechmq_emulator.speech.lexicon import tagged
from speechmq_emulator.speech.marks import PermittedMarks
from speechmq_emulator.speech.replacements import Replacements
from speechmq_emulator.speech.spelling import respelled, respelling

Step = Callable[[Sequence[Result]], list[Result]]


class Writing:
    """One channel's. Finals come out gapless as they went in, some of them later and longer."""

    def __init__(self, config: TranscriptionConfig) -> None:
        """Raises ``BadReplacement`` for a malformed pattern."""
        self._holdback = Holdback(open_words)
        self._place = Place()
        self.configure(config)

    def configure(self, config: TranscriptionConfig) -> None:
        """From the next report on; raises ``BadReplacement`` for a malformed pattern."""
        self._english = "en" in config.language.split("_")
        self._flexible = self._english and config.max_delay_mode == "flexible"
        self._as_entities = config.enable_entities
        self._leaves_out = config.transcript_filtering_config.remove_disfluencies
        self._steps = _steps(config)
        self._changes_words = self._english or self._leaves_out or bool(self._steps)

    def write(self, heard: Sequence[Heard], *, last: bool = False) -> list[Heard]:
        """``last`` tells that nothing follows these reports."""
        written: list[Heard] = []
        for i, event in enumerate(heard):
            match event:
                case Final():
                    closing = last or event.forced or _ends_utterance(heard[i + 1 :])
                    written += self._final(event, closing=closing or not self._flexible)
                case Partial():
                    written.append(self._partial(event))
                case UtteranceEnded():
                    written += self._settled(self._holdback.release())
                    written.append(event)
                case _:
                    written.append(event)
        return written + self._settled(self._holdback.release()) if last else written

    def _final(self, final: Final, *, closing: bool) -> list[Heard]:
        if final.results and self._changes_words:
            results, self._place = self._tidied(final.results)
            final = replace(final, results=tuple(results))
        return self._settled(self._holdback.final(final, closing=closing))

    def _settled(self, finals: Sequence[Final]) -> list[Heard]:
        if not self._changes_words:
            return [*finals]
        return [self._written(final) if final.results else final for final in finals]

    def _written(self, final: Final) -> Final:
        results: Sequence[Result] = final.results
        if self._english:
            results = formatted(results, as_entities=self._as_entities)
        return replace(final, results=tuple(self._finished(results)))

    def _partial(self, partial: Partial) -> Partial:
        if partial.results:
            results, _ = self._tidied(partial.results)
            partial = replace(partial, results=tuple(results))
        partial = self._holdback.partial(partial)
        if not partial.results or not self._steps:
            return partial
        return replace(partial, results=tuple(self._finished(partial.results)))

    def _tidied(self, results: Sequence[Result]) -> tuple[list[Result], Place]:
        tidied = tagged(results) if self._english else list(results)
        return (
            without_disfluencies(tidied, self._place)
            if self._leaves_out
            else (
                tidied,
                self._place,
            )
        )

    def _finished(self, results: Sequence[Result]) -> Sequence[Result]:
        for step in self._steps:
            results = step(results)
        return results


def _ends_utterance(following: Sequence[Heard]) -> bool:
    return any(isinstance(event, UtteranceEnded) for event in following)


def _steps(config: TranscriptionConfig) -> list[Step]:
    steps: list[Step] = []
    if spellings := respelling(config.output_locale):
        steps.append(lambda results: [_respelled(result, spellings) for result in results])
    if config.transcript_filtering_config.replacements:
        steps.append(Replacements(config.transcript_filtering_config.replacements).apply)
    marks = PermittedMarks(config.punctuation_overrides)
    if not marks.all:
        steps.append(marks.keep)
    return steps


def _respelled(result: Result, spellings: Mapping[str, str]) -> Result:
    if not isinstance(result, Word):
        return result
    content = respelled(result.content, spellings)
    return result if content == result.content else replace(result, content=content)
