"""Cardinals, decimals, ordinals and digits: what the other rules are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from text_to_num import text2num  # type: ignore[import-untyped]

from speechmq_emulator.speech.entities.match import Words, word

_UNITS = "one two three four five six seven eight nine"
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
SCALES = ("hundred", "thousand", "million", "billion", "trillion")

UNITS: Mapping[str, int] = MappingProxyType({w: i for i, w in enumerate(_UNITS.split(), 1)})
TEENS: Mapping[str, int] = MappingProxyType({w: i for i, w in enumerate(_TEENS.split(), 10)})
TENS: Mapping[str, int] = MappingProxyType({w: 10 * i for i, w in enumerate(_TENS.split(), 2)})
DIGITS: Mapping[str, str] = MappingProxyType(
    {"oh": "0", "o": "0", "zero": "0", **{w: str(i) for w, i in UNITS.items()}}
)
BEGINNINGS = frozenset({"zero", *UNITS, *TEENS, *TENS})
"""Words with which a cardinal begins."""

_ORDINAL_FORMS: Mapping[str, str] = MappingProxyType(
    {
        **{f"{w}th": w for w in (*UNITS, *TEENS, *SCALES)},
        **{f"{w[:-1]}ieth": w for w in TENS},
        "first": "one",
        "second": "two",
        "third": "three",
        "fifth": "five",
        "eighth": "eight",
        "ninth": "nine",
        "twelfth": "twelve",
    }
)
ORDINALS = frozenset(_ORDINAL_FORMS)
_LONGEST = 16
_COMMAS_FROM = 10_000
_MILLION = 1_000_000
_SCALE_NAMES = ((10**12, "trillion"), (10**9, "billion"), (_MILLION, "million"))


@dataclass(frozen=True, slots=True)
class Number:
    """``text`` is how it is written, ``end`` the position behind its last word."""

    text: str
    end: int
    value: float
    decimal: bool = False


def cardinal(words: Words, at: int) -> tuple[int, int] | None:
    """(value, end) of the longest whole number that begins at ``at``."""
    if not _begins_cardinal(word(words, at)):
        return None
    end = at + 1
    while end < len(words) and end - at < _LONGEST and _continues_cardinal(words[end]):
        end += 1
    for stop in range(end, at, -1):
        value = _value(" ".join(words[at:stop]))
        if value is not None and words[stop - 1] != "and":
            return value, stop
    return None


def number(words: Words, at: int) -> Number | None:
    """A whole number or a decimal, followed by its scale where that is kept as a word."""
    whole = cardinal(words, at)
    if whole is None:
        return None
    value, end = whole
    if word(words, end) != "point":
        return Number(written(value), end, value)
    places, behind = _places(words, end + 1)
    if not places:
        return Number(written(value), end, value)
    text = f"{value:,}" if value >= _COMMAS_FROM else str(value)
    scale = word(words, behind) if word(words, behind) in SCALES[2:] else ""
    decimal = f"{text}.{places} {scale}".strip()
    return Number(decimal, behind + bool(scale), float(f"{value}.{places}"), decimal=True)


def ordinal(words: Words, at: int) -> tuple[int, int] | None:
    """(value, end) of "forty second", "twenty-sixth" and the like."""
    best = None
    for last in range(at, min(at + _LONGEST, len(words))):
        tens, hyphen, unit = words[last].rpartition("-")
        if unit in ORDINALS:
            as_cardinal = [*words[at:last], f"{tens}{hyphen}{_ORDINAL_FORMS[unit]}"]
            value = _value(" ".join(as_cardinal)) if _begins_cardinal(as_cardinal[0]) else None
            best = (value, last + 1) if value is not None else best
        if not _continues_cardinal(words[last]):
            break
    return best


def digits(words: Words, at: int) -> tuple[str, int]:
    """Digits said one by one, "double" and "triple" ones included, and the end of them."""
    said = ""
    while at < len(words):
        times = {"double": 2, "triple": 3}.get(words[at], 1)
        digit = DIGITS.get(word(words, at + (times > 1)))
        if digit is None:
            break
        said += digit * times
        at += 1 + (times > 1)
    return said, at


def two_digits(words: Words, at: int) -> tuple[int, int] | None:
    """(value, end) of a number from 10 to 99, the longest reading."""
    found = cardinal(words[: at + 2], at)
    return found if found is not None and 10 <= found[0] <= 99 else None


def written(value: int) -> str:
    for size, name in _SCALE_NAMES:
        if value >= size and value % size == 0:
            return f"{value // size:,} {name}"
    return f"{value:,}" if value >= _COMMAS_FROM else str(value)


def suffixed(value: int) -> str:
    """1st, 2nd, 3rd, 11th."""
    ending = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10)
    return f"{value}{ending or 'th'}"


def _begins_cardinal(first: str) -> bool:
    return first.partition("-")[0] in BEGINNINGS


def _continues_cardinal(next_word: str) -> bool:
    return next_word == "and" or next_word in SCALES or _begins_cardinal(next_word)


def _places(words: Words, at: int) -> tuple[str, int]:
    said, end = digits(words, at)
    if said:
        return said, end
    found = two_digits(words, at)
    return (str(found[0]), found[1]) if found is not None else ("", at)


def _value(said: str) -> int | None:
    try:
        return int(text2num(said, "en"))
    except ValueError:
        return None
