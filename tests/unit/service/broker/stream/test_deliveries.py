import json
from typing import Any

import pytest
from aiormq.abc import DeliveredMessage
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands as spec
from pamqp.header import ContentHeader

from speechmq.broker import dead_letters
from speechmq.broker.stream.deliveries import read_delivery
from speechmq.core.values.commands import ChangeConfig, ForceUtterance, TellSpeakers
from speechmq.core.values.commands import Command as Wish
from speechmq.core.values.inputs import (
    ChunkDelivered,
    CommandDelivered,
    Delivered,
    EndDelivered,
    GarbageDelivered,
)
from speechmq_schemas import (
    AmqpMessage,
    AudioChunk,
    Command,
    ContractError,
    EndStream,
    ForceEndOfUtterance,
    GetSpeakers,
    to_command,
)
from speechmq_schemas.commands import COMMANDS


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


START = json.dumps(
    {
        "stream_id": "s",
        "audio_format": {"type": "raw", "encoding": "mulaw", "sample_rate": 8000},
        "transcription_config": {"language": "en"},
    }
).encode()


def test_chunk_and_end_are_read() -> None:
    assert read_delivery(delivered("AudioChunk", {"seq": 3}, b"xy")) == ChunkDelivered(7, 3, b"xy")
    assert read_delivery(delivered("EndStream", {"seq": 4}, b"{}")) == EndDelivered(7, 4)


def test_message_that_was_cut_says_how_large_it_was() -> None:
    chunk = delivered("AudioChunk", {"seq": 3, "channel": "a"}, b"x" * 9000)
    chunk.header.body_size = 9000
    left = dead_letters.cut(chunk)
    assert read_delivery(chunk) == ChunkDelivered(7, 3, b"x" * 9000, channel="a")
    assert read_delivery(left) == ChunkDelivered(7, 3, b"", channel="a", excess=9000)
    assert read_delivery(left).size == 9000


@pytest.mark.parametrize("message_type", ["UpdateConfig", "Nonsense", None, "AudioChunk"])
def test_garbage_that_was_cut_is_too_large_whatever_it_is(message_type: str | None) -> None:
    garbage = delivered(message_type, {"seq": "no"}, b"x" * 9000)
    garbage.header.body_size = 9000
    reason = "the body has 9000 bytes, more than may come in one message"
    found = read_delivery(dead_letters.cut(garbage))
    assert (found, found.size) == (GarbageDelivered(7, "too_large", reason), 9000)


HEADERS = st.dictionaries(
    st.sampled_from(["seq", "channel", "x"]) | st.text(max_size=3),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=6,
    ),
    max_size=3,
)
DEEP = st.integers(1, 300).map(lambda depth: b'{"x":' * depth + b"1" + b"}" * depth)


@given(
    st.sampled_from([*COMMANDS, "Nonsense", "", None]),
    HEADERS | st.integers(1, 2**63).map(lambda seq: {"seq": seq}),
    st.binary(max_size=50) | DEEP | st.sampled_from([b"", b"{}", b"[]", b"null", b'"\\ud800"']),
)
def test_whatever_comes_is_read_and_nothing_is_raised(
    message_type: str | None, headers: dict[str, Any], body: bytes
) -> None:
    found = read_delivery(delivered(message_type, headers, body))
    assert found.tag == 7
    if isinstance(found, GarbageDelivered):
        assert found.code
        assert found.reason


def test_message_that_came_by_the_default_exchange_is_early() -> None:
    chunk = delivered("AudioChunk", {"seq": 3}, b"xy", exchange="")
    assert read_delivery(chunk) == ChunkDelivered(7, 3, b"xy", is_early=True)
    end = delivered("EndStream", {"seq": 4}, b"{}", exchange="")
    assert read_delivery(end) == EndDelivered(7, 4, is_early=True)


