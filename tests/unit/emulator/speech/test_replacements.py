"""Words are replaced by the service's rules; hostile patterns end in a clear error."""

import pytest
from tests.unit.emulator.speech.said import said, text

from speechmq_emulator.protocol.config import WordReplacement
from speechmq_emulator.speech.replacements import BadReplacement, Replacements


def replaced(spoken: str, *rules: tuple[str, str]) -> str:
    made = [WordReplacement.model_validate({"from": a, "to": b}) for a, b in rules]
    return text(Replacements(made).apply(said(spoken)))


@pytest.mark.parametrize(
    ("spoken", "rules", "expected"),
    [
        ("foo Foo food", [("foo", "bar")], "bar Foo food"),
        ("Hello hello hellos", [("/^[hH]ello$/", "goodbye")], "goodbye goodbye hellos"),
        ("cheesecheese", [("/(cheese)/", "[$1]")], "[cheese][cheese]"),
        ("abc", [("/(?<first>a)/", "$<first>$<first>")], "aabc"),
        ("abc", [("/b/", "$$$&$2")], "a$b$2c"),
        ("abc", [("/B/i", "x")], "axc"),
        ("heavy", [("/h/", "x"), ("heavy", "light"), ("light", "dark")], "light"),
        ("heavy", [("/h/", "x"), ("/x/", "y")], "xeavy"),
        ("heavy", [("/q/", "x"), ("/y/", "i")], "heavi"),
        ("um yes .", [("um", "")], "yes ."),
        ("km/h", [("km/h", "kph")], "kph"),
        ("and/or", [("/", "x")], "and/or"),
    ],
)
def test_first_rule_that_matches_a_word_replaces_it(
    spoken: str, rules: list[tuple[str, str]], expected: str
) -> None:
    assert replaced(spoken, *rules) == expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("/(/", "The replacement pattern /(/ is malformed"),
        ("/*a/", "is malformed"),
        (f"/{'a' * 1001}/", "is longer than 1000 characters"),
        ("/((a{1000}){1000}){1000}/", "repeats something more than 100000 times"),
    ],
)
def test_bad_pattern_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(BadReplacement) as refused:
        replaced("a", (pattern, "b"))
    assert message in str(refused.value)


def test_pattern_that_never_ends_is_stopped() -> None:
    with pytest.raises(BadReplacement, match="takes too long on a word; simplify it"):
        replaced("a" * 60, ("/(a|(?R))*/", "b"))
