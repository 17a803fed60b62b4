from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from speechmq.commandline.letters import DeadLetter, select
from speechmq.errors import RequestError
from speechmq_schemas import AmqpMessage, Names

NAMES = Names("ns")


def letter(
    queue: str = "ns.stream.one", headers: dict[str, Any] | None = None, *, number: int = 1
) -> DeadLetter:
    why = {"x-speechmq-queue": queue, "x-speechmq-code": "late", "x-speechmq-reason": "so late"}
    return DeadLetter(number, "AudioChunk", {**why, "seq": 3, **(headers or {})}, b"abc")


def test_original_is_the_message_as_it_was_sent() -> None:
    assert letter(headers={"x-delivery-count": 2}).original(NAMES) == AmqpMessage(
        "stream.one", "AudioChunk", b"abc", {"seq": 3}, content_type=""
    )


@pytest.mark.parametrize(
    ("queue", "headers", "key"),
    [
        ("ns.start", {}, "start"),
        ("ns.stream.a-b", {}, "stream.a-b"),
        ("ns.early", {"x-speechmq-routing-key": "stream.two"}, "stream.two"),
    ],
)
def test_routing_key_is_the_one_that_was_kept_or_the_queues(
    queue: str, headers: dict[str, Any], key: str
) -> None:
    assert letter(queue, headers).original(NAMES).routing_key == key


@pytest.mark.parametrize(
    ("queue", "headers", "told"),
    [
        ("ns.early", {}, "its routing key was not kept. Say it: --routing-key stream.STREAM"),
        ("other.start", {}, "its routing key was not kept"),
        ("ns.claims", {}, "is the claim to a stream that has failed: start the stream again"),
        ("ns.start", {"x-speechmq-headers-dropped": 9}, "has lost its headers"),
        ("ns.start", {"x-speechmq-body-bytes": 9_000_000}, "the beginning of a message of 9000000"),
    ],
)
def test_letter_that_cannot_be_replayed_says_why(
    queue: str, headers: dict[str, Any], told: str
) -> None:
    with pytest.raises(RequestError, match=f"dead letter 1 .*{told}"):
        letter(queue, headers).original(NAMES)


def test_routing_key_that_is_told_goes_before_all_others() -> None:
    assert letter().original(NAMES, "stream.new").routing_key == "stream.new"
    assert letter("ns.early").original(NAMES, "stream.new").routing_key == "stream.new"


def test_id_is_the_same_wherever_a_letter_stands_and_however_often_it_was_read() -> None:
    one, again = letter(), letter(headers={"x-delivery-count": 9}, number=7)
    others = [
        letter("ns.start"),
        letter(headers={"seq": 4}),
        DeadLetter(1, "AudioChunk", one.headers, b"abd"),
    ]
    assert one.id == again.id
    assert len({one.id, *(other.id for other in others)}) == 4


def test_age_is_unknown_to_a_letter_without_a_time() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    dated = DeadLetter(1, "", {}, b"", timestamp=now - timedelta(seconds=90))
    assert (dated.age(now), letter().age(now)) == (90, None)


def test_stream_is_told_by_the_queue_the_key_or_the_correlation_id() -> None:
    key = {"x-speechmq-routing-key": "stream.by-key"}
    named = DeadLetter(1, "", {}, b"", correlation_id="by-id")
    odd = DeadLetter(1, "", {}, b"", correlation_id="no id")
    found = [one.stream_id(NAMES) for one in (letter(), letter("ns.early", key), named, odd)]
    assert found == ["one", "by-key", "by-id", None]


def test_select_finds_by_number_by_id_and_by_code() -> None:
    letters = [letter(number=1), letter("ns.start", number=2)]
    letters.append(letter(headers={"x-speechmq-code": 1}, number=3))
    assert [one.code for one in letters] == ["late", "late", "?"]
    assert select(letters, "2", everything=False) == [letters[1]]
    assert select(letters, letters[1].id, everything=False) == [letters[1]]
    assert select(letters, None, everything=True) == letters
    assert select(letters, None, everything=True, code="late") == letters[:2]


@pytest.mark.parametrize(
    ("which", "everything", "code", "told"),
    [
        (None, False, None, "say which: a letter's number or id, or --all"),
        ("1", True, None, "say which: a letter's number or id, or --all"),
        ("1", False, "late", "--code chooses among all"),
        ("9", False, None, "there is no dead letter '9' among the first 1"),
    ],
)
def test_select_refuses_what_is_unclear(
    which: str | None, everything: bool, code: str | None, told: str
) -> None:
    with pytest.raises(RequestError, match=told):
        select([letter()], which, everything=everything, code=code)
