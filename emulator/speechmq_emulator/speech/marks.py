"""Which punctuation marks a session gets."""

from collections.abc import Iterable

from speechmq_emulator.protocol.config import PunctuationOverrides
from speechmq_emulator.speech.events import Mark, Result

ALL = "all"


class PermittedMarks:
    """What a mark that is left out said about sentences is lost with it."""

    def __init__(self, overrides: PunctuationOverrides) -> None:
        # Of the sensitivity only its end is imitated: none at all.
        silent = overrides.sensitivity == 0
        self._permitted = frozenset() if silent else frozenset(overrides.permitted_marks)

    @property
    def all(self) -> bool:
        return ALL in self._permitted

    def keep(self, results: Iterable[Result]) -> list[Result]:
        return [r for r in results if not isinstance(r, Mark) or r.content in self._permitted]
