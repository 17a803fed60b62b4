import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.schemas.strategies import (
    EVENT_STRATEGIES,
    REPLY_STRATEGIES,
    arbitrary_messages,
    command_messages,
    json_objects,
    patient,
    requests,
    spoilt_examples,
    stream_ids,
    valid_events,
    valid_replies,
    words,
)

from speechmq_schemas import (
    AmqpMessage,
    AudioChunk,
    Command,
    CommandMessage,
    ContractError,
    CreateTemporaryKey,
    EndStream,
    Event,
    FieldError,
    FinalTranscript,
    GetStreamStatus,
    Reply,
    StartStream,
    StreamFailed,
    TemporaryKey,
    UpstreamMessage,
    from_command,
    from_event,
    from_reply,
    from_request,
    message_id,
    to_command,
    to_event,
    to_reply,
)
from speechmq_schemas.amqp import MAX_COMMAND_BODY
from speechmq_schemas.commands import COMMANDS, Request
from speechmq_schemas.events import EVENTS
from speechmq_schemas.examples import EXAMPLES
from speechmq_schemas.replies import REPLIES

START = EXAMPLES["StartStream"]
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def chunk(**headers: Any) -> AmqpMessage:
    return AmqpMessage("stream.a", "AudioChunk", b"\0\0", headers, "application/octet-stream")


def end(body: bytes = b"{}", **headers: Any) -> AmqpMessage:
    return AmqpMessage("stream.a", "EndStream", body, headers)


def start(**changes: Any) -> AmqpMessage:
    return replace(START, body=json.dumps({**json.loads(START.body), **changes}).encode())


def read_refused(message: AmqpMessage) -> ContractError:
    with pytest.raises(ContractError) as caught:
        (to_event if message.type in EVENTS else to_command)(message)
    return caught.value


# --- Round trips -----------------------------------------------------------------------------


@patient
@given(command_messages)
def test_command_is_read_as_it_was_written(sent: tuple[str, CommandMessage]) -> None:
    stream_id, message = sent
    assert to_command(from_command(stream_id, message.command, message.audio)) == message


@patient
@given(requests, words)
def test_request_is_read_as_it_was_written(asked: Request, reply_to: str) -> None:
    message = from_request(asked, reply_to=reply_to, correlation_id="x")
    assert to_command(message) == CommandMessage(asked)
    key = f"status.{asked.stream_id}" if isinstance(asked, GetStreamStatus) else "temporary-key"
    found = (message.routing_key, message.reply_to, message.correlation_id)
    assert found == (key, reply_to, "x")


@pytest.mark.parametrize(
    ("routing_key", "body", "code"),
    [
        ("stream.one", b"{}", "wrong_place"),
        ("status." + "x" * 129, b"", "invalid_field"),
        ("status.", b"", "invalid_field"),
        ("status.a.b", b"", "invalid_field"),
        ("status.one", b"[", "bad_json"),
        ("status.one", b"[]", "invalid_field"),
        ("status.one", b'{"stream_id": "two"}', "invalid_field"),
        ("status.one", b'{"verbose": true}', "invalid_field"),
    ],
)
def test_question_about_a_stream_names_it_in_its_routing_key_alone(
    routing_key: str, body: bytes, code: str
) -> None:
    with pytest.raises(ContractError) as caught:
        to_command(AmqpMessage(routing_key, "GetStreamStatus", body))
    assert caught.value.code == code


def test_question_about_a_stream_is_no_command_of_it() -> None:
    with pytest.raises(ContractError, match="use from_request"):
        from_command("a", GetStreamStatus(stream_id="a"))


def test_replies_of_every_kind_are_generated() -> None:
    assert set(REPLY_STRATEGIES) == set(REPLIES)


@patient
@given(valid_replies)
def test_reply_is_read_as_it_was_written(reply: Reply) -> None:
    assert to_reply(from_reply(reply, EXAMPLES["CreateTemporaryKey"])) == reply


def test_reply_goes_to_who_asked() -> None:
    asked = AmqpMessage("", "CreateTemporaryKey", b"", correlation_id="x", reply_to="their.queue")
    message = from_reply(to_reply(EXAMPLES["RequestFailed"]), asked)
    assert (message.routing_key, message.correlation_id) == ("their.queue", "x")


