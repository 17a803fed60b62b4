from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.wav_files import write_wav

import speechmq
from speechmq.dev import demo
from speechmq.dev.demo import demo_request, directions, find_sample
from speechmq.dev.stack import Stack, worker
from speechmq.errors import RecordingError

STACK = Stack("amqp://u:p$w@127.0.0.1:1/", "ws://127.0.0.1:2/v2", "key", "http://127.0.0.1:3/v1")


def test_directions_can_be_copied_into_a_shell() -> None:
    assert directions(STACK, "bin/speechmq") == [
        "",
        "broker      amqp://u:p$w@127.0.0.1:1/",
        "recogniser  ws://127.0.0.1:2/v2  (API key key)",
        "",
        "In another terminal:",
        "  bin/speechmq listen --url 'amqp://u:p$w@127.0.0.1:1/'",
        "  bin/speechmq send samples/dialogue-16k-mono.wav --url 'amqp://u:p$w@127.0.0.1:1/'",
        "",
        "Ctrl-C ends it all.",
    ]


def test_directions_do_not_show_the_password_of_a_broker_that_was_given() -> None:
    lines = directions(replace(STACK, given=True), "speechmq")
    assert lines[1] == "broker      $SPEECHMQ_AMQP_URL"
    assert lines[5] == '  speechmq listen --url "$SPEECHMQ_AMQP_URL"'
    assert "p$w" not in "".join(lines)


def test_demo_asks_for_partials_and_ends_of_utterance_in_real_time(tmp_path: Path) -> None:
    request = demo_request(write_wav(tmp_path / "talk.wav", bytes(100)), "abc")
    assert request.start.stream_id == "talk-abc"
    assert request.speed == 1.0
    assert request.start.transcription_config.model_dump(exclude_unset=True) == {
        "language": "en",
        "enable_partials": True,
        "conversation_config": {"end_of_utterance_silence_trigger": 0.2},
    }


def test_sample_is_found_from_the_checkout_or_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(speechmq, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    with pytest.raises(RecordingError, match="name a recording with --file"):
        find_sample()
    sample = tmp_path / demo.SAMPLE
    sample.parent.mkdir()
    sample.touch()
    assert find_sample() == sample


def test_worker_of_the_stack_has_the_callers_settings_but_for_where_things_are() -> None:
    inherited = {
        "SPEECHMQ_SESSION__WINDOW": "2",
        "SPEECHMQ_BROKER__URL": "amqp://production/",
        "SPEECHMQ_BROKER__NAMESPACE": "other",
        "SPEECHMQ_UPSTREAM__API_KEY": "a real one",
        "SPEECHMQ_UPSTREAM__API_KEY_FILE": "/a/real/one",
        "SPEECHMQ_UPSTREAM__FALLBACK_URLS": '["eu"]',
        "SPEECHMQ_UPSTREAM__CREDENTIALS__CLINIC__API_KEY": "a real one",
        "SPEECHMQ_UPSTREAM__PROXY": "http://proxy",
    }
    assert worker(STACK, inherited).environment == {
        "SPEECHMQ_SESSION__WINDOW": "2",
        "SPEECHMQ_BROKER__URL": "amqp://u:p$w@127.0.0.1:1/",
        "SPEECHMQ_BROKER__NAMESPACE": "speechmq",
        "SPEECHMQ_UPSTREAM__URL": "ws://127.0.0.1:2/v2",
        "SPEECHMQ_UPSTREAM__API_KEY": "key",
        "SPEECHMQ_UPSTREAM__MANAGEMENT_URL": "http://127.0.0.1:3/v1",
        "SPEECHMQ_UPSTREAM__PROXY": "direct",
    }
