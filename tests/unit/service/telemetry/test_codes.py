"""No text of upstream's makes a series of its own for ever."""

from __future__ import annotations

import pytest

from speechmq.telemetry.codes import MOST, OTHER, Codes


def test_code_is_itself() -> None:
    assert Codes().bounded("connection_lost") == "connection_lost"


@pytest.mark.parametrize("text", ["", "Not a code", "a" * 41, "9", "x\ny"])
def test_text_that_is_no_code_is_another(text: str) -> None:
    assert Codes().bounded(text) == OTHER


def test_number_of_codes_is_bounded_and_the_first_stay() -> None:
    codes = Codes()
    seen = {codes.bounded(f"code_{one}") for one in range(1000)}
    assert len(seen) == MOST + 1
    assert codes.bounded("code_0") == "code_0"
