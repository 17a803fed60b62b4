"""Spelling follows the locale, for the words that are known, and keeps capitals."""

import pytest

from speechmq_emulator.speech.spelling import respelled, respelling


@pytest.mark.parametrize(
    ("locale", "said", "written"),
    [
        ("en-GB", "color Realized THEATER program", "colour Realised THEATRE programme"),
        ("en-US", "colour organisation theatre Grey tyre", "color organization theater Gray tire"),
        ("en-AU", "color organize program", "colour organise program"),
        ("en-GB", "check the tire meter", "check the tire meter"),
        ("cmn-Hant", "color", "color"),
        (None, "colour color", "colour color"),
    ],
)
def test_word_is_spelled_as_in_the_locale(locale: str | None, said: str, written: str) -> None:
    words = respelling(locale)
    assert " ".join(respelled(word, words) for word in said.split()) == written
