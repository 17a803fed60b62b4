"""Unknown words get sounds by their spelling."""

import pytest

from speechmq_emulator.sphinx.letters import pronunciations


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("zorblat", "Z AO R B L AE T"),
        ("knight", "N AY T"),
        ("shipping", "SH IH P IH NG"),
        ("cellar", "S EH L AA R"),
        ("make", "M EY K"),
        ("nation", "N AE SH AH N"),
        ("quick", "K W IH K"),
        ("xenon", "Z EH N AA N"),
        ("yellow", "Y EH L OW"),
    ],
)
def test_spelling_has_a_sound(word: str, phones: str) -> None:
    assert pronunciations(word)[0] == phones


def test_open_vowel_may_be_long() -> None:
    assert pronunciations("tomato") == ["T AA M AE T OW", "T OW M EY T OW"]


def test_nothing_has_no_sound() -> None:
    assert pronunciations("") == []
