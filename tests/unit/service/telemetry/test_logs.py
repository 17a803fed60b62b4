"""The form of log lines, and what never gets into one."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from speechmq.settings import LogSettings, Settings
from speechmq.telemetry.logs import configure_logs, get_logger

KEY = "key-that-must-not-be-seen"


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """The root logger is the test runner's again afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("speechmq")
    noisy = [logging.getLogger(name) for name in ("aiormq", "aio_pika")]
    levels = [(one, one.level) for one in (root, ours, *noisy)]
    handlers = root.handlers
    yield
    root.handlers = handlers
    for logger, level in levels:
        logger.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_line_is_one_json_object_with_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogSettings(format="json"), ())
    get_logger("speechmq.some").warning("broker_lost", retry_in=0.5, reason="two\nlines")
    [line] = lines(capsys)
    assert isinstance(line.pop("time"), str)
    assert line == {
        "event": "broker_lost",
        "level": "warning",
        "logger": "speechmq.some",
        "retry_in": 0.5,
        "reason": "two\nlines",
    }


def test_library_has_one_event_name_and_its_sentence_beside(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(LogSettings(format="json"), ())
    logging.getLogger("websockets.client").warning("%s of %d", "one", 2)
    logging.getLogger("websockets.client").info("> BINARY 00 01 02")
    [line] = lines(capsys)
    assert (line["event"], line["message"]) == ("library", "one of 2")


def test_level_is_ours_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """At DEBUG, websockets would write audio and the header with the key."""
    configure_logs(LogSettings(format="json", level="DEBUG"), ())
    get_logger("speechmq.some").debug("control_plane_gone")
    logging.getLogger("websockets.client").debug("> Authorization: Bearer %s", KEY)
    assert [line["event"] for line in lines(capsys)] == ["control_plane_gone"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_secret_is_hidden_wherever_it_stands(capsys: pytest.CaptureFixture[str], form: str) -> None:
    configure_logs(LogSettings.model_validate({"format": form}), (KEY, "p@ss/word"))
    log = get_logger("speechmq.some")
    log.error("worker_failed", reason=f"refused {KEY}", url="amqp://u:p%40ss%2Fword@host/")
    logging.getLogger("aiohttp").warning("Bearer %s", KEY)
    try:
        raise RuntimeError(KEY)
    except RuntimeError:
        log.exception("stream_crashed", stream_id="s")
    told = capsys.readouterr().err
    assert "stream_crashed" in told
    assert "RuntimeError" in told
    for secret in (KEY, "p@ss/word", "p%40ss%2Fword"):
        assert secret not in told


def test_everyday_words_are_no_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogSettings(format="json"), ("dev",))
    get_logger("speechmq.some").info("worker_ready", host="device")
    assert lines(capsys)[0]["host"] == "device"


def test_secrets_of_the_settings_are_all_found() -> None:
    settings = Settings.model_validate(
        {
            "broker": {"url": "amqp://someone:p%40ss%2Fword@host/"},
            "upstream": {"api_key": KEY},
        }
    )
    assert settings.secrets() >= {KEY, "amqp://someone:p%40ss%2Fword@host/", "p@ss/word"}
