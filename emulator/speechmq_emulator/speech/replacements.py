"""Word replacement: a plain word by another, or what a pattern matches in a word.

Rules of the service: plain ones first, then the patterns in their order; the first that
matches a word is the only one applied to it; patterns are ECMAScript's between slashes
and replace every match; upper and lower case differ.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import regex  # type: ignore[import-untyped]

from speechmq_emulator.protocol.config import WordReplacement
from speechmq_emulator.speech.events import Entity, Result, Word
from speechmq_emulator.speech.written import rewritten

MAX_PATTERN_LENGTH = 1000
MAX_REPETITIONS = 100_000
"""What the counts in a pattern (``{1000}``) may multiply to."""

MATCH_SECONDS = 0.5
"""A pattern that backtracks for longer on one word ends the session."""

_FLAGS = {
    "g": 0,
    "i": regex.IGNORECASE,
    "m": regex.MULTILINE,
    "s": regex.DOTALL,
    "u": regex.UNICODE,
}
_SHOWN = 40
_COUNT = regex.compile(r"\{\s*(\d+)")
_REFERENCE = regex.compile(r"\$(?:(\$)|(&)|(\d{1,2})|<(\w+)>)")

Substitute = Callable[[str], str | None]
"""The replaced word, or None for one that does not match."""


class BadReplacement(Exception):
    """A replacement that can not be applied; the message says which and why."""


class Replacements:
    """Raises ``BadReplacement`` for a malformed pattern."""

    def __init__(self, rules: Sequence[WordReplacement]) -> None:
        patterns = [rule for rule in rules if _is_pattern(rule.from_)]
        plain = [rule for rule in reversed(rules) if not _is_pattern(rule.from_)]
        self._words = {rule.from_: rule.to for rule in plain}
        self._patterns = [_substitute(rule) for rule in patterns]

    def apply(self, results: Iterable[Result]) -> list[Result]:
        """A word replaced by nothing is left out, as it would be invisible.

        Raises:
            BadReplacement: a pattern takes too long on a word.
        """
        return [changed for result in results if (changed := self._changed(result)) is not None]

    def _changed(self, result: Result) -> Result | None:
        if not isinstance(result, Word | Entity):
            return result
        content = self._replaced(result.content)
        if content == result.content:
            return result
        if not content.strip():
            return None
        if isinstance(result, Entity):
            return rewritten(result, content)
        return replace(result, content=content)

    def _replaced(self, content: str) -> str:
        if content in self._words:
            return self._words[content]
        matches = (substitute(content) for substitute in self._patterns)
        return next((match for match in matches if match is not None), content)


def _is_pattern(source: str) -> bool:
    return len(source) > 1 and source[0] == "/" and not source.rpartition("/")[2].strip("gimsuy")


def _substitute(rule: WordReplacement) -> Substitute:
    pattern = _compiled(rule.from_)

    def substitute(word: str) -> str | None:
        try:
            replaced, matches = pattern.subn(
                lambda match: _expanded(rule.to, match), word, timeout=MATCH_SECONDS
            )
        except TimeoutError as error:
            raise _bad(rule.from_, "takes too long on a word; simplify it") from error
        return replaced if matches else None

    return substitute


def _compiled(source: str) -> "regex.Pattern[str]":
    body, _, flags = source[1:].rpartition("/")
    if len(body) > MAX_PATTERN_LENGTH:
        raise _bad(source, f"is longer than {MAX_PATTERN_LENGTH} characters")
    if math.prod(max(1, int(count)) for count in _COUNT.findall(body)) > MAX_REPETITIONS:
        raise _bad(source, f"repeats something more than {MAX_REPETITIONS} times")
    try:
        return regex.compile(body, sum(_FLAGS.get(flag, 0) for flag in set(flags)))
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise _bad(source, f"is malformed: {error}") from error


def _bad(source: str, fault: str) -> BadReplacement:
    shown = source if len(source) <= _SHOWN else f"{source[:_SHOWN]}…"
    return BadReplacement(f"The replacement pattern {shown} {fault}")


def _expanded(to: str, match: "regex.Match[str]") -> str:
    """ECMAScript's ``$1``, ``$<name>``, ``$&`` and ``$$``; what refers to no group stays."""

    def expand(reference: "regex.Match[str]") -> str:
        dollar, whole, number, name = reference.groups()
        if dollar:
            return "$"
        try:
            return match[0 if whole else int(number) if number else name] or ""
        except IndexError:
            return str(reference[0])

    return str(_REFERENCE.sub(expand, to))
