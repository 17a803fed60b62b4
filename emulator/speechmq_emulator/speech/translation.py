"""Pseudo-translation: each word in its place, marked with the language it is "translated" to.

"Good morning." becomes "Good[de] morning[de]." for ``de``. What is real is everything
else: which messages come, when, and with which times and speakers.
"""

from collections.abc import Iterable, Sequence

from speechmq_emulator.speech.events import (
    Entity,
    Final,
    Heard,
    Mark,
    Partial,
    Result,
    TranslatedSentence,
    Translation,
    UtteranceEnded,
    Word,
)

MAX_PAUSE_SECONDS = 2.0
"""Silence behind its last word that ends a sentence, where no mark did."""

MAX_SENTENCE_WORDS = 60


class Translations:
    """One channel's finals -> sentences in every target language, each once it has ended.

    A sentence ends with a mark that says so, with its utterance, its speaker, a long pause
    or the audio. ``targets`` have been checked and are not empty.
    """

    def __init__(self, targets: Sequence[str], *, partials: bool) -> None:
        self._targets = targets
        self._partials = partials
        self._sentence: list[Result] = []
        self._newest: TranslatedSentence | None = None

    def follow(self, heard: Iterable[Heard], *, last: bool = False) -> list[Heard]:
        """The same reports, with translations behind those that they come of."""
        followed: list[Heard] = []
        for event in heard:
            followed.append(event)
            match event:
                case Final():
                    followed += self._final(event)
                case Partial():
                    followed += self._preview(event.results)
                case UtteranceEnded():
                    followed += self._end()
        return followed + self._end() if last else followed

    def _final(self, final: Final) -> list[Heard]:
        translations: list[Heard] = []
        for result in final.results:
            if self._sentence and self._sentence[0].speaker != result.speaker:
                translations += self._end()
            self._sentence.append(result)
            if self._is_over(result):
                translations += self._end()
        if self._sentence and final.end - _end(self._sentence[-1]) > MAX_PAUSE_SECONDS:
            translations += self._end()
        return translations + self._preview(()) if final.results else translations

    def _is_over(self, newest: Result) -> bool:
        ended = isinstance(newest, Mark) and newest.ends_sentence
        return ended or len(self._sentence) >= MAX_SENTENCE_WORDS

    def _end(self) -> list[Heard]:
        sentence, self._sentence, self._newest = self._sentence, [], None
        if all(isinstance(result, Mark) for result in sentence):
            return []
        return [Translation(t, (_translated(sentence, t),), final=True) for t in self._targets]

    def _preview(self, heard_now: Sequence[Result]) -> list[Heard]:
        """Partial translations of the sentence so far, when it has grown or changed."""
        if not self._partials:
            return []
        sentence = [*self._sentence, *heard_now]
        if all(isinstance(result, Mark) for result in sentence):
            return []
        newest = _translated(sentence, self._targets[0])
        if newest == self._newest:
            return []
        self._newest = newest
        return [Translation(t, (_translated(sentence, t),), final=False) for t in self._targets]


def _translated(sentence: Sequence[Result], target: str) -> TranslatedSentence:
    words = [result for result in sentence if isinstance(result, Word | Entity)]
    content = ""
    for result in sentence:
        if isinstance(result, Mark):
            content += result.content
        else:
            marked = " ".join(f"{part}[{target}]" for part in result.content.split())
            content += f" {marked}" if content else marked
    return TranslatedSentence(content, words[0].start, words[-1].end, words[0].speaker)


def _end(result: Result) -> float:
    return result.at if isinstance(result, Mark) else result.end
