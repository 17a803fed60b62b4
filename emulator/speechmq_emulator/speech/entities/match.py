"""What a rule of the grammar finds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Words = Sequence[str]
"""In lower case."""


@dataclass(frozen=True, slots=True)
class Match:
    """``words[start:end]`` say what is written as ``content``."""

    start: int
    end: int
    content: str
    entity_class: str


Rule = Callable[[Words, int], Match | None]
"""What the words from a position on say; the longest reading of its kind."""


def word(words: Words, at: int) -> str:
    """The word at ``at``, or none behind the last."""
    return words[at] if at < len(words) else ""
