"""The wire schemas against the published description, and the emulator against the schemas."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.protocol.emulator.conformance.checker import (
    Description,
    Sender,
    own_description,
    published_description,
)
from tests.protocol.emulator.conformance.fields import facts, values

from speechmq_emulator.protocol.errors import ErrorType, Refusal, WarningType
from speechmq_emulator.protocol.requests import parse

OWN = own_description()
MESSAGES = [(sender, name) for sender in Sender for name in OWN.schemas[sender]]

# Recorded from the service, though its description lacks it.
ONLY_RECORDED = {"EndOfUtterance": {"format"}}


@pytest.fixture
def published(pytestconfig: pytest.Config) -> Description:
    path: Path | None = pytestconfig.getoption("--asyncapi")
    if path is None:
        pytest.skip("needs the published description: --asyncapi PATH (make conformance)")
    return published_description(path)


def test_schemas_are_of_all_published_messages(published: Description) -> None:
    for sender in Sender:
        assert OWN.schemas[sender].keys() == published.schemas[sender].keys()


@pytest.mark.parametrize(("sender", "name"), MESSAGES)
def test_schema_has_the_published_fields_and_limits(
    published: Description, sender: Sender, name: str
) -> None:
    own = facts(OWN.schemas[sender][name])
    theirs = facts(published.schemas[sender][name])
    assert own.keys() - theirs.keys() == ONLY_RECORDED.get(name, set())
    assert {path: known - own[path] for path, known in theirs.items() if known - own[path]} == {}
    enums = {path: values(known) for path, known in theirs.items() if values(known)}
    assert {path: values(own[path]) for path in enums} == enums


@pytest.mark.parametrize(("sender", "name"), MESSAGES)
def test_schema_closes_every_object(sender: Sender, name: str) -> None:
    def open_objects(node: Any) -> Iterator[Any]:
        if isinstance(node, dict):
            if node.get("type") == "object" and node.get("additionalProperties") is not False:
                yield node
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                yield from open_objects(child)

    assert list(open_objects(OWN.schemas[sender][name])) == []


def test_schema_and_emulator_have_the_same_errors_and_warnings() -> None:
    server = OWN.schemas[Sender.SERVER]
    assert values(facts(server["Error"])["type"]) == {kind.value for kind in ErrorType}
    assert values(facts(server["Warning"])["type"]) == {kind.value for kind in WarningType}


WORD = {
    "type": "word",
    "start_time": 0,
    "end_time": 0.2,
    "alternatives": [{"content": "w1", "confidence": 1.0, "language": "en"}],
}
FINAL = {
    "message": "AddTranscript",
    "format": "2.9",
    "metadata": {"start_time": 0, "end_time": 0.2, "transcript": "w1 "},
    "results": [WORD],
}


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("AddTranscript", "None is no text message of the server"),
        ({}, "None is no text message of the server"),
        ({"message": "EndOfStream"}, "'EndOfStream' is no text message of the server"),
        ({**FINAL, "forced": False}, "AddTranscript.forced: true was expected"),
        ({**FINAL, "chanel": "left"}, "AddTranscript: Additional properties are not allowed"),
        (
            {**FINAL, "metadata": {"start_time": 0, "end_time": 0.2}},
            'AddTranscript.metadata: "transcript" is a required property',
        ),
        (
            {**FINAL, "results": [{**WORD, "entity_class": "money"}]},
            "AddTranscript.results.0: ",
        ),
        (
            {"message": "RecognitionStarted", "id": "7"},
            "RecognitionStarted.id: ",
        ),
    ],
)
def test_checker_says_what_is_wrong(message: Any, fault: str) -> None:
    found = OWN.faults(Sender.SERVER, message)
    assert any(sentence.startswith(f"wire schemas: {fault}") for sentence in found), found


def test_checker_finds_nothing_wrong_in_a_good_message() -> None:
    assert OWN.faults(Sender.SERVER, FINAL) == []


START: dict[str, Any] = {
    "message": "StartRecognition",
    "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 16000},
    "transcription_config": {
        "language": "en",
        "domain": "finance",
        "output_locale": "en-US",
        "additional_vocab": ["gnocchi", {"content": "CEO", "sounds_like": ["see ee oh"]}],
        "diarization": "speaker",
        "max_delay": 1,
        "max_delay_mode": "fixed",
        "speaker_diarization_config": {
            "max_speakers": 2,
            "prefer_current_speaker": True,
            "speaker_sensitivity": 0.4,
            "get_speakers": True,
            "speakers": [{"label": "Ann", "speaker_identifiers": ["a", "b"]}],
        },
        "audio_filtering_config": {"volume_threshold": 3.5},
        "transcript_filtering_config": {
            "remove_disfluencies": True,
            "replacements": [{"from": "hello", "to": "hi"}],
        },
        "enable_partials": True,
        "enable_entities": False,
        "operating_point": "enhanced",
        "model": "melia-1",
        "punctuation_overrides": {"permitted_marks": [".", "all"], "sensitivity": 0.9},
        "conversation_config": {"end_of_utterance_silence_trigger": 0.5},
        "channel_diarization_labels": ["left"],
    },
    "translation_config": {"target_languages": ["de"], "enable_partials": True},
    "audio_events_config": {"types": ["music"]},
}
REQUESTS: list[dict[str, Any]] = [
    START,
    {**START, "audio_format": {"type": "file"}},
    {"message": "AddChannelAudio", "channel": "left", "data": "AAAA"},
    {"message": "EndOfStream", "last_seq_no": 3},
    {"message": "EndOfChannel", "channel": "left", "last_seq_no": 3},
    {"message": "ForceEndOfUtterance", "channel": "left", "timestamp": 1.5},
    {"message": "GetSpeakers", "final": True},
    {
        "message": "SetRecognitionConfig",
        "transcription_config": {
            "language": "en",
            "max_delay": 2,
            "max_delay_mode": "flexible",
            "audio_filtering_config": {"volume_threshold": 3.5},
            "enable_partials": True,
            "conversation_config": {"end_of_utterance_silence_trigger": 0.5},
        },
    },
]
REPLACEMENTS: list[Any] = [
    None,
    True,
    -1,
    0,
    0.5,
    10**6,
    "",
    "x",
    "S1",
    " x",
    [],
    [""],
    {},
    {"x": 1},
]

# The description leaves these open; the emulator asks for what it can work with.
STRICTER = {
    "audio_format.sample_rate = 1000000",
    "transcription_config.domain = ''",
    "transcription_config.speaker_diarization_config.max_speakers = 1000000",
}

Place = tuple[str | int, ...]


def places(value: Any, path: Place = ()) -> Iterator[Place]:
    """Of every field and every list's entry, at any depth."""
    entries: Any = ()
    if isinstance(value, dict):
        entries = value.items()
    elif isinstance(value, list):
        entries = enumerate(value)
    for key, child in entries:
        yield (*path, key)
        yield from places(child, (*path, key))


