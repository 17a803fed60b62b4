from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from speechmq.commandline.letter_view import BYTES_SHOWN, body_lines, duration, table
from speechmq.commandline.letters import DeadLetter
from speechmq_schemas import Names

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_table_has_aligned_columns_and_no_control_characters() -> None:
    old = DeadLetter(
        number=12,
        type="Start\x1b[0m",
        headers={"x-speechmq-queue": "speechmq.start", "x-speechmq-code": "bad_json"},
        body=b"{",
        timestamp=NOW - timedelta(hours=30),
    )
    new = DeadLetter(1, "AudioChunk", {"x-speechmq-queue": "speechmq.stream.a"}, b"12345")
    assert table([new, old], Names(), NOW) == [
        "#   id         code      age  queue              type        stream  bytes",
        f"1   {new.id}  ?         ?    speechmq.stream.a  AudioChunk  a       5",
        f"12  {old.id}  bad_json  1 d  speechmq.start     Start\ufffd[0m   ?       1",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "?"), (-3, "0 s"), (59, "59 s"), (61, "1 min"), (7300, "2 h"), (200_000, "2 d")],
)
def test_duration_has_one_unit(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_text_is_shown_as_text_and_the_rest_as_bytes() -> None:
    assert list(body_lines('{"ä":\n\t1}'.encode())) == ['{"ä":', "1}"]
    assert list(body_lines(b"a\x00")) == [f"00000000  61 00{' ' * 42}  |a.|"]
    assert list(body_lines(b"\xff")) == [f"00000000  ff{' ' * 45}  |.|"]
    assert list(body_lines(b"")) == []


def test_long_body_is_cut_also_within_a_character() -> None:
    body = b"x" * (BYTES_SHOWN - 1) + "ä".encode() * 10
    assert list(body_lines(body)) == ["x" * (BYTES_SHOWN - 1), "… and 19 bytes more"]
    assert list(body_lines(bytes(BYTES_SHOWN + 1)))[-2:] == [
        f"00000ff0  {bytes(16).hex(' ')}  |{'.' * 16}|",
        "… and 1 bytes more",
    ]
