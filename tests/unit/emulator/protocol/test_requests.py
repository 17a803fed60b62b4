"""Text from a client: what is taken, and which error names which field."""

import json
from typing import Any

import pytest

from speechmq_emulator.protocol.config import (
    AudioFilteringConfig,
    ConversationConfig,
    MidSessionTranscriptionConfig,
    StartRecognition,
)
from speechmq_emulator.protocol.errors import Refusal
from speechmq_emulator.protocol.requests import (
    AddChannelAudio,
    EndOfChannel,
    EndOfStream,
    ForceEndOfUtterance,
    GetSpeakers,
    Request,
    SetRecognitionConfig,
    parse,
)

RAW = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 16000}

EVERY_FIELD: dict[str, Any] = {
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
    "channel_diarization_labels": ["a"],
}


def start(**fields: Any) -> str:
    config = fields.pop("transcription_config", {"language": "en"})
    message = {"message": "StartRecognition", "audio_format": RAW, "transcription_config": config}
    return json.dumps({name: v for name, v in {**message, **fields}.items() if v is not ...})


def refusal(text: str) -> tuple[str, str]:
    with pytest.raises(Refusal) as caught:
        parse(text)
    return caught.value.type.value, caught.value.reason


def test_parse_takes_every_published_field() -> None:
    text = start(
        transcription_config=EVERY_FIELD,
        translation_config={"target_languages": ["de"], "enable_partials": True},
        audio_events_config={"types": ["music"]},
    )
    request = parse(text)
    assert isinstance(request, StartRecognition)
    dumped = request.model_dump(by_alias=True, exclude_unset=True)
    assert dumped == json.loads(text)


def test_parse_knows_the_defaults() -> None:
    request = parse(start())
    assert isinstance(request, StartRecognition)
    config = request.transcription_config
    assert (config.max_delay, config.enable_partials, config.diarization) == (4.0, False, "none")
    assert config.conversation_config.end_of_utterance_silence_trigger == 0.0


@pytest.mark.parametrize(
    ("encoding", "rate", "per_second"),
    [("pcm_s16le", 8000, 16000), ("pcm_f32le", 48000, 192000), ("mulaw", 8000, 8000)],
)
def test_parse_takes_every_raw_encoding(encoding: str, rate: int, per_second: int) -> None:
    request = parse(start(audio_format={"type": "raw", "encoding": encoding, "sample_rate": rate}))
    assert isinstance(request, StartRecognition)
    assert request.audio_format.type == "raw"
    assert request.audio_format.bytes_per_second == per_second


def test_parse_reads_the_end_of_stream() -> None:
    expected = EndOfStream(message="EndOfStream", last_seq_no=7)
    assert parse('{"message": "EndOfStream", "last_seq_no": 7}') == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"message": "AddChannelAudio", "channel": "a", "data": "AAEC"},
            AddChannelAudio.model_validate(
                {"message": "AddChannelAudio", "channel": "a", "data": "AAEC"}
            ),
        ),
        (
            {"message": "EndOfChannel", "channel": "a", "last_seq_no": 3},
            EndOfChannel(message="EndOfChannel", channel="a", last_seq_no=3),
        ),
        ({"message": "ForceEndOfUtterance"}, ForceEndOfUtterance(message="ForceEndOfUtterance")),
        (
            {"message": "ForceEndOfUtterance", "channel": "a", "timestamp": 2},
            ForceEndOfUtterance(message="ForceEndOfUtterance", channel="a", timestamp=2.0),
        ),
        ({"message": "GetSpeakers"}, GetSpeakers(message="GetSpeakers", final=False)),
        ({"message": "GetSpeakers", "final": True}, GetSpeakers(message="GetSpeakers", final=True)),
        (
            {
                "message": "SetRecognitionConfig",
                "transcription_config": {
                    "language": "en",
                    "max_delay": 1,
                    "max_delay_mode": "fixed",
                    "audio_filtering_config": {"volume_threshold": 3},
                    "enable_partials": True,
                    "conversation_config": {"end_of_utterance_silence_trigger": 1},
                },
            },
            SetRecognitionConfig(
                message="SetRecognitionConfig",
                transcription_config=MidSessionTranscriptionConfig(
                    language="en",
                    max_delay=1.0,
                    max_delay_mode="fixed",
                    audio_filtering_config=AudioFilteringConfig(volume_threshold=3.0),
                    enable_partials=True,
                    conversation_config=ConversationConfig(end_of_utterance_silence_trigger=1.0),
                ),
            ),
        ),
    ],
)
def test_parse_reads_every_request(fields: dict[str, Any], expected: Request) -> None:
    assert parse(json.dumps(fields)) == expected


def test_parse_decodes_the_audio_of_a_channel() -> None:
    request = parse('{"message": "AddChannelAudio", "channel": "a", "data": "AAEC"}')
    assert isinstance(request, AddChannelAudio)
    assert request.data == b"\0\1\2"


