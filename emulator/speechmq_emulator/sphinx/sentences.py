"""Words as the recogniser knows them -> words and marks as they are written.

Simple rules: a sentence is what stands between two pauses; its first word, "I" and the
names of days and months get a capital; a full stop ends it.
"""

from collections.abc import Sequence
from dataclasses import replace

from speechmq_emulator.speech.events import Mark, Result, Word

_NAMES = frozenset(
    """
    monday tuesday wednesday thursday friday saturday sunday
    january february april june july august september october november december
    """.split()  # noqa: SIM905  # a list of literals would be a page
)


class Sentences:
    """Remembers from final to final whether a sentence has begun."""

    def __init__(self) -> None:
        self._last_end: float | None = None

    @property
    def begun(self) -> bool:
        return self._last_end is not None

    def preview(self, words: Sequence[Word]) -> list[Result]:
        """Words that follow the settled ones, without settling them."""
        begun = self.begun
        return [
            replace(word, content=_written(word.content, first=i == 0 and not begun))
            for i, word in enumerate(words)
        ]

    def settle(self, words: Sequence[Word]) -> list[Result]:
        results = self.preview(words)
        if words:
            self._last_end = words[-1].end
        return results

    def end(self, words: Sequence[Word] = ()) -> list[Result]:
        """Settle the last words and set the full stop; nothing where no sentence had begun."""
        results = self.settle(words)
        if self._last_end is None:
            return results
        mark = Mark(".", self._last_end)
        self._last_end = None
        return [*results, mark]


def _written(content: str, *, first: bool) -> str:
    is_name = content in _NAMES or content == "i" or content.startswith("i'")
    return content[0].upper() + content[1:] if first or is_name else content
