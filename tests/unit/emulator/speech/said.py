"""Builders: words said one a tenth of a second, and finals of them."""

from typing import Any

from speechmq_emulator.protocol.config import TranscriptionConfig
from speechmq_emulator.speech.events import Entity, Final, Mark, Result, Word

WORD_SECONDS = 0.1
MARKS = ".,?!"


def said(text: str, start: float = 0.0, **fields: Any) -> tuple[Result, ...]:
    """Words and marks apart by spaces: "well , yes ."; ``fields`` are every word's."""
    results: list[Result] = []
    at = round(start, 3)
    for content in text.split():
        if content in MARKS:
            results.append(Mark(content, at, content != ","))
        else:
            end = round(at + WORD_SECONDS, 3)
            results.append(Word(content, at, end, **fields))
            at = end
    return tuple(results)


def final(text: str, start: float = 0.0, end: float | None = None) -> Final:
    results = said(text, start)
    words = sum(isinstance(result, Word) for result in results)
    end = round(start + words * WORD_SECONDS, 3) if end is None else end
    return Final(start, end, results)


def text(results: tuple[Result, ...] | list[Result]) -> str:
    """Contents, entities in brackets with their class."""
    return " ".join(
        f"[{r.content}:{r.entity_class}]" if isinstance(r, Entity) else r.content for r in results
    )


def config(**fields: Any) -> TranscriptionConfig:
    return TranscriptionConfig.model_validate({"language": "en", **fields})