@pytest.mark.parametrize(
    ("message_type", "body", "command"),
    [
        (
            "UpdateConfig",
            b'{"transcription_config": {"max_delay": 2}}',
            ChangeConfig({"max_delay": 2}),
        ),
        (
            "UpdateConfig",
            b'{"transcription_config": {"language": null, "enable_partials": false}}',
            ChangeConfig({"enable_partials": False}),
        ),
        ("ForceEndOfUtterance", b'{"timestamp": 2.5}', ForceUtterance(2.5)),
        ("ForceEndOfUtterance", b"", ForceUtterance()),
        ("GetSpeakers", b'{"final": true}', TellSpeakers(final=True)),
        ("GetSpeakers", b"{}", TellSpeakers()),
    ],
)
@pytest.mark.parametrize("is_early", [True, False])
def test_commands_are_read(message_type: str, body: bytes, command: Wish, is_early: bool) -> None:
    exchange = "" if is_early else "speechmq.in"
    read = read_delivery(delivered(message_type, {"seq": 4}, body, exchange))
    assert read == CommandDelivered(7, 4, command, is_early)


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
        (delivered("EndStream", {"seq": 1}, b'{"seq": 1}'), "invalid_field"),
        (delivered("UpdateConfig", {"seq": 1}), "invalid_field"),
        (delivered("UpdateConfig", {"seq": 1}, b"[]"), "invalid_field"),
        (
            delivered("UpdateConfig", {"seq": 1}, b'{"transcription_config": {"max_delay": 9}}'),
            "invalid_field",
        ),
        (delivered("ForceEndOfUtterance", {"seq": 1}, b'{"timestamp": -1}'), "invalid_field"),
        (delivered("ForceEndOfUtterance", {"seq": 1}, b'{"timestamp": NaN}'), "invalid_field"),
        (delivered("ForceEndOfUtterance", {"seq": 1}, b'{"timestamp": Infinity}'), "invalid_field"),
        (delivered("GetSpeakers", {}, b"{}"), "missing_seq"),
        (delivered("GetSpeakers", {"seq": 1}, b'{"final": 1}'), "invalid_field"),
        (delivered("GetSpeakers", {"seq": 1}, b"[" * 100_000), "bad_json"),
        (delivered("StartStream", {"seq": 1}, START), "wrong_place"),
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


def test_change_that_upstream_would_not_take_is_refused() -> None:
    """It would answer ``invalid_config`` and end the session."""
    body = b'{"transcription_config": {"max_delay": 2, "diarization": "speaker"}}'
    read = read_delivery(delivered("UpdateConfig", {"seq": 3}, body))
    assert read == GarbageDelivered(
        7,
        "invalid_field",
        "UpdateConfig is not valid: transcription_config.diarization: "
        "Extra inputs are not permitted",
    )


def input_of(command: Command, audio: bytes) -> Delivered:
    """What the core is to be told of a command that the contract has read."""
    match command:
        case AudioChunk(seq=seq, channel=channel):
            return ChunkDelivered(7, seq, audio, channel=channel)
        case EndStream(seq=seq):
            return EndDelivered(7, seq)
        case GetSpeakers(seq=seq, final=final):
            return CommandDelivered(7, seq, TellSpeakers(final))
        case ForceEndOfUtterance(seq=seq, timestamp=timestamp):
            return CommandDelivered(7, seq, ForceUtterance(timestamp))
        case _:
            raise AssertionError(f"{command!r} came out of a body that is none of its")


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
        expected = input_of(command, body)
    assert read_delivery(delivered(message_type, found, body)) == expected


@pytest.mark.parametrize(("encoding", "is_read"), [("identity", True), ("gzip", False)])
def test_chunk_in_another_encoding_is_refused_by_name(encoding: str, is_read: bool) -> None:
    chunk = delivered("AudioChunk", {"seq": 3}, b"xy")
    chunk.header.properties.content_encoding = encoding
    reason = "AudioChunk has the content_encoding 'gzip'; send the body as it is, JSON in UTF-8"
    assert read_delivery(chunk) == (
        ChunkDelivered(7, 3, b"xy")
        if is_read
        else GarbageDelivered(7, "unsupported_encoding", reason, 2)
    )
