"""Days, months, years and times of day."""

from speechmq_emulator.speech.entities.match import Match, Words, word
from speechmq_emulator.speech.entities.numbers import (
    TEENS,
    UNITS,
    cardinal,
    ordinal,
    suffixed,
    two_digits,
)

_MONTHS = "january february march april may june july august september october november december"
MONTHS = frozenset(_MONTHS.split())
_CENTURIES = {**TEENS, "twenty": 20}
_YEARS = range(1100, 2100)
_CARDINAL_YEARS = range(1900, 2100)
_HALVES = {"am": "a.m.", "a.m.": "a.m.", "pm": "p.m.", "p.m.": "p.m."}
_DAY_ENDINGS = frozenset({*_HALVES, "o'clock"})


def date(words: Words, at: int) -> Match | None:
    """ "Third of March twenty twenty six", "March third", "March twenty six", "nineteen ten"."""
    start, text, end = at, "", at
    if word(words, at) in MONTHS:
        text, end = _month_first(words, at)
    elif (day := _day(words, at)) is not None:
        text, end = _day_first(words, *day)
    elif (alone := _year_in_pairs(words, at)) is not None:
        text, end = str(alone[0]), alone[1]
    return Match(start, end, text, "date") if text else None


def time(words: Words, at: int) -> Match | None:
    """ "Eleven forty a m", "ten oh five", "nine o'clock"."""
    hour = cardinal(words[: at + 1], at)
    if hour is None or not 1 <= hour[0] <= 12:
        return None
    minutes, end = _minutes(words, hour[1])
    half, behind = _half_of_day(words, end)
    if not minutes and half is None:
        return None
    return Match(at, behind, f"{hour[0]}{minutes} {half or ''}".strip(), "time")


def _month_first(words: Words, at: int) -> tuple[str, int]:
    month = words[at].capitalize()
    day = _day(words, at + 1 + (word(words, at + 1) == "the"))
    if day is not None:
        return _with_year(words, f"{month} {suffixed(day[0])}", day[1])
    year = _year(words, at + 1)
    return (f"{month} {year[0]}", year[1]) if year is not None else ("", at)


def _day_first(words: Words, day: int, end: int) -> tuple[str, int]:
    month_at = end + (word(words, end) == "of")
    if word(words, month_at) not in MONTHS:
        return "", end
    link = "of " if month_at > end else ""
    month = words[month_at].capitalize()
    return _with_year(words, f"{suffixed(day)} {link}{month}", month_at + 1)


def _with_year(words: Words, text: str, end: int) -> tuple[str, int]:
    year = _year(words, end)
    return (f"{text} {year[0]}", year[1]) if year is not None else (text, end)


def _day(words: Words, at: int) -> tuple[int, int] | None:
    found = ordinal(words, at)
    return found if found is not None and 1 <= found[0] <= 31 else None


def _year(words: Words, at: int) -> tuple[int, int] | None:
    in_pairs = _year_in_pairs(words, at)
    if in_pairs is not None:
        return in_pairs
    found = cardinal(words, at)
    return found if found is not None and found[0] in _CARDINAL_YEARS else None


def _year_in_pairs(words: Words, at: int) -> tuple[int, int] | None:
    """ "Nineteen ninety nine", "twenty twenty", "nineteen oh five"."""
    century = _CENTURIES.get(word(words, at))
    if century is None:
        return None
    if word(words, at + 1) == "oh" and word(words, at + 2) in UNITS:
        years, end = UNITS[words[at + 2]], at + 3
    elif (pair := two_digits(words, at + 1)) is not None:
        years, end = pair
    else:
        return None
    year = 100 * century + years
    return (year, end) if year in _YEARS else None


def _minutes(words: Words, at: int) -> tuple[str, int]:
    if word(words, at) == "oh" and word(words, at + 1) in UNITS:
        return f":0{UNITS[words[at + 1]]}", at + 2
    pair = two_digits(words, at)
    return (f":{pair[0]}", pair[1]) if pair is not None and pair[0] < 60 else ("", at)


def _half_of_day(words: Words, at: int) -> tuple[str | None, int]:
    first = word(words, at)
    if first in ("a", "p") and word(words, at + 1) == "m":
        return f"{first}.m.", at + 2
    if first in _DAY_ENDINGS:
        return _HALVES.get(first, first), at + 1
    return None, at
