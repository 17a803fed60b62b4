"""What pamqp cannot read must not cost the connection."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands as spec
from pamqp import decode, encode, frame
from pamqp.header import ContentHeader

from speechmq.broker import dead_letters
from speechmq.broker.amqp import safe_decode


@pytest.fixture(autouse=True)
def _installed() -> Iterator[None]:
    methods, mapping = dict(decode.METHODS), dict(decode.TABLE_MAPPING)
    safe_decode.install()
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
def test_nesting_that_exhausts_the_stack_is_cut_off(kind: bytes) -> None:
    payload = nested(kind, 3000)
    with pytest.raises(RecursionError):
        decode.field_table(payload)
    consumed, found = safe_decode.table(payload)
    assert (consumed, depth_of(found)) == (len(payload), safe_decode.MAX_DEPTH)


def depth_of(found: Any) -> int:
    inner = found.values() if isinstance(found, dict) else found
    return 1 + max(map(depth_of, inner), default=0)


@pytest.mark.parametrize("kind", [b"F", b"A"])
def test_nesting_as_deep_as_is_allowed_is_read(kind: bytes) -> None:
    payload = nested(kind, safe_decode.MAX_DEPTH - 1)
    assert safe_decode.table(payload) == decode.field_table(payload)


def table_of(fields: bytes) -> bytes:
    return len(fields).to_bytes(4, "big") + fields


@pytest.mark.parametrize("field", [b"\x01kV", b"\x01kF\0\0\0\0"], ids=["nothing", "tables"])
def test_table_of_too_many_parts_counts_as_empty(field: bytes) -> None:
    numbered = [f"{number:04}".encode() for number in range(safe_decode.MAX_PARTS + 1)]
    fields = [b"\x04" + name + field[2:] for name in numbered]
    enough, too_many = table_of(b"".join(fields[:-1])), table_of(b"".join(fields))
    assert len(safe_decode.table(enough)[1]) == safe_decode.MAX_PARTS
    assert safe_decode.table(too_many + b"rest") == (len(too_many), {})


def test_parts_are_counted_however_they_are_nested() -> None:
    lists: dict[str, Any] = {"a": [0] * 600, "b": [0] * 600}
    assert safe_decode.table(encode.field_table(lists))[1] == {}
    assert safe_decode.table(encode.field_table({"a": lists["a"]}))[1] == {"a": lists["a"]}


def test_table_of_a_whole_frame_is_not_copied_once_for_each_of_its_fields() -> None:
    """pamqp takes 0.2 s for this one, in which no stream of the worker is served."""

    class Counted(bytes):
        copied = 0

        def __getitem__(self, key: Any) -> Any:
            found = super().__getitem__(key)
            Counted.copied += len(found) if isinstance(found, bytes) else 1
            return found

    payload = Counted(table_of(b"\x01kA" + table_of(b"V" * 130_000)))
    assert safe_decode.table(payload) == (len(payload), {})
    assert Counted.copied < 4 * len(payload)


def test_time_that_no_calendar_has_is_replaced() -> None:
    assert safe_decode.timestamp(b"\xff" * 8) == (8, safe_decode.UNREADABLE_TIME)


def test_text_that_is_not_utf8_is_replaced() -> None:
    assert safe_decode.short_string(b"\x03a\xffbrest") == (4, "a?b")


def test_text_that_is_not_utf8_can_be_written_again_however_long_it_is() -> None:
    _, found = safe_decode.short_string(b"\xff" * 256)
    assert encode.short_string(found) == b"\xff" + b"?" * 255


def test_header_name_that_is_not_utf8_empties_the_table() -> None:
    table = encode.field_table({"QQ": 1}).replace(b"QQ", b"\xff\xfe")
    assert safe_decode.table(table + b"rest") == (len(table), {})


def fields_of(parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    names = st.binary(max_size=3) | st.just(b"n" * 255)
    named = st.tuples(names, parts).map(lambda one: bytes([len(one[0])]) + one[0] + one[1])
    return st.lists(named, max_size=3).map(b"".join)


def sized(kind: bytes, inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return inner.map(lambda found: kind + table_of(found))


SIZES = {1: b"tbB", 2: b"su", 4: b"Iif", 5: b"D", 8: b"lLdT", 0: b"V\0"}
PLAIN = st.one_of(
    *(
        st.tuples(
            st.sampled_from([bytes([kind]) for kind in kinds]), st.binary(min_size=n, max_size=n)
        ).map(b"".join)
        for n, kinds in SIZES.items()
    ),
    sized(b"S", st.binary(max_size=5)),
    sized(b"x", st.binary(max_size=5)),
)
PARTS = st.recursive(
    PLAIN,
    lambda inner: sized(b"F", fields_of(inner)) | sized(b"A", st.lists(inner).map(b"".join)),
    max_leaves=8,
)
GARBAGE = st.binary(max_size=40) | st.tuples(PARTS, st.binary(max_size=3)).map(b"".join)


@given(st.one_of(fields_of(PARTS), fields_of(GARBAGE), st.binary(max_size=60)))
def test_any_bytes_are_read_as_a_table_that_can_be_written_again(fields: bytes) -> None:
    consumed, found = safe_decode.table(table_of(fields) + b"rest")
    assert consumed == 4 + len(fields)
    encode.field_table(dead_letters.kept_headers(found))


@given(fields_of(PARTS))
def test_what_pamqp_can_read_is_read_as_it_does(fields: bytes) -> None:
    """But for what it does not keep within its bounds, which is none of its own output."""
    payload = table_of(fields)
    try:
        wanted = decode.field_table(payload)
    except (ValueError, OverflowError):
        return
    found = safe_decode.table(payload)
    assert repr(found) == repr(wanted)  # a number that is none equals nothing
