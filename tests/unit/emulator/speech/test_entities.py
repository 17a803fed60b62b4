"""Numbers, dates and amounts are found in what was said, and nothing else is touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmq_emulator.speech.entities import find, unfinished
from speechmq_emulator.speech.entities.match import Match

SPOKEN = [
    ("march third twenty twenty six", "March 3rd 2026", "date"),
    ("march the third", "March 3rd", "date"),
    ("third of march", "3rd of March", "date"),
    ("seventeenth of january twenty twenty two", "17th of January 2022", "date"),
    ("twenty-sixth of july", "26th of July", "date"),
    ("may two thousand and six", "May 2006", "date"),
    ("first of may nineteen oh five", "1st of May 1905", "date"),
    ("nineteen ninety nine", "1999", "date"),
    ("eleven forty a m", "11:40 a.m.", "time"),
    ("ten thirty", "10:30", "time"),
    ("five oh nine pm", "5:09 p.m.", "time"),
    ("nine o'clock", "9 o'clock", "time"),
    ("twenty five dollars and thirty cents", "$25.30", "money"),
    ("twenty five dollars", "$25", "money"),
    ("five euros", "€5", "money"),
    ("one million dollars", "$1 million", "money"),
    ("two point five million pounds", "£2.5 million", "money"),
    ("thirty cents", "30 cents", "money"),
    ("two hundred percent", "200%", "percentage"),
    ("twelve per cent", "12%", "percentage"),
    ("zero point five percent", "0.5%", "percentage"),
    ("three sixteenths", "3/16", "fraction"),
    ("eighteen point one two", "18.12", "decimal"),
    ("forty second", "42nd", "ordinal"),
    ("one hundred twenty third", "123rd", "ordinal"),
    ("hundred", None, None),
    ("nineteen", "19", "cardinal"),
    ("one hundred and five", "105", "cardinal"),
    ("twenty thousand", "20,000", "cardinal"),
    ("two thousand and one", "2001", "cardinal"),
    ("five billion", "5 billion", "cardinal"),
    ("oh seven seven five nine one two three four five six", "07759123456", "telephone"),
    ("five five five four two nine double two two eight", "(555) 429-2228", "telephone"),
    ("one one one one " * 3 + "two two two two", "1111 1111 1111 2222", "credit card"),
    ("a z triple seven five four", "AZ77754", "alphanum"),
    ("one two three four", "1234", "alphanum"),
]


@pytest.mark.parametrize(("spoken", "written", "entity_class"), SPOKEN)
def test_entity_is_written_as_its_class_is(
    spoken: str, written: str | None, entity_class: str | None
) -> None:
    words = ["then", *spoken.split(), "again"]
    expected = [Match(1, len(words) - 1, written, entity_class)] if written and entity_class else []
    assert find(words) == expected


@pytest.mark.parametrize(
    "said",
    [
        "one two three",
        "the second one",
        "two thirds",
        "ten",
        "may i march on",
        "a hundred",
        "i a m",
    ],
)
def test_small_numbers_and_words_that_look_like_parts_stay_words(said: str) -> None:
    assert find(said.split()) == []


@pytest.mark.parametrize(
    ("said", "open_words"),
    [
        ("it is twenty", 1),
        ("it is twenty five dollars and", 4),
        ("it is twenty five percent", 0),
        ("born on the third of", 2),
        ("and", 0),
        ("so i", 0),
        ("", 0),
        ("twenty five people", 0),
        ("since march", 1),
    ],
)
def test_end_that_may_go_on_is_unfinished(said: str, open_words: int) -> None:
    assert unfinished(said.split()) == open_words


PARTS = (
    "one two ten twenty fifty hundred thousand million and point oh zero third second twelfth of"
    " march may dollars cents percent per cent a m o'clock double the people x twenty-five"
)


@given(st.lists(st.sampled_from(PARTS.split()), max_size=14))
def test_matches_are_in_order_and_apart(words: list[str]) -> None:
    matches = find(words)
    edges = [edge for match in matches for edge in (match.start, match.end)]
    assert edges == sorted(edges)
    assert all(match.start < match.end <= len(words) and match.content for match in matches)
    assert 0 <= unfinished(words) <= len(words)