def test_key_does_not_show_when_its_message_is_printed() -> None:
    key = to_reply(EXAMPLES["TemporaryKey"])
    assert isinstance(key, TemporaryKey)
    assert key.key_value not in f"{key!r} {key}"


def test_request_is_no_command_of_a_stream() -> None:
    with pytest.raises(ContractError) as caught:
        from_command("a", CreateTemporaryKey(ttl=60))
    assert str(caught.value) == (
        "CreateTemporaryKey is not valid: stream_id: belongs to no stream: use from_request"
    )


def test_events_of_every_kind_are_generated() -> None:
    assert set(EVENT_STRATEGIES) == set(EVENTS)


@patient
@given(valid_events)
def test_event_is_read_as_it_was_written(event: Event) -> None:
    assert to_event(from_event(event, epoch=1, seq=2)) == event


@patient
@given(stream_ids, words, json_objects)
def test_upstream_message_has_the_body_that_upstream_sent(
    stream_id: str, name: str, rest: dict[str, Any]
) -> None:
    body = {**rest, "message": name}
    body.pop("stream_id", None)
    event = UpstreamMessage(stream_id=stream_id, **body)
    sent = from_event(event, epoch=1, seq=1)
    assert json.loads(sent.body) == body
    assert (sent.type, sent.correlation_id) == ("UpstreamMessage", stream_id)
    assert to_event(sent) == event


def test_upstream_message_belongs_to_the_stream_of_its_correlation_id() -> None:
    body = b'{"message": "Odd", "stream_id": "not ours"}'
    sent = AmqpMessage("upstream.Odd.a", "UpstreamMessage", body, correlation_id="a")
    assert to_event(sent) == UpstreamMessage(stream_id="a", message="Odd")


# --- What is written -------------------------------------------------------------------------


def test_start_travels_to_the_start_key_without_a_seq() -> None:
    command = to_command(START).command
    assert from_command("call-0042", command) == replace(START, headers={})


def test_chunk_travels_as_raw_bytes_with_its_seq_as_header() -> None:
    assert from_command("a", AudioChunk(seq=7), b"\0\x80") == AmqpMessage(
        routing_key="stream.a",
        type="AudioChunk",
        body=b"\0\x80",
        headers={"seq": 7},
        content_type="application/octet-stream",
        correlation_id="a",
    )


def test_end_travels_with_an_empty_object() -> None:
    assert from_command("a", EndStream(seq=8)) == AmqpMessage(
        "stream.a", "EndStream", b"{}", {"seq": 8}, correlation_id="a"
    )


def test_headers_are_sent_beside_the_contracts_own() -> None:
    extra = {"traceparent": TRACEPARENT, "seq": 99, "epoch": 99}
    event = to_event(EXAMPLES["AudioGap"])
    assert from_command("a", EndStream(seq=8), headers=extra).headers == {**extra, "seq": 8}
    assert from_event(event, epoch=1, seq=2, headers=extra).headers == {
        "traceparent": TRACEPARENT,
        "epoch": 1,
        "seq": 2,
        "schema_version": "1",
    }


def test_word_replacement_is_written_as_from() -> None:
    body = json.loads(START.body)
    config = body["transcription_config"]["transcript_filtering_config"]
    assert config == {"replacements": [{"from": "colour", "to": "color"}]}


@pytest.mark.parametrize("stream_id", ["", "two words", "a.b", "a" * 129, "a\n", "é"])
def test_command_for_an_impossible_stream_is_not_written(stream_id: str) -> None:
    with pytest.raises(ContractError, match="stream_id: a stream id has 1 to 128 letters"):
        from_command(stream_id, EndStream(seq=1))


def test_start_of_another_stream_is_not_written() -> None:
    with pytest.raises(ContractError, match="stream_id: is 'call-0042', to be sent as 'a'"):
        from_command("a", to_command(START).command)


def test_audio_is_not_lost_in_a_command_without_audio() -> None:
    with pytest.raises(ContractError, match="audio: only an AudioChunk carries audio"):
        from_command("a", EndStream(seq=1), b"\0")


