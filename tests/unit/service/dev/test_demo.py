import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.wav_files import write_wav

import speechmq
from speechmq.dev import demo
from speechmq.dev.demo import demo_request, directions, environment_file, find_sample
from speechmq.dev.stack import Stack, console, worker
from speechmq.errors import RecordingError

STACK = Stack(
    "amqp://u:p$w@127.0.0.1:1/",
    "ws://127.0.0.1:2/v2",
    "key",
    "http://127.0.0.1:3/v1",
    console_url="http://127.0.0.1:3/",
)


def test_directions_can_be_copied_into_a_shell() -> None:
    assert directions(STACK, "bin/speechmq") == [
        "",
        "broker      amqp://u:p$w@127.0.0.1:1/",
        "recogniser  ws://127.0.0.1:2/v2  (API key key)",
        "console     http://127.0.0.1:3/",
        "",
        "In another terminal, after these lines or `. .speechmq/env`:",
        "  export AMQP_URL='amqp://u:p$w@127.0.0.1:1/'",
        "  export SPEECHMQ_BROKER__URL='amqp://u:p$w@127.0.0.1:1/'",
        "  bin/speechmq listen",
        "  bin/speechmq send samples/dialogue-16k-mono.wav",
        "",
        "Ctrl-C ends it all.",
    ]


def test_shell_that_reads_the_file_has_the_url_until_the_stack_is_gone(tmp_path: Path) -> None:
    path = tmp_path / ".speechmq" / "env"
    with environment_file(path, STACK):
        assert path.stat().st_mode & 0o777 == 0o600
        shell = ["sh", "-c", f'. "{path}"; printf "%s %s" "$AMQP_URL" "$SPEECHMQ_BROKER__URL"']
        told = subprocess.run(shell, capture_output=True, text=True, check=True)
    assert told.stdout == f"{STACK.amqp_url} {STACK.amqp_url}"
    assert not path.exists()


def test_directions_do_not_show_the_password_of_a_broker_that_was_given() -> None:
    lines = directions(replace(STACK, given=True), "speechmq")
    assert lines[1] == "broker      $SPEECHMQ_AMQP_URL"
    assert lines[6] == '  export AMQP_URL="$SPEECHMQ_AMQP_URL"'
    assert "p$w" not in "".join(lines)


def test_directions_tell_how_to_get_a_console_that_is_not_installed() -> None:
    lines = directions(replace(STACK, console_url=None), "speechmq")
    assert lines[3] == "console     is not installed here: pip install 'speechmq[console]'"


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


def test_console_of_the_stack_listens_to_its_broker_on_a_free_port() -> None:
    program = console(STACK, {"PATH": "/bin", "SPEECHMQ_BROKER__URL": "amqp://production/"})
    assert program.command[-3:] == ("console", "--listen", "127.0.0.1:0")
    assert program.environment == {
        "PATH": "/bin",
        "SPEECHMQ_BROKER__URL": "amqp://u:p$w@127.0.0.1:1/",
        "SPEECHMQ_BROKER__NAMESPACE": "speechmq",
    }


def test_worker_of_the_stack_has_the_callers_settings_but_for_where_things_are() -> None:
    inherited = {
        "SPEECHMQ_SESSION__WINDOW": "2",
        "SPEECHMQ_BROKER__URL": "amqp://production/",
        "SPEECHMQ_BROKER__NAMESPACE": "other",
        "SPEECHMQ_UPSTREAM__API_KEY": "a real one",
        "SPEECHMQ_LOG__FORMAT": "json",
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
        "SPEECHMQ_LOG__FORMAT": "console",
        "SPEECHMQ_UPSTREAM__MANAGEMENT_URL": "http://127.0.0.1:3/v1",
        "SPEECHMQ_UPSTREAM__PROXY": "direct",
    }
