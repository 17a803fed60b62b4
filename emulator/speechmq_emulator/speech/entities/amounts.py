"""Money, percentages, fractions and plain numbers."""

from collections.abc import Mapping
from types import MappingProxyType

from speechmq_emulator.speech.entities.match import Match, Words, word
from speechmq_emulator.speech.entities.numbers import (
    ORDINALS,
    Number,
    cardinal,
    number,
    ordinal,
    suffixed,
)

LARGEST_WORD = 10
"""Whole numbers and ordinals up to this one stay words."""

CURRENCIES: Mapping[str, str] = MappingProxyType(
    {
        "dollar": "$",
        "dollars": "$",
        "pound": "£",
        "pounds": "£",
        "euro": "€",
        "euros": "€",
        "rupee": "₹",
        "rupees": "₹",
        "yen": "¥",
    }
)
CENTS = frozenset({"cent", "cents", "pence", "penny"})
PERCENT = "percent"


def money(words: Words, at: int) -> Match | None:
    """ "Twenty five dollars and thirty cents", "two point five million pounds", "ten cents"."""
    amount = number(words, at)
    if amount is None:
        return None
    unit, end = word(words, amount.end), amount.end + 1
    if unit in CENTS:
        return Match(at, end, f"{amount.text} {unit}", "money")
    if unit not in CURRENCIES:
        return None
    fraction, end = _cents(words, end, amount)
    figure, _, scale = amount.text.partition(" ")
    return Match(at, end, f"{CURRENCIES[unit]}{figure}{fraction} {scale}".strip(), "money")


def _cents(words: Words, at: int, amount: Number) -> tuple[str, int]:
    found = cardinal(words, at + (word(words, at) == "and"))
    if amount.decimal or found is None or not 1 <= found[0] <= 99:
        return "", at
    return (f".{found[0]:02}", found[1] + 1) if word(words, found[1]) in CENTS else ("", at)


def percentage(words: Words, at: int) -> Match | None:
    amount = number(words, at)
    if amount is None:
        return None
    if word(words, amount.end) == PERCENT:
        return Match(at, amount.end + 1, f"{amount.text}%", "percentage")
    if words[amount.end : amount.end + 2] == ["per", "cent"]:
        return Match(at, amount.end + 2, f"{amount.text}%", "percentage")
    return None


def fraction(words: Words, at: int) -> Match | None:
    """ "Three sixteenths". Halves, thirds and so on up to tenths stay words."""
    count = cardinal(words, at)
    if count is None:
        return None
    parts = word(words, count[1])
    if not parts.endswith("s") or parts[:-1] not in ORDINALS:
        return None
    size = ordinal([parts[:-1]], 0)
    if size is None or size[0] <= LARGEST_WORD:
        return None
    return Match(at, count[1] + 1, f"{count[0]}/{size[0]}", "fraction")


def decimal(words: Words, at: int) -> Match | None:
    found = number(words, at)
    if found is None or not found.decimal:
        return None
    return Match(at, found.end, found.text, "decimal")


def whole(words: Words, at: int) -> Match | None:
    found = number(words, at)
    if found is None or found.decimal or found.value <= LARGEST_WORD:
        return None
    return Match(at, found.end, found.text, "cardinal")


def position(words: Words, at: int) -> Match | None:
    found = ordinal(words, at)
    if found is None or found[0] <= LARGEST_WORD:
        return None
    return Match(at, found[1], suffixed(found[0]), "ordinal")
