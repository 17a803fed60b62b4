"""Word error rate: substitutions, deletions and insertions per word of the reference."""

from __future__ import annotations

import re
from collections.abc import Sequence


def words_of(text: str) -> list[str]:
    """Lower-case words without punctuation."""
    return re.findall(r"[a-z']+", text.lower())


def word_error_rate(reference: Sequence[str], heard: Sequence[str]) -> float:
    costs = list(range(len(heard) + 1))
    for row, expected in enumerate(reference, 1):
        diagonal, costs[0] = costs[0], row
        for column, word in enumerate(heard, 1):
            cost = min(diagonal + (expected != word), costs[column] + 1, costs[column - 1] + 1)
            diagonal, costs[column] = costs[column], cost
    return costs[-1] / len(reference)
