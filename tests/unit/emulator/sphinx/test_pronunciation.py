"""Any text that a client may take for a word has the sounds that can be made of it, or none."""

import pytest

from speechmq_emulator.sphinx.pronunciation import MAX_PRONUNCIATIONS, phones_of

DICTIONARY = {
    "john": ["JH AA N"],
    "miller": ["M IH L ER"],
    "read": ["R EH D", "R IY D"],
    "forty": ["F AO R T IY"],
    "two": ["T UW"],
    "one": ["W AH N"],
    "a.": ["EY"],
    "p.": ["P IY"],
    "i.": ["AY"],
}


def phones(text: str) -> list[str]:
    return phones_of(text, lambda word: DICTIONARY.get(word, []))


def test_known_word_sounds_as_the_dictionary_says() -> None:
    assert phones("Read") == ["R EH D", "R IY D"]


def test_words_are_said_one_after_the_other() -> None:
    assert phones("John Miller") == ["JH AA N M IH L ER"]


def test_unknown_word_sounds_as_it_is_spelt() -> None:
    assert phones("Zorblat") == ["Z AO R B L AE T"]


def test_accents_are_dropped() -> None:
    assert phones("Jöhn") == ["JH AA N"]


def test_abbreviation_is_said_letter_by_letter() -> None:
    assert phones("API") == ["EY P IY AY"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("42", "F AO R T IY T UW"), ("40", "F AO R T IY"), ("121", "W AH N T UW W AH N")],
)
def test_digits_are_said(text: str, said: str) -> None:
    assert phones(text) == [said]


@pytest.mark.parametrize("text", ["", "   ", "日本語", "\x00", "(!)", "'", "一二三"])
def test_what_has_no_sound_has_no_phones(text: str) -> None:
    assert phones(text) == []


def test_ways_to_say_it_do_not_multiply_without_end() -> None:
    assert len(phones("read " * 10)) == MAX_PRONUNCIATIONS


@pytest.mark.parametrize("text", ["john " * 50_000, "a" * 100_000, "1" * 100_000])
def test_what_takes_too_long_to_say_is_never_heard(text: str) -> None:
    assert phones(text) == []
