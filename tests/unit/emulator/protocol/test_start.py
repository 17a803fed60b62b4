"""Which starts are served, and what is said about them."""

import json
from typing import Any

import pytest
from tests.unit.emulator.protocol.sessions import (
    Message,
    new_session,
    recognising_session,
    refused,
    start,
    start_fields,
)

from speechmq_emulator.protocol.limits import Limits
from speechmq_emulator.protocol.outputs import OpenEngine, Output, Send
from speechmq_emulator.protocol.session import Session
from speechmq_emulator.protocol.states import State

LANGUAGE = "transcription_config.language"
MODEL = "transcription_config.model"
DOMAIN = "transcription_config.domain"
LABELS = "transcription_config.channel_diarization_labels"


def opening(session: Session, fields: Message) -> list[Any]:
    """All messages from the start to ``RecognitionStarted`` and what follows it."""
    session.receive(json.dumps(fields))
    return [out.message for out in session.engine_started() if isinstance(out, Send)]


@pytest.mark.parametrize(
    ("language", "path_language", "reason"),
    [
        ("xx", None, f"{LANGUAGE}: 'xx' is not a language"),
        ("fi", None, f"{LANGUAGE}: this engine does not recognise Finnish ('fi')"),
        ("en", "de", f"{LANGUAGE}: 'en' differs from 'de' in the URL"),
    ],
)
def test_language_that_can_not_be_served_is_refused(
    language: str, path_language: str | None, reason: str
) -> None:
    outputs = new_session(path_language).receive(start(language=language))
    assert outputs == refused("invalid_language", 1003, reason)


def test_language_of_the_path_is_accepted_when_it_agrees() -> None:
    session = new_session("en")
    session.receive(start())
    assert session.state is State.STARTING


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"domain": "space"}, f"{DOMAIN}: 'space' is not a domain"),
        ({"domain": "bilingual-en"}, f"{DOMAIN}: 'bilingual-en' is not offered for 'en'"),
        (
            {"model": "melia-1"},
            f"{MODEL}: the language 'multi' and the model 'melia-1' go with each other only",
        ),
        (
            {"language": "multi"},
            f"{MODEL}: the language 'multi' and the model 'melia-1' go with each other only",
        ),
    ],
)
def test_model_that_can_not_be_served_is_refused(config: dict[str, Any], reason: str) -> None:
    assert new_session().receive(start(**config)) == refused("invalid_model", 4004, reason)


@pytest.mark.parametrize(
    "config",
    [
        {"domain": "finance"},
        {"language": "es", "domain": "bilingual-en"},
        {"language": "multi", "model": "melia-1"},
        {"language": "multi", "operating_point": "melia-1"},
        {"model": "enhanced", "operating_point": "enhanced"},
        {"channel_diarization_labels": ["unused"]},
    ],
)
def test_start_that_can_be_served_opens_the_engine(config: dict[str, Any]) -> None:
    outputs = new_session().receive(start(**config))
    assert [type(out) for out in outputs] == [OpenEngine]


def test_models_that_contradict_each_other_are_refused() -> None:
    outputs = new_session().receive(start(model="enhanced", operating_point="standard"))
    field = "transcription_config.operating_point"
    reason = f"{field}: 'standard' contradicts the model 'enhanced'; give one"
    assert outputs == refused("invalid_config", 1003, reason)


@pytest.mark.parametrize("diarization", ["channel", "channel_and_speaker"])
@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([], "channel diarization needs a label for each channel"),
        (["a", "b", "c"], "3 channels are asked for, but a session may have 2"),
        (["a", ""], "a label must not be empty"),
        (["a", "a"], "labels must be unique"),
    ],
)
def test_labels_that_can_not_be_served_are_refused(
    diarization: str, labels: list[str], reason: str
) -> None:
    text = start(diarization=diarization, channel_diarization_labels=labels)
    assert new_session().receive(text) == refused("invalid_config", 1003, f"{LABELS}: {reason}")


