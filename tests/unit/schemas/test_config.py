from typing import Any

import pytest
from pydantic import ValidationError

from speechmq_schemas.commands import StartStream
from speechmq_schemas.config import (
    FileAudioFormat,
    KnownSpeaker,
    MidSessionConfig,
    PunctuationOverrides,
    RawAudioFormat,
    SpeakerDiarizationConfig,
    TranscriptionConfig,
    WordReplacement,
)


def reasons(model: Any, fields: dict[str, Any]) -> list[tuple[str, str]]:
    """Path and kind of each error."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(fields)
    return [(".".join(map(str, one["loc"])), one["type"]) for one in caught.value.errors()]


def speaker(label: str = "Ann", *identifiers: str) -> dict[str, Any]:
    return {"label": label, "speaker_identifiers": list(identifiers or ("id",))}


@pytest.mark.parametrize(
    "label", ["S1", "S42", "UU", " ", " Ann", "\tAnn", "Ann ", "Ann\n", "A b "]
)
def test_speaker_label_is_refused_when_recognition_could_give_it(label: str) -> None:
    assert reasons(KnownSpeaker, speaker(label)) == [("label", "speaker_label")]


@pytest.mark.parametrize("label", ["Ann", "Ann B", "S", "S1a", "s1", "UUU", "U", "1", "S-1"])
def test_speaker_label_may_be_any_other(label: str) -> None:
    assert KnownSpeaker.model_validate(speaker(label)).label == label


def test_speaker_label_is_not_empty() -> None:
    assert reasons(KnownSpeaker, speaker("")) == [("label", "string_too_short")]


def test_speaker_identifiers_are_unique() -> None:
    assert reasons(KnownSpeaker, speaker("Ann", "a", "b", "a")) == [
        ("speaker_identifiers", "not_unique")
    ]


@pytest.mark.parametrize("identifiers", [25, 26])
def test_speakers_have_fifty_identifiers_together_at_most(identifiers: int) -> None:
    both = [speaker(name, *map(str, range(identifiers))) for name in ("Ann", "Bo")]
    if identifiers == 25:
        SpeakerDiarizationConfig.model_validate({"speakers": both})
    else:
        assert reasons(SpeakerDiarizationConfig, {"speakers": both}) == [
            ("speakers", "too_many_identifiers")
        ]


@pytest.mark.parametrize("mark", [".", "?", "。", "all"])
def test_permitted_mark_is_a_character_or_all(mark: str) -> None:
    assert PunctuationOverrides(permitted_marks=[mark]).permitted_marks == [mark]


@pytest.mark.parametrize("mark", ["", "..", "All", "\n", ".\n", "all "])
def test_permitted_mark_is_nothing_else(mark: str) -> None:
    assert reasons(PunctuationOverrides, {"permitted_marks": [mark]}) == [
        ("permitted_marks.0", "string_pattern_mismatch")
    ]


@pytest.mark.parametrize("language", ["en", "cmn", "cmn_en", "es-419", "cmn_en_ms_ta"])
def test_language_is_a_code_or_a_pack(language: str) -> None:
    assert TranscriptionConfig(language=language).language == language


@pytest.mark.parametrize("language", ["", "e", "en us", "../en", "en\n", "ён", "1en", "e" * 65])
def test_language_is_nothing_else(language: str) -> None:
    assert reasons(TranscriptionConfig, {"language": language}) == [
        ("language", "string_pattern_mismatch")
    ]


@pytest.mark.parametrize(
    "entry", ["", 1, None, {"content": ""}, {"content": "a", "sounds_like": []}]
)
def test_vocabulary_entry_is_a_word_or_an_object(entry: object) -> None:
    fields = {"language": "en", "additional_vocab": ["fine", entry]}
    [(path, _)] = reasons(TranscriptionConfig, fields)
    assert path.startswith("additional_vocab.1.")


def test_list_is_complained_about_once() -> None:
    fields = {"language": "en", "additional_vocab": [""] * 10_000}
    assert len(reasons(TranscriptionConfig, fields)) == 1


def test_unknown_settings_are_kept() -> None:
    config = TranscriptionConfig.model_validate({"language": "en", "brand_new": {"x": [1]}})
    assert config.model_dump(exclude_unset=True) == {"language": "en", "brand_new": {"x": [1]}}


@pytest.mark.parametrize("value", ["NaN", "[Infinity]", '{"a": {"b": -1e999}}'])
def test_unknown_settings_have_finite_numbers(value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TranscriptionConfig.model_validate_json(f'{{"language": "en", "brand_new": {value}}}')
    assert [(one["loc"], one["type"]) for one in caught.value.errors()] == [
        (("brand_new",), "finite_number")
    ]


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": {"b": float("-inf")}}])
def test_unknown_settings_with_other_numbers_cannot_be_made(value: object) -> None:
    [(path, kind)] = reasons(TranscriptionConfig, {"language": "en", "brand_new": value})
    assert (path.partition(".")[0], kind) == ("brand_new", "finite_number")


@pytest.mark.parametrize("rate", [7_999, 48_001, 16_000.0, "16000", True])
def test_sample_rate_is_a_whole_number_from_8_to_48_khz(rate: object) -> None:
    fields = {"encoding": "mulaw", "sample_rate": rate}
    [(path, _)] = reasons(RawAudioFormat, fields)
    assert path == "sample_rate"


@pytest.mark.parametrize("name", ["audio_filtering_config", "conversation_config"])
def test_change_has_no_unknown_fields_either_that_would_end_the_session(name: str) -> None:
    assert reasons(MidSessionConfig, {"brand_new": 1}) == [("brand_new", "extra_forbidden")]
    assert reasons(MidSessionConfig, {name: {"brand_new": 1}}) == [(name, "unknown_field")]
    assert MidSessionConfig.model_validate({name: {}}).model_fields_set == {name}


MISSING = [
    ("audio_format.(raw).encoding", "missing"),
    ("audio_format.(raw).sample_rate", "missing"),
]


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        ({"type": "mp3"}, [("audio_format", "audio_type")]),
        ("file", [("audio_format", "audio_type")]),
        ({"type": ["file"]}, [("audio_format", "audio_type")]),
        ({"type": "file", "x": 1}, [("audio_format.(file).x", "extra_forbidden")]),
        ({"type": "raw"}, MISSING),
        ({}, MISSING),
    ],
)
def test_audio_of_another_type_is_refused(form: object, wrong: list[tuple[str, str]]) -> None:
    fields = {"stream_id": "s", "audio_format": form, "transcription_config": {"language": "en"}}
    assert reasons(StartStream, fields) == wrong


def test_audio_is_raw_unless_it_says_that_it_is_a_file() -> None:
    def form_of(form: dict[str, Any]) -> object:
        config = {"language": "en"}
        start = {"stream_id": "s", "audio_format": form, "transcription_config": config}
        return StartStream.model_validate(start).audio_format

    assert form_of({"type": "file"}) == FileAudioFormat(type="file")
    raw = {"encoding": "mulaw", "sample_rate": 8_000}
    assert form_of(raw) == RawAudioFormat(encoding="mulaw", sample_rate=8_000)


def test_audio_format_has_no_unknown_fields() -> None:
    fields = {"encoding": "mulaw", "sample_rate": 8_000, "channels": 2}
    assert reasons(RawAudioFormat, fields) == [("channels", "extra_forbidden")]


def test_word_replacement_is_dumped_as_from() -> None:
    replacement = WordReplacement(from_="a", to="b")
    assert replacement.model_dump() == {"from": "a", "to": "b"}
    assert replacement.model_dump_json() == '{"from":"a","to":"b"}'
    assert WordReplacement.model_validate({"from": "a", "to": "b"}) == replacement


def test_stream_of_channels_cannot_be_a_file() -> None:
    fields = {
        "stream_id": "one",
        "audio_format": {"type": "file"},
        "channels": {"layout": "interleaved", "labels": ["a", "b"]},
        "transcription_config": {"language": "en"},
    }
    assert reasons(StartStream, fields)[0] == ("channels", "channels_in_file")
    fields["audio_format"] = {"type": "raw", "encoding": "alaw", "sample_rate": 8_000}
    assert StartStream.model_validate(fields).channels is not None
