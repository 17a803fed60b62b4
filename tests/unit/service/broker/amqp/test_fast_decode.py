"""What is read here says the same as pamqp would; what is not, is left to pamqp."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands as spec
from pamqp import frame
from pamqp.header import ContentHeader

from speechmq.broker.amqp.fast_decode import (
    ACK,
    DELIVER,
    LARGEST_TABLE,
    read_ack,
    read_deliver,
    read_header,
)

CHUNK: dict[str, Any] = {"message_type": "AudioChunk", "headers": {"seq": 7, "channel": "left"}}

short = st.text(max_size=40).filter(lambda text: len(text.encode()) < 256)
long = st.integers(-(2**63), 2**63 - 1)
values = (
    long
    | st.text(max_size=20)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False, width=32)
    | st.lists(long, max_size=2)
    | st.dictionaries(short, long, max_size=2)
)
properties = st.fixed_dictionaries(
    {},
    optional={
        "content_type": short,
        "content_encoding": short,
        "headers": st.dictionaries(short, values, max_size=5),
        "delivery_mode": st.sampled_from([1, 2]),
        "priority": st.integers(0, 9),
        "correlation_id": short,
        "reply_to": short,
        "message_id": short,
        "message_type": short,
        "user_id": short,
        "app_id": short,
    },
)
PAYLOAD = frame.marshal(ContentHeader(properties=spec.Basic.Properties(**CHUNK)), 5)[7:-1]
spots = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3)


def payload_of(header: ContentHeader | spec.Basic.Deliver | spec.Basic.Ack) -> bytes:
    return frame.marshal(header, 5)[7:-1]


def by_pamqp(kind: int, payload: bytes) -> Any:
    wire = bytes([kind, 0, 5]) + len(payload).to_bytes(4, "big") + payload + b"\xce"
    return frame.unmarshal(wire)[2]


def told(header: Any) -> Any:
    """All that a header says."""
    if header is None:
        return None
    return header.class_id, header.weight, header.body_size, dict(header.properties)


@given(properties, st.integers(0, 2**40))
def test_header_says_what_pamqp_says(named: dict[str, Any], size: int) -> None:
    payload = payload_of(ContentHeader(body_size=size, properties=spec.Basic.Properties(**named)))
    assert told(read_header(payload)) in (None, told(by_pamqp(2, payload)))


@given(spots)
def test_header_that_was_tampered_with_says_what_pamqp_says(changes: list[tuple[int, int]]) -> None:
    payload = bytearray(PAYLOAD)
    for place, byte in changes:
        payload[place % len(payload)] = byte
    found = read_header(bytes(payload))
    assert found is None or told(found) == told(by_pamqp(2, bytes(payload)))


@pytest.mark.parametrize("cut", range(len(PAYLOAD)))
def test_header_that_is_cut_off_is_left_to_pamqp(cut: int) -> None:
    assert read_header(PAYLOAD[:cut]) is None


def test_header_of_audio_is_common() -> None:
    """As it comes from aio-pika, amqplib and RabbitMQ's Java client."""
    for named in (
        CHUNK,
        {**CHUNK, "delivery_mode": 2, "message_id": "a" * 32},
        {**CHUNK, "delivery_mode": 2, "content_type": "application/octet-stream"},
        {**CHUNK, "headers": {"seq": 2**40, "traceparent": "00-" + "a" * 52}, "user_id": "me"},
    ):
        header = ContentHeader(body_size=3200, properties=spec.Basic.Properties(**named))
        payload = payload_of(header)
        assert told(read_header(payload)) == told(by_pamqp(2, payload))


@pytest.mark.parametrize("seq", [1, 127, 128, 32_767, 32_768, 2**31, 2**63 - 1])
def test_number_of_any_size_is_common(seq: int) -> None:
    properties = spec.Basic.Properties(headers={"seq": seq})
    found = read_header(payload_of(ContentHeader(properties=properties)))
    assert found is not None
    assert found.properties.headers == {"seq": seq}


def test_large_table_is_left_to_pamqp() -> None:
    properties = spec.Basic.Properties(headers={"text": "x" * LARGEST_TABLE})
    payload = payload_of(ContentHeader(properties=properties))
    assert read_header(payload) is None


@given(
    short,
    st.integers(0, 2**63 - 1),
    st.booleans(),
    st.from_regex("[a-zA-Z0-9-_.:]{0,120}", fullmatch=True),
    short,
)
def test_delivery_says_what_pamqp_says(
    tag: str, number: int, redelivered: bool, exchange: str, key: str
) -> None:
    payload = payload_of(spec.Basic.Deliver(tag, number, redelivered, exchange, key))
    assert payload.startswith(DELIVER)
    found = read_deliver(payload)
    assert found is not None
    assert dict(found) == dict(by_pamqp(1, payload))


@given(spots, st.integers(0, 60))
def test_delivery_that_was_tampered_with_says_what_pamqp_says(
    changes: list[tuple[int, int]], cut: int
) -> None:
    payload = bytearray(payload_of(spec.Basic.Deliver("tag", 9, True, "in", "stream.one")))
    for place, byte in changes:
        payload[4 + place % (len(payload) - 4)] = byte
    del payload[len(payload) - cut % 5 :]
    found = read_deliver(bytes(payload))
    assert found is None or dict(found) == dict(by_pamqp(1, bytes(payload)))


@given(st.integers(0, 2**63 - 1), st.booleans())
def test_confirm_says_what_pamqp_says(tag: int, multiple: bool) -> None:
    payload = payload_of(spec.Basic.Ack(tag, multiple))
    assert payload.startswith(ACK)
    found = read_ack(payload)
    assert found is not None
    assert dict(found) == dict(by_pamqp(1, payload))
    assert read_ack(payload[:-1]) is None
