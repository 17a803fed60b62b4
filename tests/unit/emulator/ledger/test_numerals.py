"""Numbers as they are said."""

import pytest

from speechmq_emulator.ledger.numerals import number_words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (20, "twenty"),
        (99, "ninety nine"),
        (100, "one hundred"),
        (1_000_007, "one million seven"),
        (
            4_294_967_295,
            "four billion two hundred ninety four million nine hundred sixty seven thousand "
            "two hundred ninety five",
        ),
    ],
)
def test_number_is_said_in_english(number: int, words: str) -> None:
    assert " ".join(number_words(number)) == words
