"""What pamqp cannot read must not cost the connection."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pamqp import commands as spec
from pamqp import decode, encode, frame
from pamqp.header import ContentHeader

from speechmq.broker import tolerance


@pytest.fixture(autouse=True)
def _installed() -> Iterator[None]:
    methods, mapping = dict(decode.METHODS), dict(decode.TABLE_MAPPING)
    tolerance.install()
    yield
    decode.METHODS.update(methods)
    decode.TABLE_MAPPING.update(mapping)


def marshalled(headers: dict[str, Any], **properties: Any) -> bytes:
    return frame.marshal(
        ContentHeader(properties=spec.Basic.Properties(headers=headers, **properties)), 1
    )


def read(payload: bytes) -> spec.Basic.Properties:
    _, _, header = frame.unmarshal(payload)
    assert isinstance(header, ContentHeader)
    return header.properties


def nested(kind: bytes, depth: int) -> bytes:
    """A table with one field, which nests tables or arrays ``depth`` deep."""
    inner = b""
    for _ in range(depth):
        field = b"\x01k" if kind == b"F" else b""
        inner = field + kind + len(inner).to_bytes(4, "big") + inner
    if kind == b"A":
        inner = b"\x01k" + inner
    return len(inner).to_bytes(4, "big") + inner


def test_properties_that_can_be_read_are_read_as_before() -> None:
    when = datetime(2026, 1, 2, tzinfo=UTC)
    found = read(marshalled({"seq": 1, "list": [1, {"a": "b"}]}, timestamp=when, message_type="x"))
    assert (found.headers, found.timestamp, found.message_type) == (
        {"seq": 1, "list": [1, {"a": "b"}]},
        when,
        "x",
    )


@pytest.mark.parametrize("kind", [b"F", b"A"])
def test_nesting_that_exhausts_the_stack_counts_as_empty(kind: bytes) -> None:
    payload = nested(kind, 3000)
    with pytest.raises(RecursionError):
        read_intolerantly(payload)
    consumed, _ = tolerance.table(payload)
    assert consumed == len(payload)


def read_intolerantly(payload: bytes) -> None:
    decode.TABLE_MAPPING[b"F"], decode.TABLE_MAPPING[b"A"] = decode.field_table, decode.field_array
    try:
        decode.field_table(payload)
    finally:
        tolerance.install()


def test_time_that_no_calendar_has_is_replaced() -> None:
    assert tolerance.timestamp(b"\xff" * 8) == (8, tolerance.UNREADABLE_TIME)


def test_text_that_is_not_utf8_is_replaced() -> None:
    assert tolerance.short_string(b"\x03a\xffbrest") == (4, "a\ufffdb")


def test_header_name_that_is_not_utf8_empties_the_table() -> None:
    table = encode.field_table({"QQ": 1}).replace(b"QQ", b"\xff\xfe")
    assert tolerance.table(table + b"rest") == (len(table), {})