def test_event_that_is_not_unicode_is_not_written() -> None:
    failed = StreamFailed(stream_id="a", code="x", reason="\ud800", retryable=False)
    with pytest.raises(ContractError, match="StreamFailed cannot be written") as caught:
        from_event(failed, epoch=1, seq=1)
    assert caught.value.code == "unencodable"


@pytest.mark.parametrize("stream_id", ["", "a b", "a.b", "x" * 100_000, "é" * 128])
def test_failed_start_without_a_usable_stream_id_is_addressed_as_unknown(stream_id: str) -> None:
    failed = StreamFailed(stream_id=stream_id, code="x", reason="y", retryable=False)
    sent = from_event(failed, epoch=0, seq=3)
    assert (sent.routing_key, sent.correlation_id, sent.message_id) == (
        "stream.failed.unknown",
        "unknown",
        "unknown/0/3",
    )
    assert to_event(sent) == failed


def test_message_id_names_stream_epoch_and_seq() -> None:
    assert message_id("call-0042", 3, 17) == "call-0042/3/17"


# --- What is refused -------------------------------------------------------------------------


@patient
@given(arbitrary_messages | spoilt_examples)
def test_command_reading_raises_nothing_but_contract_errors(message: AmqpMessage) -> None:
    try:
        read = to_command(message)
    except ContractError as error:
        assert_presentable(error)
    else:
        assert isinstance(read.command, COMMANDS[message.type])


@patient
@given(arbitrary_messages | spoilt_examples)
def test_event_reading_raises_nothing_but_contract_errors(message: AmqpMessage) -> None:
    try:
        read = to_event(message)
    except ContractError as error:
        assert_presentable(error)
    else:
        assert to_event(from_event(read, epoch=1, seq=1)) == read


@patient
@given(arbitrary_messages | spoilt_examples)
def test_reply_reading_raises_nothing_but_contract_errors(message: AmqpMessage) -> None:
    try:
        read = to_reply(message)
    except ContractError as error:
        assert_presentable(error)
    else:
        assert to_reply(from_reply(read, message)) == read


def assert_presentable(error: ContractError) -> None:
    """Fits into a header and an event: short, Unicode, with a code that is a word."""
    assert error.code.isidentifier()
    assert 0 < len(error.reason.encode()) < 10_000
    assert len(error.fields) <= 20
    assert (error.code == "invalid_field") == bool(error.fields)


@patient
@given(st.text())
def test_unknown_type_is_named_with_those_that_are_known(name: str) -> None:
    error = read_refused(AmqpMessage("start", f"?{name}", b"{}"))
    assert error.code == "unknown_type"
    assert error.reason.endswith(f"; known types: {', '.join(sorted(COMMANDS))}")


def test_message_without_a_type_is_refused() -> None:
    assert read_refused(AmqpMessage("start", "", b"{}")).code == "missing_type"


@pytest.mark.parametrize("message", [chunk(), chunk(seq=None), end(), end(seq=None)])
def test_seq_must_be_there(message: AmqpMessage) -> None:
    assert read_refused(message).code == "missing_seq"


@pytest.mark.parametrize("seq", [0, -1, 2**63, True, 1.0, "1", b"1", float("nan"), [1], {}])
@pytest.mark.parametrize("build", [chunk, end])
def test_seq_must_be_a_positive_integer(build: Any, seq: object) -> None:
    error = read_refused(build(seq=seq))
    assert (error.code, [field.path for field in error.fields]) == ("invalid_field", ["seq"])


def test_seq_may_be_as_large_as_amqp_allows() -> None:
    assert to_command(chunk(seq=2**63 - 1)).command == AudioChunk(seq=2**63 - 1)


def test_chunk_may_have_any_body() -> None:
    assert to_command(replace(chunk(seq=1), body=b"\xff{")) == CommandMessage(
        AudioChunk(seq=1), b"\xff{"
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "bad_json"),
        (b"\xff", "bad_json"),
        (b"[]", "invalid_field"),
        (b'{"seq": 1}', "invalid_field"),
        (b" " * MAX_COMMAND_BODY + b"{}", "too_large"),
    ],
)
def test_end_says_nothing_in_its_body(body: bytes, code: str) -> None:
    assert read_refused(end(body, seq=1)).code == code


