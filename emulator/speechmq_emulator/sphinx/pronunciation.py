"""What a client wrote as a word -> the phones by which a recogniser may hear it.

Knows a dictionary only as a function. Digits are said one by one (20 to 99 as a number),
capitals of an abbreviation letter by letter; accents are dropped, and so is what has no
sound in English.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import islice, product

from speechmq_emulator.sphinx.letters import pronunciations

Lookup = Callable[[str], list[str]]
"""A dictionary: a lower-case word -> its pronunciations, none for an unknown one."""

MAX_PRONUNCIATIONS = 4
_MAX_PHONES = 60
_MAX_ABBREVIATION = 5

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SAID = {
    **dict(zip("0123456789", _DIGITS, strict=True)),
    "&": "and",
    "@": "at",
    "%": "percent",
    "+": "plus",
}
_SPOKEN_PART = re.compile(r"[A-Za-z']+|(?<!\d)[2-9]\d(?!\d)|[0-9&@%+]")
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "\u2019": "'"})


def phones_of(text: str, look_up: Lookup) -> list[str]:
    """A few ways in which ``text`` may be said, best first; none if nothing of it has a sound."""
    parts = [ways for part in _parts(text) if (ways := _part_phones(part, look_up))]
    if not parts:
        return []
    readings = (" ".join(ways) for ways in islice(product(*parts), MAX_PRONUNCIATIONS))
    # A word of many seconds can not be heard; it would only slow the search down.
    return [reading for reading in dict.fromkeys(readings) if len(reading.split()) <= _MAX_PHONES]


def _parts(text: str) -> Iterator[str]:
    plain = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    for part in _SPOKEN_PART.findall("".join(c for c in plain if not unicodedata.combining(c))):
        yield from _said(part)


def _said(part: str) -> list[str]:
    if len(part) == 2 and part.isdecimal():
        tens, ones = part[0], part[1]
        return [_TENS[int(tens) - 2]] + ([_SAID[ones]] if ones != "0" else [])
    return [_SAID.get(part, part)]


def _part_phones(part: str, look_up: Lookup) -> list[str]:
    known = look_up(part.lower())
    if known:
        return known
    letters = part.lower().replace("'", "")
    has_vowel = any(letter in "aeiouy" for letter in letters)
    if (part.isupper() and len(letters) <= _MAX_ABBREVIATION) or not has_vowel:
        return _spelt(letters[:_MAX_ABBREVIATION], look_up)
    return pronunciations(letters)


def _spelt(letters: str, look_up: Lookup) -> list[str]:
    names = [(look_up(f"{letter}.") or look_up(letter) or [""])[0] for letter in letters]
    return [" ".join(names)] if letters else []
