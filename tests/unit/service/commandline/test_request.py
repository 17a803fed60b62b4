import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmq.commandline.recording import Recording
from speechmq.commandline.request import (
    STREAM_ID,
    Wishes,
    checked_stream_id,
    new_stream_id,
    read_config,
    start_stream,
)
from speechmq.errors import RequestError
from speechmq_schemas import CommandMessage, from_command, to_command

RECORDING = Recording(Path("x.wav"), "pcm_f32le", 22_050, 44, 1000)


def test_wishes_by_default_are_english_with_partials() -> None:
    assert Wishes().over({}) == {"language": "en", "enable_partials": True}


def test_config_is_stronger_than_defaults_and_wishes_than_the_config() -> None:
    config = {
        "language": "de",
        "enable_partials": False,
        "max_delay": 1,
        "conversation_config": {"other": 1, "end_of_utterance_silence_trigger": 2},
    }
    assert Wishes().over(config) == config
    assert Wishes("fr", 2.0, 0.0).over(config) == {
        "language": "fr",
        "enable_partials": False,
        "max_delay": 2.0,
        "conversation_config": {"other": 1, "end_of_utterance_silence_trigger": 0.0},
    }


def test_start_survives_the_way_to_the_worker_with_unknown_fields() -> None:
    start = start_stream("a-1", RECORDING, Wishes().over({"new_field": {"deep": [1]}}))
    assert to_command(from_command("a-1", start)) == CommandMessage(start)
    assert start.model_dump(exclude_unset=True) == {
        "stream_id": "a-1",
        "audio_format": {"type": "raw", "encoding": "pcm_f32le", "sample_rate": 22_050},
        "transcription_config": {
            "language": "en",
            "enable_partials": True,
            "new_field": {"deep": [1]},
        },
    }


def test_start_names_the_credential_and_the_region_that_are_asked_for() -> None:
    start = start_stream("a", RECORDING, {"language": "en"}, credential="clinic", region="eu")
    assert (start.credential, start.region) == ("clinic", "eu")


def test_credential_that_is_no_name_is_refused() -> None:
    with pytest.raises(RequestError, match="credential: String should match pattern"):
        start_stream("a", RECORDING, {"language": "en"}, credential="two words")


def test_start_is_refused_with_every_wrong_field() -> None:
    with pytest.raises(RequestError) as raised:
        start_stream("a", RECORDING, Wishes("", 9.0, 3.0).over({}))
    fields = re.findall(r"transcription_config\.([a-z_.]+):", str(raised.value))
    assert fields == [
        "language",
        "max_delay",
        "conversation_config.end_of_utterance_silence_trigger",
    ]


def test_conversation_config_that_is_no_object_is_refused_not_broken_on() -> None:
    with pytest.raises(RequestError, match="conversation_config"):
        start_stream("a", RECORDING, Wishes(None, None, 1.0).over({"conversation_config": "x"}))


@pytest.mark.parametrize("wrong", ["", "a.b", "a b", "#", "*", "ä", "a\n", "x" * 129])
def test_stream_id_is_one_word_of_a_routing_key(wrong: str) -> None:
    with pytest.raises(RequestError, match="cannot be a stream id: 1 to 128 letters"):
        checked_stream_id(wrong)


@pytest.mark.parametrize("right", ["a", "A-1_b", "x" * 128])
def test_stream_id_is_taken_as_it_is(right: str) -> None:
    assert checked_stream_id(right) == right


def test_new_stream_id_reads_like_the_file_and_ends_with_the_token() -> None:
    ids = [new_stream_id(Path(name), "7f3a") for name in ("a/My call (2).wav", "…wav", "x" * 200)]
    assert ids == ["My-call-2-7f3a", "wav-7f3a", f"{'x' * 48}-7f3a"]


def test_new_stream_id_has_a_name_of_its_own_where_the_file_has_none_to_give() -> None:
    assert new_stream_id(Path("éß.wav"), "1") == "stream-1"


@given(st.text(min_size=1).filter(lambda name: "/" not in name and "\0" not in name))
def test_new_stream_id_is_always_a_stream_id(name: str) -> None:
    assert STREAM_ID.fullmatch(new_stream_id(Path(name), "0a1b2c"))


def test_config_is_read_from_the_option_and_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"language": "de"}')
    assert read_config('{"domain": "finance"}') == {"domain": "finance"}
    assert read_config(f"@{file}") == {"language": "de"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "--config is not JSON: Expecting property name"),
        ("[1]", "--config is not a JSON object, as in"),
        ("@/no/such/file", "/no/such/file cannot be read: "),
    ],
)
def test_config_is_refused_with_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(RequestError, match=re.escape(said)):
        read_config(text)


def test_config_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match="cannot be read"):
        read_config(f"@{file}")