def spoilt(message: dict[str, Any], place: Place) -> Iterator[tuple[str, dict[str, Any]]]:
    """The message without this field, with one more beside it, and with others in its place."""
    path = ".".join(map(str, place))
    copied, parent = _copy(message, place)
    del parent[place[-1]]
    yield f"no {path}", copied
    copied, parent = _copy(message, place)
    if isinstance(parent, dict):
        parent["unknown_field"] = 1
        yield f"unknown_field beside {path}", copied
    for value in REPLACEMENTS:
        copied, parent = _copy(message, place)
        parent[place[-1]] = value
        yield f"{path} = {value!r}", copied


def _copy(message: dict[str, Any], place: Place) -> tuple[dict[str, Any], Any]:
    """A copy, and in it what holds the place."""
    copied = copy.deepcopy(message)
    parent: Any = copied
    for key in place[:-1]:
        parent = parent[key]
    return copied, parent


def accepted(message: dict[str, Any]) -> bool:
    try:
        parse(json.dumps(message))
    except Refusal:
        return False
    return True


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda message: message["message"])
def test_emulator_takes_what_the_schema_allows_and_nothing_else(request_: dict[str, Any]) -> None:
    assert OWN.faults(Sender.CLIENT, request_) == []
    assert accepted(request_)
    changes = dict(change for place in places(request_) for change in spoilt(request_, place))
    allowed = {what for what, message in changes.items() if not OWN.faults(Sender.CLIENT, message)}
    taken = {what for what, message in changes.items() if accepted(message)}
    assert len(changes) > 30
    assert taken - allowed == set()
    assert allowed - taken - STRICTER == set()
