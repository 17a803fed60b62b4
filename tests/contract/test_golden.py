"""Messages as version 1 wrote them. They are never regenerated: what was sent stays readable."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from speechmq_schemas import (
    AmqpMessage,
    CreateTemporaryKey,
    GetStreamStatus,
    from_command,
    from_event,
    from_reply,
    from_request,
    to_command,
    to_event,
    to_reply,
    unknown_fields,
)
from speechmq_schemas.commands import COMMANDS
from speechmq_schemas.replies import REPLIES

GOLDEN = Path(__file__).parent / "golden" / "v1"
NAMES = [
    "AudioChunk",
    "AudioChunk-channel",
    "AudioEventEnded",
    "AudioEventStarted",
    "AudioGap",
    "AudioGap-channel",
    "CreateTemporaryKey",
    "EndChannel",
    "EndOfUtterance",
    "EndStream",
    "FinalTranscript",
    "FinalTranscript-channel",
    "FinalTranslation",
    "ForceEndOfUtterance",
    "GetSpeakers",
    "GetStreamStatus",
    "PartialTranscript",
    "PartialTranslation",
    "RequestFailed",
    "SpeakersResult",
    "StartStream",
    "StartStream-channels",
    "StartStream-file",
    "StreamAccepted",
    "StreamDetached",
    "StreamEnded",
    "StreamFailed",
    "StreamInfo",
    "StreamResumed",
    "StreamStarted",
    "StreamStarted-channels",
    "StreamStatus",
    "StreamWarning",
    "TemporaryKey",
    "UpdateConfig",
    "UpstreamMessage",
]


def golden(name: str) -> AmqpMessage:
    stored: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    is_json = "body" in stored
    properties = {key: value for key, value in stored["properties"].items() if key != "timestamp"}
    return AmqpMessage(
        routing_key=stored["routing_key"],
        body=json.dumps(stored["body"]).encode()
        if is_json
        else base64.b64decode(stored["body_base64"]),
        headers=stored["headers"],
        **properties,
    )


def rewritten(message: AmqpMessage) -> AmqpMessage:
    """``message`` read and written again."""
    stream_id = message.correlation_id or ""
    if message.type in REPLIES:
        asked = AmqpMessage(
            "", "", b"", correlation_id=message.correlation_id, reply_to=message.routing_key
        )
        return from_reply(to_reply(message), asked, headers=message.headers)
    if message.type in COMMANDS:
        read = to_command(message)
        if isinstance(read.command, CreateTemporaryKey | GetStreamStatus):
            return from_request(
                read.command,
                reply_to=message.reply_to or "",
                correlation_id=message.correlation_id,
                headers=message.headers,
            )
        return from_command(stream_id, read.command, read.audio, headers=message.headers)
    headers = message.headers
    return from_event(
        to_event(message), epoch=headers["epoch"], seq=headers["seq"], headers=headers
    )


def comparable(message: AmqpMessage) -> tuple[object, ...]:
    body = json.loads(message.body) if message.content_type.endswith("json") else message.body
    ids = (message.message_id, message.reply_to)
    return (message.routing_key, message.type, body, message.headers, ids)


def test_no_golden_message_is_missing() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_golden_message_says_the_same_after_reading(name: str) -> None:
    message = golden(name)
    assert comparable(rewritten(message)) == comparable(message)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"UpstreamMessage"}))
def test_golden_message_has_no_field_that_is_unknown_today(name: str) -> None:
    message = golden(name)
    read: object
    if name in REPLIES:
        read = to_reply(message)
    else:
        read = to_command(message).command if message.type in COMMANDS else to_event(message)
    assert list(unknown_fields(read)) == []
