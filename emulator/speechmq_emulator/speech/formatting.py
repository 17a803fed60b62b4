"""Words that say a number, a date or an amount -> what is written for them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from speechmq_emulator.speech import entities
from speechmq_emulator.speech.events import Result, Word
from speechmq_emulator.speech.written import entity


def formatted(results: Sequence[Result], *, as_entities: bool) -> list[Result]:
    """With an ``Entity``, or else only its written words, in the place of the spoken ones."""
    if not any(entities.may_begin(result.content.lower()) for result in results):
        return list(results)
    written: list[Result] = []
    for row in _rows(results):
        written += _row(row, as_entities=as_entities)
    return written


def open_words(results: Sequence[Result]) -> int:
    """How many words at the end may belong to an entity that is not complete."""
    last_result = results[-1] if results else None
    if not isinstance(last_result, Word):
        return 0
    if not entities.may_continue(last_result.content.lower()):
        return 0
    *_, last = _rows(results)
    return entities.unfinished(_contents(last))


def _rows(results: Sequence[Result]) -> Iterator[list[Result]]:
    """Neighbouring words of one speaker, and each other result alone: no entity goes beyond."""
    row: list[Result] = []
    for result in results:
        if row and not (_is_plain(row[-1]) and _is_plain(result) and _same(row[-1], result)):
            yield row
            row = []
        row.append(result)
    if row:
        yield row


def _is_plain(result: Result) -> bool:
    return isinstance(result, Word) and not result.tags


def _same(one: Result, other: Result) -> bool:
    return one.speaker == other.speaker


def _contents(row: Sequence[Result]) -> list[str]:
    return [result.content.lower() for result in row]


def _row(row: list[Result], *, as_entities: bool) -> list[Result]:
    written: list[Result] = []
    done = 0
    for match in entities.find(_contents(row)) if _is_plain(row[0]) else []:
        spoken = [word for word in row[match.start : match.end] if isinstance(word, Word)]
        found = entity(match.content, match.entity_class, spoken)
        written += row[done : match.start]
        written += [found] if as_entities else [replace(word) for word in found.written]
        done = match.end
    return written + row[done:]
