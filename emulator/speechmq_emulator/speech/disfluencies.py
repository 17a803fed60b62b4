"""Leaving hesitations out: "Um, what would you like, hmm?" -> "What would you like?"."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from speechmq_emulator.speech.events import Mark, Result, Word


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a sentence the next result stands, as far as it has been kept."""

    begins: bool = True
    """No word of the sentence has been kept yet."""

    behind_mark: bool = False
    left_out: bool = False
    """A hesitation stood here."""

    capital: bool = False
    """The word that began the sentence was left out: the next one begins it."""


def without_disfluencies(results: Iterable[Result], place: Place) -> tuple[list[Result], Place]:
    """What is kept of the results that stand at ``place``, and the place behind them.

    A mark behind a hesitation goes with it, unless it ends a sentence that has words:
    then it takes the place of the mark before the hesitation.
    """
    kept: list[Result] = []
    for result in results:
        if isinstance(result, Mark):
            place = _mark(result, place, kept)
        elif isinstance(result, Word) and "disfluency" in result.tags:
            capital = place.capital or (place.begins and result.content[:1].isupper())
            place = replace(place, left_out=True, capital=capital)
        else:
            kept.append(_capitalised(result) if place.capital else result)
            place = Place(begins=False)
    return kept, place


def _mark(mark: Mark, place: Place, kept: list[Result]) -> Place:
    behind = Place(begins=mark.ends_sentence, behind_mark=True)
    if not place.left_out:
        kept.append(mark)
        return behind
    if place.begins:
        return behind if mark.ends_sentence else place
    if place.behind_mark:
        last = kept[-1] if kept else None
        if not (mark.ends_sentence and isinstance(last, Mark)):
            return replace(place, left_out=False)
        kept.pop()
        mark = replace(mark, at=last.at)
    kept.append(mark)
    return behind


def _capitalised(result: Result) -> Result:
    if not isinstance(result, Word):
        return result
    return replace(result, content=result.content[:1].upper() + result.content[1:])
