"""Words as the recogniser knows them -> words and marks as they are written.

Simple rules: a sentence is what stands between two pauses; its first word, "I" and the
names of days and months get a capital; a short pause inside is a comma; a full stop ends
it, or a question mark if it begins like a question.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from speechmq_emulator.speech.events import Mark, Result, Word

COMMA_SECONDS = 0.25
"""A pause this long inside a sentence is a comma."""

_NAMES = frozenset(
    """
    monday tuesday wednesday thursday friday saturday sunday
    january february april june july august september october november december
    """.split()  # noqa: SIM905  # a list of literals would be a page
)
_OPENERS = frozenset(
    "and so but well ok okay oh um uh hello hi yes no now then please".split()  # noqa: SIM905
)
_ASKING = frozenset(("who", "whom", "what", "when", "where", "why", "how", "which", "whose"))
_AUXILIARIES = frozenset(
    """
    is are am was were do does did can could will would shall should have has had may might
    isn't aren't wasn't weren't don't doesn't didn't can't couldn't won't wouldn't haven't hasn't
    """.split()  # noqa: SIM905
)
_SUBJECTS = frozenset(
    """
    i you he she it we they this that these those there the a an my your his her its our their
    any anyone anybody anything somebody someone
    """.split()  # noqa: SIM905
)
_OPENING = 6
"""So many words of a sentence tell whether it asks."""


class Sentences:
    """Remembers from final to final the sentence that has begun."""

    def __init__(self) -> None:
        self._opening: list[str] = []
        self._last: Word | None = None

    @property
    def begun(self) -> bool:
        return self._last is not None

    def preview(self, words: Sequence[Word], not_before: float = 0.0) -> list[Result]:
        """Words that follow the settled ones, without settling them.

        No mark stands before ``not_before``, the end of the newest final.
        """
        results: list[Result] = []
        last = self._last
        for word in words:
            if last is not None and word.start - last.end >= COMMA_SECONDS:
                results.append(_mark(",", last, not_before))
            results.append(replace(word, content=_written(word.content, first=last is None)))
            last = word
        return results

    def settle(self, words: Sequence[Word], not_before: float = 0.0) -> list[Result]:
        results = self.preview(words, not_before)
        if words:
            self._last = words[-1]
            self._opening += [w.content.lower() for w in words[: _OPENING - len(self._opening)]]
        return results

    def end(self, words: Sequence[Word] = (), not_before: float = 0.0) -> list[Result]:
        """Settle the last words and set the last mark; nothing where no sentence had begun."""
        results = self.settle(words, not_before)
        if self._last is None:
            return results
        content = "?" if asks(self._opening) else "."
        mark = _mark(content, self._last, not_before)
        self._last, self._opening = None, []
        return [*results, mark]


def _mark(content: str, behind: Word, not_before: float) -> Mark:
    at = max(behind.end, not_before)
    return Mark(content, at, ends_sentence=content != ",", speaker=behind.speaker)


def asks(opening: Sequence[str]) -> bool:
    """Whether a sentence that begins so is a question: "can you …", "what time is …", "why"."""
    said = [
        word for i, word in enumerate(opening) if any(w not in _OPENERS for w in opening[: i + 1])
    ]
    if not said:
        return False
    if said[0] in _ASKING:
        return len(said) == 1 or any(word in _AUXILIARIES for word in islice(said, 1, 4))
    return said[0] in _AUXILIARIES and len(said) > 1 and said[1] in _SUBJECTS


def _written(content: str, *, first: bool) -> str:
    if content != content.lower():
        return content  # a client's own word, which is written as the client has it
    is_name = content in _NAMES or content == "i" or content.startswith("i'")
    return content[0].upper() + content[1:] if first or is_name else content
