import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmq.speechmatics import messages
from speechmq.speechmatics.messages import (
    AudioAdded,
    ErrorReceived,
    FinalReceived,
    InfoReceived,
    MalformedMessage,
    Metadata,
    PartialReceived,
    RecognitionStarted,
    TranscriptEnded,
    UnknownReceived,
    UtteranceEnded,
    WarningReceived,
    decode,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"message":"AudioAdded","seq_no":3}', AudioAdded(3)),
        ('{"message":"EndOfTranscript"}', TranscriptEnded()),
        (
            '{"message":"RecognitionStarted","id":"x","language_pack_info":{"itn":true},"new":1}',
            RecognitionStarted("x", {"itn": True}),
        ),
        ('{"message":"RecognitionStarted"}', RecognitionStarted()),
        (
            '{"results":[{"a":1}],"message":"AddTranscript","format":"2.9",'
            '"metadata":{"start_time":0,"end_time":1.5,"transcript":"x "}}',
            FinalReceived(Metadata(0.0, 1.5, "x "), msgspec.Raw(b'[{"a":1}]')),
        ),
        (
            '{"message":"AddPartialTranscript","results":[],'
            '"metadata":{"start_time":0,"end_time":1,"transcript":""}}',
            PartialReceived(Metadata(0.0, 1.0), msgspec.Raw(b"[]")),
        ),
        (
            '{"message":"EndOfUtterance","metadata":{"start_time":2.4,"end_time":2.4}}',
            UtteranceEnded(Metadata(2.4, 2.4)),
        ),
        ('{"message":"Info","type":"t","reason":"r","usage":1}', InfoReceived("t", "r", usage=1)),
        ('{"message":"Warning","type":"t","reason":"r"}', WarningReceived("t", "r")),
        ('{"message":"Error","type":"t","reason":"r","code":1}', ErrorReceived("t", "r")),
        ('{"message":"New","x":1}', UnknownReceived("New", b'{"message":"New","x":1}')),
    ],
)
def test_decode_reads(text: str, expected: object) -> None:
    assert decode(text) == expected
    assert decode(text.encode()) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"message":5}',
        '{"message":""}',
        '{"message":"AudioAdded"}',
        '{"message":"AudioAdded","seq_no":"1"}',
        '{"message":"AddTranscript","results":[]}',
        '{"message":"EndOfUtterance","metadata":{"start_time":-0.1,"end_time":2.4}}',
        '{"message":"EndOfUtterance","metadata":{"start_time":0,"end_time":1e10}}',
        '{"message":"AudioAdded","seq_no":' + "[" * 5000 + "]" * 5000 + "}",
        "\ud800",
        b"\xff\xfe",
    ],
)
def test_decode_refuses_what_is_no_message(text: str | bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode(text)


@given(st.binary())
def test_decode_raises_nothing_else(frame: bytes) -> None:
    try:
        decode(frame)
    except MalformedMessage:
        return


def test_client_messages() -> None:
    start = messages.start_recognition({"type": "raw"}, {"language": "en"})
    assert json.loads(start) == {
        "message": "StartRecognition",
        "audio_format": {"type": "raw"},
        "transcription_config": {"language": "en"},
    }
    assert json.loads(messages.end_of_stream(7)) == {"message": "EndOfStream", "last_seq_no": 7}
