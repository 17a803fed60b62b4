"""The rules together: where entities are in a row of words, and where one may go on.

Imitated of the service's formatting: the classes alphanum, cardinal, credit card, date,
decimal, fraction, money, ordinal, percentage, telephone and time. Not imitated: spans,
measurements and electronic addresses, which stay words.
"""

from speechmq_emulator.speech.entities import amounts, codes, dates
from speechmq_emulator.speech.entities.match import Match, Rule, Words
from speechmq_emulator.speech.entities.numbers import BEGINNINGS, DIGITS, ORDINALS, SCALES

RULES: tuple[Rule, ...] = (
    dates.date,
    dates.time,
    amounts.money,
    amounts.percentage,
    amounts.fraction,
    codes.digit_string,
    codes.code,
    amounts.decimal,
    amounts.position,
    amounts.whole,
)
"""The longest match at a position wins, of equally long ones that of the earlier rule."""

_LINKS = frozenset({"and", "of", "the", "point", "per", "a", "p", "m"})
_OPENING = frozenset({*BEGINNINGS, *DIGITS, *ORDINALS, *dates.MONTHS, "double", "triple"})
_PARTS = _OPENING | _LINKS | set(SCALES) | set(amounts.CURRENCIES)


def find(words: Words) -> list[Match]:
    """In order, none overlapping; the words between are no part of any."""
    matches: list[Match] = []
    at = 0
    while at < len(words):
        match = _at(words, at) if may_begin(words[at]) else None
        if match is not None:
            matches.append(match)
        at = match.end if match is not None else at + 1
    return matches


def unfinished(words: Words) -> int:
    """How many words at the end may be said to belong to an entity that goes on."""
    start = len(words)
    while start and may_continue(words[start - 1]):
        start -= 1
    while start < len(words) and not _may_open(words[start]):
        start += 1
    return len(words) - start


def may_begin(word: str) -> bool:
    """Whether an entity can begin with it: most words can not."""
    return codes.is_letter(word) or word.partition("-")[0] in _OPENING


def may_continue(word: str) -> bool:
    """Whether it can be a part of an entity that is not complete with it."""
    return word in _PARTS or codes.is_letter(word) or word.partition("-")[0] in BEGINNINGS


def _at(words: Words, at: int) -> Match | None:
    found = [match for rule in RULES if (match := rule(words, at)) is not None]
    return max(found, key=lambda match: match.end, default=None)


def _may_open(word: str) -> bool:
    # "A" and "I" begin more than references; words must not wait for what follows them.
    if codes.is_letter(word):
        return word not in "ai"
    return word.partition("-")[0] in _OPENING
