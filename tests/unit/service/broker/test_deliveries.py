from typing import Any

import pytest
from aiormq.abc import DeliveredMessage
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands as spec
from pamqp.header import ContentHeader

from speechmq.broker.deliveries import read_delivery
from speechmq.session.inputs import ChunkDelivered, Delivered, EndDelivered, GarbageDelivered
from speechmq_schemas import AmqpMessage, AudioChunk, ContractError, to_command


def delivered(
    message_type: str | None,
    headers: dict[str, Any] | None,
    body: bytes = b"",
    exchange: str = "speechmq.in",
) -> DeliveredMessage:
    return DeliveredMessage(
        delivery=spec.Basic.Deliver("consumer", 7, False, exchange, "stream.s"),
        header=ContentHeader(
            properties=spec.Basic.Properties(message_type=message_type, headers=headers)
        ),
        body=body,
        channel=None,  # type: ignore[arg-type]
    )


def test_chunk_and_end_are_read() -> None:
    assert read_delivery(delivered("AudioChunk", {"seq": 3}, b"xy")) == ChunkDelivered(7, 3, b"xy")
    assert read_delivery(delivered("EndStream", {"seq": 4}, b"{}")) == EndDelivered(7, 4)


def test_message_that_came_by_the_default_exchange_is_early() -> None:
    chunk = delivered("AudioChunk", {"seq": 3}, b"xy", exchange="")
    assert read_delivery(chunk) == ChunkDelivered(7, 3, b"xy", is_early=True)
    end = delivered("EndStream", {"seq": 4}, b"{}", exchange="")
    assert read_delivery(end) == EndDelivered(7, 4, is_early=True)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (delivered("AudioChunk", {}), "missing_seq"),
        (delivered("AudioChunk", None), "missing_seq"),
        (delivered("AudioChunk", {"seq": 0}), "invalid_field"),
        (delivered("AudioChunk", {"seq": -1}), "invalid_field"),
        (delivered("AudioChunk", {"seq": True}), "invalid_field"),
        (delivered("AudioChunk", {"seq": "1"}), "invalid_field"),
        (delivered("AudioChunk", {"seq": 2**63}), "invalid_field"),
        (delivered("EndStream", {}), "missing_seq"),
        (delivered("EndStream", {"seq": 1}, b"{"), "bad_json"),
        (delivered("Nonsense", {"seq": 1}), "unknown_type"),
        (delivered(None, {"seq": 1}), "missing_type"),
    ],
)
def test_garbage_says_why(message: DeliveredMessage, code: str) -> None:
    read = read_delivery(message)
    assert isinstance(read, GarbageDelivered)
    assert (read.tag, read.code) == (7, code)


headers = st.none() | st.dictionaries(
    st.sampled_from(["seq", "channel"]),
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.text() | st.floats(),
)


@given(st.sampled_from(["AudioChunk", "EndStream", "x", None]), headers, st.binary())
def test_hot_path_says_the_same_as_the_contract(
    message_type: str | None, found: dict[str, Any] | None, body: bytes
) -> None:
    message = AmqpMessage("stream.s", message_type or "", body, found or {})
    expected: Delivered
    try:
        command = to_command(message).command
    except ContractError as error:
        expected = GarbageDelivered(7, error.code, error.reason)
    else:
        assert hasattr(command, "seq")
        seq = command.seq
        is_audio = isinstance(command, AudioChunk)
        expected = ChunkDelivered(7, seq, body) if is_audio else EndDelivered(7, seq)
    assert read_delivery(delivered(message_type, found, body)) == expected