@pytest.mark.parametrize(
    ("fields", "kind", "path"),
    [
        ({"message": "AddChannelAudio", "data": ""}, "invalid_message", "channel"),
        ({"message": "AddChannelAudio", "channel": "a"}, "invalid_message", "data"),
        ({"message": "AddChannelAudio", "channel": "a", "data": "A"}, "invalid_message", "data"),
        ({"message": "AddChannelAudio", "channel": "a", "data": "AAE*"}, "invalid_message", "data"),
        ({"message": "AddChannelAudio", "channel": "a", "data": "é"}, "invalid_message", "data"),
        ({"message": "AddChannelAudio", "channel": "a", "data": 5}, "invalid_message", "data"),
        ({"message": "AddChannelAudio", "channel": 1, "data": ""}, "invalid_message", "channel"),
        ({"message": "EndOfChannel", "channel": "a"}, "invalid_message", "last_seq_no"),
        ({"message": "ForceEndOfUtterance", "timestamp": -1}, "invalid_message", "timestamp"),
        ({"message": "ForceEndOfUtterance", "timestamp": "1"}, "invalid_message", "timestamp"),
        ({"message": "ForceEndOfUtterance", "channel": None}, "invalid_message", "channel"),
        ({"message": "GetSpeakers", "final": 1}, "invalid_message", "final"),
        ({"message": "SetRecognitionConfig"}, "invalid_config", "transcription_config"),
        (
            {"message": "SetRecognitionConfig", "transcription_config": {"diarization": "none"}},
            "invalid_config",
            "transcription_config.diarization",
        ),
        (
            {"message": "SetRecognitionConfig", "transcription_config": {"max_delay": 5}},
            "invalid_config",
            "transcription_config.max_delay",
        ),
        (
            {"message": "SetRecognitionConfig", "transcription_config": {"language": 5}},
            "invalid_config",
            "transcription_config.language",
        ),
        (
            {"message": "SetRecognitionConfig", "transcription_config": {}, "colour": 1},
            "invalid_message",
            "colour",
        ),
    ],
)
def test_parse_names_the_bad_field_of_a_request(
    fields: dict[str, Any], kind: str, path: str
) -> None:
    refused, reason = refusal(json.dumps(fields))
    assert (refused, reason.partition(":")[0]) == (kind, path)


def test_parse_refuses_a_timestamp_beyond_all_numbers() -> None:
    kind, reason = refusal('{"message": "ForceEndOfUtterance", "timestamp": 1e999}')
    assert (kind, reason) == ("invalid_message", "timestamp: Input should be a finite number")


def test_start_refuses_an_output_format() -> None:
    assert refusal(start(output_format={"type": "json"})) == (
        "invalid_output_format",
        "output_format: Extra inputs are not permitted",
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a text message must be JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[1]", "a text message must be a JSON object"),
        ("{}", "message: a text message must name its kind"),
        ('{"message": 5}', "message: a text message must name its kind"),
        ('{"message": "Hello"}', "message: 'Hello' is not known"),
        ('{"message": NaN}', "a text message must be JSON: NaN is not a JSON number"),
        ('{"message": "EndOfStream"}', "last_seq_no: Field required"),
        (
            '{"message": "EndOfStream", "last_seq_no": "1"}',
            "last_seq_no: Input should be a valid integer",
        ),
        (
            '{"message": "EndOfStream", "last_seq_no": -1}',
            "last_seq_no: Input should be greater than or equal to 0",
        ),
    ],
)
def test_parse_refuses_what_is_no_message(text: str, reason: str) -> None:
    assert refusal(text) == ("invalid_message", reason)


def test_parse_refuses_json_that_is_nested_without_end() -> None:
    kind, reason = refusal("[" * 200_000)
    assert (kind, reason.partition(":")[0]) == ("invalid_message", "a text message must be JSON")


AUDIO = "invalid_audio_type"
CONFIG = "invalid_config"


@pytest.mark.parametrize(
    ("audio_format", "kind", "path"),
    [
        (..., AUDIO, "audio_format"),
        (None, AUDIO, "audio_format"),
        ({}, AUDIO, "audio_format"),
        ({"type": "tape"}, AUDIO, "audio_format"),
        ({"type": "raw", "encoding": "mulaw"}, AUDIO, "audio_format.sample_rate"),
        (RAW | {"encoding": "opus"}, AUDIO, "audio_format.encoding"),
        (RAW | {"sample_rate": 7999}, AUDIO, "audio_format.sample_rate"),
        (RAW | {"sample_rate": 48001}, AUDIO, "audio_format.sample_rate"),
        (RAW | {"sample_rate": "16000"}, AUDIO, "audio_format.sample_rate"),
        (RAW | {"sample_rate": 16000.5}, AUDIO, "audio_format.sample_rate"),
        (RAW | {"channels": 2}, AUDIO, "audio_format.channels"),
        ({"type": "file", "name": "x"}, AUDIO, "audio_format.name"),
    ],
)
def test_start_with_bad_audio_names_the_field(audio_format: Any, kind: str, path: str) -> None:
    refused, reason = refusal(start(audio_format=audio_format))
    assert (refused, reason.partition(":")[0]) == (kind, path)