def test_more_channels_may_be_allowed() -> None:
    labels = ["a", "b", "c"]
    session = new_session(limits=Limits(max_channels=3))
    session.receive(start(diarization="channel", channel_diarization_labels=labels))
    assert list(session.channels) == labels


def test_file_audio_is_taken() -> None:
    fields = start_fields() | {"audio_format": {"type": "file"}}
    outputs = new_session().receive(json.dumps(fields))
    assert [type(out) for out in outputs] == [OpenEngine]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", (True, "English", " ", "left-to-right")),
        ("de", (False, "German", " ", "left-to-right")),
        ("he", (False, "Hebrew", " ", "right-to-left")),
        ("ja", (False, "Japanese", "", "left-to-right")),
    ],
)
def test_language_pack_is_the_languages(language: str, expected: tuple[Any, ...]) -> None:
    (started,) = opening(new_session(), start_fields(language=language))
    pack = started["language_pack_info"]
    itn, description, delimiter, direction = expected
    assert pack == {
        "adapted": False,
        "itn": itn,
        "language_description": description,
        "word_delimiter": delimiter,
        "writing_direction": direction,
    }


@pytest.mark.parametrize(
    ("rate", "quality"), [(8000, "telephony"), (12000, "broadcast"), (16000, "broadcast")]
)
def test_quality_is_told_on_request(rate: int, quality: str) -> None:
    fields = start_fields()
    fields["audio_format"]["sample_rate"] = rate
    _, info = opening(new_session(limits=Limits(quality_info=True)), fields)
    assert info == {
        "message": "Info",
        "type": "recognition_quality",
        "reason": f"Running recognition using a {quality} model quality",
        "quality": quality,
    }


def test_quality_of_a_file_is_not_told() -> None:
    fields = start_fields() | {"audio_format": {"type": "file"}}
    session = new_session(limits=Limits(quality_info=True))
    assert [m["message"] for m in opening(session, fields)] == ["RecognitionStarted"]


def translating(*targets: str, source: str = "en") -> tuple[list[Output], list[tuple[str, str]]]:
    """What is asked of the engine, and the warnings, for these targets."""
    session = new_session()
    fields = start_fields(language=source)
    fields["translation_config"] = {"target_languages": list(targets)}
    outputs = session.receive(json.dumps(fields))
    sent = [out.message for out in session.engine_started() if isinstance(out, Send)]
    return outputs, [(m["type"], m["reason"]) for m in sent[1:]]


def targets_of(outputs: list[Output]) -> list[str] | None:
    (opened,) = outputs
    assert isinstance(opened, OpenEngine)
    config = opened.start.translation_config
    return None if config is None else config.target_languages


def test_translations_that_are_offered_are_asked_of_the_engine() -> None:
    outputs, warnings = translating("de", "fr", "de")
    assert (targets_of(outputs), warnings) == (["de", "fr"], [])


def test_translation_into_english_is_offered() -> None:
    outputs, warnings = translating("en", source="de")
    assert (targets_of(outputs), warnings) == (["en"], [])


def test_translations_that_are_not_offered_are_warned_about_one_by_one() -> None:
    outputs, warnings = translating("xx", "de", "en")
    assert targets_of(outputs) == ["de"]
    assert warnings == [
        ("unsupported_translation_pair", "Translation from en to xx is not offered"),
        ("unsupported_translation_pair", "Translation from en to en is not offered"),
    ]


def test_session_without_any_translation_left_is_warned() -> None:
    outputs, warnings = translating("fr", source="de")
    assert targets_of(outputs) is None
    assert warnings == [
        ("unsupported_translation_pair", "Translation from de to fr is not offered"),
        (
            "empty_translation_target_list",
            "No supported target language is left: nothing is translated",
        ),
    ]


def test_empty_list_of_targets_is_warned_about() -> None:
    outputs, warnings = translating()
    assert targets_of(outputs) is None
    assert [kind for kind, _ in warnings] == ["empty_translation_target_list"]


def test_second_start_is_a_protocol_error() -> None:
    reason = "StartRecognition is out of place while RECOGNISING"
    assert recognising_session().receive(start()) == refused("protocol_error", 1003, reason)
