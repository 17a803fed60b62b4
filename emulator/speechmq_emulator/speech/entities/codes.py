"""Digits and letters said one by one: telephone and card numbers, references."""

from speechmq_emulator.speech.entities.match import Match, Words
from speechmq_emulator.speech.entities.numbers import digits

SHORTEST_DIGITS = 4
SHORTEST_CODE = 3
_TELEPHONE = range(7, 16)
_CARD = 16
_ALSO_WORDS = frozenset("aio")


def digit_string(words: Words, at: int) -> Match | None:
    """Fewer than four digits stay words: "one two three"."""
    said, end = digits(words, at)
    if len(said) < SHORTEST_DIGITS:
        return None
    if len(said) == _CARD:
        groups = " ".join(said[i : i + 4] for i in range(0, _CARD, 4))
        return Match(at, end, groups, "credit card")
    kind = "telephone" if len(said) in _TELEPHONE else "alphanum"
    return Match(at, end, _telephone(said) if kind == "telephone" else said, kind)


def code(words: Words, at: int) -> Match | None:
    """ "A z triple seven five four": letters first, then digits among letters."""
    said, end = "", at
    while end < len(words):
        figures, behind = digits(words, end)
        if figures:
            said, end = said + figures, behind
        elif is_letter(words[end]):
            said, end = said + words[end].upper(), end + 1
        else:
            break
    return Match(at, end, said, "alphanum") if _is_code(words[at], said) else None


def is_letter(word: str) -> bool:
    return len(word) == 1 and word.isascii() and word.isalpha()


def _is_code(first: str, said: str) -> bool:
    letters = sum(c.isalpha() for c in said)
    if not is_letter(first) or not 0 < letters < len(said) or len(said) < SHORTEST_CODE:
        return False
    return letters > 1 or first not in _ALSO_WORDS


def _telephone(said: str) -> str:
    if len(said) == 10 and said[0] != "0":
        return f"({said[:3]}) {said[3:6]}-{said[6:]}"
    return said
