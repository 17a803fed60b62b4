"""A start in the terms of the core, and what upstream reads of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from speechmq.core.values.commands import ChangeConfig, ForceUtterance, TellSpeakers
from speechmq.core.values.spec import DECODED_RATE, StreamSpec
from speechmq_schemas import StartStream

RAW = {"type": "raw", "encoding": "mulaw", "sample_rate": 8000}


def spec_of(**start: Any) -> StreamSpec:
    body = {"stream_id": "s", "audio_format": RAW, "transcription_config": {"language": "en"}}
    return StreamSpec.from_start(StartStream.model_validate(body | start))


def test_start_without_more_is_a_mono_stream() -> None:
    assert spec_of() == StreamSpec("s", "mulaw", 8000, {"language": "en"})


def test_null_is_as_good_as_absent() -> None:
    config = {"language": "en", "domain": None}
    assert spec_of(transcription_config=config).transcription_config == {"language": "en"}


def test_file_is_decoded_to_one_rate() -> None:
    assert spec_of(audio_format={"type": "file"}) == StreamSpec(
        "s", "pcm_s16le", DECODED_RATE, {"language": "en"}, is_encoded=True
    )


@pytest.mark.parametrize("layout", ["interleaved", "separate"])
def test_channels_are_labels_and_a_way_to_tell_voices_apart(layout: str) -> None:
    assert spec_of(channels={"layout": layout, "labels": ["a", "b"]}) == StreamSpec(
        "s",
        "mulaw",
        8000,
        {
            "language": "en",
            "diarization": "channel",
            "channel_diarization_labels": ["a", "b"],
        },
        channel_labels=("a", "b"),
        is_interleaved=layout == "interleaved",
    )


def test_session_begins_with_what_the_configuration_has_become() -> None:
    spec = spec_of(
        audio_format={"type": "raw", "encoding": "alaw", "sample_rate": 8000},
        translation_config={"target_languages": ["de"]},
    )
    assert msgspec.json.decode(spec.to_wire({"language": "en", "max_delay": 2.0})) == {
        "message": "StartRecognition",
        "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000},
        "transcription_config": {"language": "en", "max_delay": 2.0},
        "translation_config": {"target_languages": ["de"]},
    }


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            ChangeConfig({"max_delay": 2.0}),
            {"message": "SetRecognitionConfig", "transcription_config": {"max_delay": 2.0}},
        ),
        (
            ForceUtterance(1.5, "a"),
            {"message": "ForceEndOfUtterance", "timestamp": 1.5, "channel": "a"},
        ),
        (TellSpeakers(final=True), {"message": "GetSpeakers", "final": True}),
    ],
)
def test_command_in_the_words_of_upstream(
    command: ChangeConfig | ForceUtterance | TellSpeakers, message: dict[str, Any]
) -> None:
    assert msgspec.json.decode(command.to_wire()) == message