def test_end_may_leave_its_body_out() -> None:
    assert to_command(end(b"", seq=1)) == CommandMessage(EndStream(seq=1))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b'{"stream_id": "\xff"}', b"[" * 100_000, b"9" * 5_000]
)
@pytest.mark.parametrize("name", ["StartStream", "FinalTranscript", "UpstreamMessage"])
def test_body_that_is_no_json_is_refused(name: str, body: bytes) -> None:
    error = read_refused(AmqpMessage("x", name, body, correlation_id="a"))
    assert error.code == "bad_json"
    assert error.reason.startswith(f"the body of {name} is not JSON: ")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"1"])
@pytest.mark.parametrize("name", ["StartStream", "FinalTranscript", "UpstreamMessage"])
def test_body_that_is_no_object_is_refused(name: str, body: bytes) -> None:
    error = read_refused(AmqpMessage("x", name, body, correlation_id="a"))
    assert (error.code, [field.path for field in error.fields]) == ("invalid_field", [""])


def test_upstream_message_needs_a_correlation_id() -> None:
    message = AmqpMessage("upstream.Odd.a", "UpstreamMessage", b'{"message": "Odd"}')
    assert read_refused(message).code == "missing_correlation_id"


def test_every_wrong_field_of_a_start_is_named() -> None:
    error = read_refused(
        start(
            stream_id="two words",
            audio_format={"type": "raw", "encoding": "opus", "sample_rate": "16000"},
            transcription_config={
                "max_delay": 9,
                "additional_vocab": ["ok", {"sounds_like": []}],
                "transcript_filtering_config": {"replacements": [{"from_": "a", "to": "b"}]},
            },
            idle_timeout=0,
            colour="red",
        )
    )
    assert error.fields == (
        FieldError("stream_id", "String should match pattern '^[A-Za-z0-9_-]{1,128}$'"),
        FieldError(
            "audio_format.encoding",
            "Input should be 'pcm_s16le', 'pcm_f32le', 'mulaw' or 'alaw'",
        ),
        FieldError("audio_format.sample_rate", "Input should be a valid integer"),
        FieldError("transcription_config.language", "Field required"),
        FieldError("transcription_config.additional_vocab.1.content", "Field required"),
        FieldError(
            "transcription_config.additional_vocab.1.sounds_like",
            "List should have at least 1 item after validation, not 0",
        ),
        FieldError("transcription_config.max_delay", "Input should be less than or equal to 4"),
        FieldError(
            "transcription_config.transcript_filtering_config.replacements.0.from",
            "Field required",
        ),
        FieldError("idle_timeout", "Input should be greater than 0"),
        FieldError("colour", "Extra inputs are not permitted"),
    )
    assert error.code == "invalid_field"
    assert str(error) == "StartStream is not valid: " + "; ".join(map(str, error.fields))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("StartStream", START.body.replace(b"1.5", b"%s")),
        ("StartStream", START.body.replace(b'"idle_timeout":30.0', b'"idle_timeout":%s')),
        (
            "StartStream",
            START.body.replace(b'"language":"en"', b'"language":"en","x":[{"a":%s}]'),
        ),
        ("AudioGap", EXAMPLES["AudioGap"].body.replace(b"11.1,", b"%s,")),
        ("StreamEnded", EXAMPLES["StreamEnded"].body.replace(b"26.6", b"%s")),
        ("FinalTranscript", EXAMPLES["FinalTranscript"].body.replace(b"0.97", b"%s")),
        ("StreamStarted", EXAMPLES["StreamStarted"].body.replace(b"true", b"%s")),
        ("StreamAccepted", b'{"stream_id": "a", "new": %s}'),
        ("UpstreamMessage", b'{"message": "Odd", "usage": [%s]}'),
    ],
)
def test_number_must_be_finite(name: str, body: bytes, number: str) -> None:
    assert b"%s" in body
    error = read_refused(AmqpMessage("x", name, body % number.encode(), correlation_id="a"))
    assert error.code in {"invalid_field", "bad_json"}


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("StartStream", "idle_timeout", "30"),
        ("StartStream", "labels", {"tenant": 1}),
        ("AudioGap", "start_time", "1"),
        ("AudioGap", "first_seq", 1.0),
        ("StreamFailed", "retryable", 1),
    ],
)
def test_value_of_another_kind_is_not_coerced(name: str, field: str, value: object) -> None:
    body = {**json.loads(EXAMPLES[name].body), field: value}
    error = read_refused(replace(EXAMPLES[name], body=json.dumps(body).encode()))
    assert [one.path.partition(".")[0] for one in error.fields] == [field]


