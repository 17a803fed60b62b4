"""Every error, every warning and every message of the protocol, each provoked by a client once.

Everything heard here is checked against the wire schemas, as in all tests; and so is what
fault injection sends, which the check of all tests does not see.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from tests.protocol.emulator.client import RAW, Message, only
from tests.protocol.emulator.conformance.checker import Sender, own_description
from tests.protocol.emulator.conformance.conversations import (
    BrokenEngine,
    Conversation,
    audio_behind_the_end,
    beginning,
    beyond_the_quota,
    broken,
    configured,
    ending,
    everything,
    faulty,
    in_channels,
    limited,
    miscounted,
    too_much_audio,
    unreadable,
)
from tests.protocol.emulator.conformance.fields import facts
from tests.support.wire_check import CHECK, WireCheck

from speechmq_emulator.ledger import encode
from speechmq_emulator.protocol.errors import ErrorType, WarningType
from speechmq_emulator.protocol.limits import HOUR, Limits

# An hour's limit is reached after a second, and no other limit before it.
IDLE = Limits(time_scale=3600, contact=9 * HOUR)
LONG = Limits(time_scale=3600, session=HOUR, idle=9 * HOUR, contact=9 * HOUR)


@dataclass(frozen=True, slots=True)
class Provoked:
    by: Conversation
    close_code: int
    reason: str
    """A pattern of its beginning."""


ERRORS: Mapping[ErrorType, Provoked] = {
    ErrorType.INVALID_MESSAGE: Provoked(unreadable, 1003, "a text message must be JSON"),
    ErrorType.INVALID_MODEL: Provoked(
        configured(model="huge"), 4004, r"transcription_config\.model: "
    ),
    ErrorType.INVALID_LANGUAGE: Provoked(
        configured(language="xx"), 1003, r"transcription_config\.language: 'xx' "
    ),
    ErrorType.INVALID_CONFIG: Provoked(
        configured(max_delay=9), 1003, r"transcription_config\.max_delay: "
    ),
    ErrorType.INVALID_AUDIO_TYPE: Provoked(
        beginning(audio_format={**RAW, "encoding": "opus"}), 1003, r"audio_format\.encoding: "
    ),
    ErrorType.INVALID_OUTPUT_FORMAT: Provoked(
        beginning(output_format={"type": "xml"}), 1003, "output_format: "
    ),
    ErrorType.NOT_AUTHORISED: Provoked(
        faulty("error type=not_authorised reason='unknown key'"), 4001, "unknown key"
    ),
    ErrorType.NOT_ALLOWED: Provoked(
        faulty("error type=not_allowed recognition"), 4003, "A fault was asked for"
    ),
    ErrorType.JOB_ERROR: Provoked(
        broken(BrokenEngine(says_so=True)), 4013, "the recogniser's process ended"
    ),
    ErrorType.PROTOCOL_ERROR: Provoked(
        miscounted, 1003, r"EndOfStream\.last_seq_no is 2, but 1 chunks came"
    ),
    ErrorType.QUOTA_EXCEEDED: Provoked(beyond_the_quota, 4005, ".*1 "),
    ErrorType.TIMELIMIT_EXCEEDED: Provoked(
        faulty("error type=timelimit_exceeded behind=RecognitionStarted"), 4006, "A fault"
    ),
    ErrorType.IDLE_TIMEOUT: Provoked(limited(IDLE), 1008, ".*no audio"),
    ErrorType.SESSION_TIMEOUT: Provoked(limited(LONG), 1008, ".*max duration"),
    ErrorType.UNKNOWN_ERROR: Provoked(broken(BrokenEngine(says_so=False)), 1011, ".+"),
}


@pytest.fixture
def wire(pytestconfig: pytest.Config) -> WireCheck:
    return pytestconfig.stash[CHECK]


def conforming(messages: list[Message], wire: WireCheck) -> list[Message]:
    for message in messages:
        wire.check(Sender.SERVER, json.dumps(message))
    return messages


@pytest.mark.parametrize("kind", ErrorType)
async def test_error_is_sent_before_the_close_that_repeats_it(
    kind: ErrorType, wire: WireCheck
) -> None:
    provoked = ERRORS[kind]
    heard = await provoked.by()
    errors = only(conforming(heard.messages, wire), "Error")
    assert [error["type"] for error in errors] == [kind]
    assert heard.messages[-1] == errors[0]
    assert re.match(provoked.reason, errors[0]["reason"])
    assert (heard.close_code, heard.close_reason) == (provoked.close_code, kind)


def test_every_error_is_provoked() -> None:
    assert ERRORS.keys() == set(ErrorType)


STRANGER = {"label": "Ann", "speaker_identifiers": ["nobody"]}
WARNINGS: Mapping[WarningType, tuple[Conversation, list[str]]] = {
    WarningType.DURATION_LIMIT_EXCEEDED: (too_much_audio, [r"The limit of 0\.5 s"]),
    WarningType.UNSUPPORTED_TRANSLATION_PAIR: (
        ending(encode([1]), translation_config={"target_languages": ["de", "xx"]}),
        ["Translation from en to xx is not offered"],
    ),
    WarningType.EMPTY_TRANSLATION_TARGET_LIST: (
        ending(encode([1]), translation_config={"target_languages": []}),
        ["No supported target language"],
    ),
    WarningType.IDLE_TIMEOUT: (
        limited(IDLE),
        [f"Session will timeout in {minutes}m due to inactivity" for minutes in (15, 10, 5)],
    ),
    WarningType.SESSION_TIMEOUT: (
        limited(LONG),
        [f"Session will timeout in {minutes}m due to max duration" for minutes in (45, 30, 15)],
    ),
    WarningType.ADD_AUDIO_AFTER_EOS: (audio_behind_the_end, ["AddAudio behind EndOfStream"]),
    WarningType.SPEAKER_ID: (
        ending(
            encode([1]),
            transcription_config={
                "language": "en",
                "diarization": "speaker",
                "speaker_diarization_config": {"speakers": [STRANGER]},
            },
        ),
        ["speaker_diarization_config.speakers: the identifier 'nobody' of 'Ann'"],
    ),
}


@pytest.mark.parametrize("kind", WarningType)
async def test_warning_is_sent_and_the_session_goes_on(kind: WarningType, wire: WireCheck) -> None:
    conversation, reasons = WARNINGS[kind]
    heard = await conversation()
    warnings = only(conforming(heard.messages, wire), "Warning")
    assert [warning["type"] for warning in warnings] == [kind] * len(reasons)
    for warning, reason in zip(warnings, reasons, strict=True):
        assert re.match(reason, warning["reason"])
    limits = {WarningType.IDLE_TIMEOUT, WarningType.SESSION_TIMEOUT}
    last = "Error" if kind in limits else "EndOfTranscript"
    assert heard.messages[-1]["message"] == last


def test_every_warning_is_provoked() -> None:
    assert WARNINGS.keys() == set(WarningType)


# What no engine here has reason to send: scripts from right to left, codes of errors and
# warnings beside their types, a region; and what partials do without.
NEVER_SENT = (
    r".*\.display(\.direction)?",
    r"(Error|Info|Warning)\.(code|seq_no)",
    r"Info\.region",
    r"AddPartialTranscript\.forced",
    r"AddPartialTranscript\.results\[\]\.(entity_class|spoken_form.*|written_form.*)",
    r"AddPartialTranslation\.results\[\]\.speaker",
    r"AddTranscript\.results\[\]\.(spoken|written)_form\[\]\.alternatives\[\]\.tags(\[\])?",
)


def fields_of(message: Message) -> set[str]:
    """The paths of all fields, as ``conformance.fields`` writes those of a schema."""
    found = set()
    waiting: list[tuple[str, Any]] = [(message["message"], message)]
    for path, value in waiting:
        found.add(path)
        if isinstance(value, dict):
            waiting += [(f"{path}.{name}", child) for name, child in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{path}[]", child) for child in value]
    return found


async def test_every_message_is_sent_with_every_field(wire: WireCheck) -> None:
    conversations = (everything, in_channels, too_much_audio, unreadable)
    messages = [m for conversation in conversations for m in (await conversation()).messages]
    conforming(messages, wire)
    schemas = own_description().schemas[Sender.SERVER]
    known = {
        f"{name}.{path}".removesuffix(".") for name in schemas for path in facts(schemas[name])
    }
    sent = {path for message in messages for path in fields_of(message)}
    assert {m["message"] for m in messages} == schemas.keys()
    missing = {
        pattern: set(filter(re.compile(pattern).fullmatch, known - sent)) for pattern in NEVER_SENT
    }
    assert known - sent - set().union(*missing.values()) == set()
    assert all(missing.values()), "a field is sent by now"