@pytest.mark.parametrize(
    ("field", "value", "kind", "path"),
    [
        ("language", 5, "invalid_language", "language"),
        ("language", "", "invalid_language", "language"),
        ("model", "huge", "invalid_model", "model"),
        ("operating_point", "huge", "invalid_model", "operating_point"),
        ("max_delay", 0.69, CONFIG, "max_delay"),
        ("max_delay", 4.01, CONFIG, "max_delay"),
        ("max_delay", True, CONFIG, "max_delay"),
        ("max_delay_mode", "often", CONFIG, "max_delay_mode"),
        ("enable_partials", "yes", CONFIG, "enable_partials"),
        ("enable_entities", 1, CONFIG, "enable_entities"),
        ("diarization", "speakers", CONFIG, "diarization"),
        ("additional_vocab", "gnocchi", CONFIG, "additional_vocab"),
        ("additional_vocab", [""], CONFIG, "additional_vocab.0"),
        ("additional_vocab", ["a", {"sounds_like": ["b"]}], CONFIG, "additional_vocab.1.content"),
        (
            "additional_vocab",
            [{"content": "a", "sounds_like": []}],
            CONFIG,
            "additional_vocab.0.sounds_like",
        ),
        (
            "conversation_config",
            {"end_of_utterance_silence_trigger": 2.1},
            CONFIG,
            "conversation_config.end_of_utterance_silence_trigger",
        ),
        (
            "speaker_diarization_config",
            {"max_speakers": 1},
            CONFIG,
            "speaker_diarization_config.max_speakers",
        ),
        (
            "speaker_diarization_config",
            {"max_speakers": 101},
            CONFIG,
            "speaker_diarization_config.max_speakers",
        ),
        (
            "speaker_diarization_config",
            {"speakers": [{"label": "S1", "speaker_identifiers": ["a"]}]},
            CONFIG,
            "speaker_diarization_config.speakers.0.label",
        ),
        (
            "speaker_diarization_config",
            {"speakers": [{"label": " Ann", "speaker_identifiers": ["a"]}]},
            CONFIG,
            "speaker_diarization_config.speakers.0.label",
        ),
        (
            "speaker_diarization_config",
            {"speakers": [{"label": "Ann", "speaker_identifiers": ["a", "a"]}]},
            CONFIG,
            "speaker_diarization_config.speakers.0.speaker_identifiers",
        ),
        (
            "speaker_diarization_config",
            {"speakers": [{"label": "Ann", "speaker_identifiers": [str(i) for i in range(51)]}]},
            CONFIG,
            "speaker_diarization_config",
        ),
        (
            "audio_filtering_config",
            {"volume_threshold": 101},
            CONFIG,
            "audio_filtering_config.volume_threshold",
        ),
        (
            "transcript_filtering_config",
            {"replacements": [{"from": "a"}]},
            CONFIG,
            "transcript_filtering_config.replacements.0.to",
        ),
        (
            "punctuation_overrides",
            {"permitted_marks": ["..."]},
            CONFIG,
            "punctuation_overrides.permitted_marks.0",
        ),
        (
            "punctuation_overrides",
            {"sensitivity": 1.5},
            CONFIG,
            "punctuation_overrides.sensitivity",
        ),
        ("made_up", 1, CONFIG, "made_up"),
    ],
)
def test_start_with_a_bad_field_names_it(field: str, value: Any, kind: str, path: str) -> None:
    refused, reason = refusal(start(transcription_config={"language": "en", field: value}))
    assert (refused, reason.partition(":")[0]) == (kind, f"transcription_config.{path}")


def test_start_refuses_null_where_a_field_may_be_left_out() -> None:
    assert refusal(start(transcription_config={"language": "en", "domain": None})) == (
        "invalid_config",
        "transcription_config.domain: null is no value; leave the field out",
    )


def test_start_without_language_is_an_invalid_language() -> None:
    assert refusal(start(transcription_config={})) == (
        "invalid_language",
        "transcription_config.language: Field required",
    )


def test_start_refuses_a_sixth_translation_target() -> None:
    targets = {"target_languages": ["de", "fr", "es", "it", "nl", "pl"]}
    kind, reason = refusal(start(translation_config=targets))
    assert (kind, reason.partition(":")[0]) == (CONFIG, "translation_config.target_languages")


def test_start_names_an_unknown_field_at_the_top() -> None:
    expected = (CONFIG, "colour: Extra inputs are not permitted")
    assert refusal(start(colour="red")) == expected


def test_start_names_every_bad_field() -> None:
    config = {"language": "en", "max_delay": 9, "made_up": 1}
    _, reason = refusal(start(transcription_config=config))
    assert [sentence.partition(":")[0] for sentence in reason.split("; ")] == [
        "transcription_config.max_delay",
        "transcription_config.made_up",
    ]