def test_whole_number_may_stand_for_a_float() -> None:
    body = json.dumps({**json.loads(EXAMPLES["FinalTranscript"].body), "end_time": 2}).encode()
    read = to_event(replace(EXAMPLES["FinalTranscript"], body=body))
    assert isinstance(read, FinalTranscript)
    assert read.end_time == 2.0


@pytest.mark.parametrize(("depth", "is_read"), [(201, True), (202, False)])
def test_start_may_nest_so_deep_and_no_deeper(depth: int, is_read: bool) -> None:
    """docs/limits.md tells of it; what is read can be written again, for upstream."""
    inner = "[" * (depth - 2) + "]" * (depth - 2)
    config = f'{{"language": "en", "new": {inner}}}'
    audio = '{"type": "raw", "encoding": "mulaw", "sample_rate": 8000}'
    body = f'{{"stream_id": "s", "audio_format": {audio}, "transcription_config": {config}}}'
    message = AmqpMessage("start", "StartStream", body.encode())
    if is_read:
        start = to_command(message).command
        assert inner in start.model_dump_json()
    else:
        with pytest.raises(ContractError, match="recursion limit"):
            to_command(message)


def test_oversized_start_is_refused_unread() -> None:
    labels = {"note": "x" * MAX_COMMAND_BODY}
    message = start(labels=labels)
    assert read_refused(message).reason == (
        f"the body of StartStream has {len(message.body)} bytes, more than the 262144 that are read"
    )


def test_start_wrong_in_very_many_places_is_refused_in_few_words() -> None:
    error = read_refused(start(**{f"field-{n}" * 40: n for n in range(100)}))
    assert len(error.fields) == 20
    assert max(len(field.path) for field in error.fields) == 200
    assert error.reason.endswith("; and 80 more")


def test_event_keeps_fields_of_a_later_version() -> None:
    body = b'{"stream_id": "a", "reason": "r", "code": "c", "later": {"x": [1]}}'
    event = to_event(AmqpMessage("stream.warning.a", "StreamWarning", body))
    assert event.model_extra == {"later": {"x": [1]}}


@pytest.mark.parametrize("model", [*COMMANDS.values(), *EVENTS.values(), *REPLIES.values()])
def test_model_is_frozen(model: type[Command | Event | Reply]) -> None:
    assert model.model_config["frozen"]


def test_start_is_read_whole() -> None:
    command = to_command(START).command
    assert isinstance(command, StartStream)
    assert command.labels == {"tenant": "acme", "queue": "support"}
    assert command.transcription_config.max_delay == 1.5


# -- encodings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", [None, "", "identity", "binary", "utf-8", "UTF-8"])
def test_body_with_a_byte_order_mark_is_read(encoding: str | None) -> None:
    plain = AmqpMessage("stream.a", "EndStream", b"{}", {"seq": 3})
    marked = replace(plain, body=b"\xef\xbb\xbf{}", content_encoding=encoding)
    assert to_command(marked) == to_command(plain)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_refused_by_name(encoding: str) -> None:
    refused = read_refused(AmqpMessage("start", "StartStream", '{"stream_id"'.encode(encoding)))
    assert (refused.code, refused.reason) == (
        "unsupported_encoding",
        "the body of StartStream is UTF-16; send JSON in UTF-8",
    )


@pytest.mark.parametrize("name", ["StartStream", "AudioChunk", "EndStream"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "utf-16", "base64"])
def test_encoding_of_a_body_other_than_identity_is_refused_by_name(
    name: str, encoding: str
) -> None:
    message = AmqpMessage("stream.a", name, b"{}", {"seq": 3}, content_encoding=encoding)
    refused = read_refused(message)
    assert (refused.code, refused.reason) == (
        "unsupported_encoding",
        f"{name} has the content_encoding {encoding!r}; send the body as it is, JSON in UTF-8",
    )
