from pathlib import Path

import pytest
from scripts.generate_settings import PAGE, page

from speechmq.core.values.spec import Limits
from speechmq.errors import SettingsError
from speechmq.settings import SessionSettings, Settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BROKER__URL", "UPSTREAM__URL", "UPSTREAM__API_KEY", "WORKER__CAPACITY"):
        monkeypatch.delenv(f"SPEECHMQ_{name}", raising=False)


def test_settings_come_from_nested_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMQ_UPSTREAM__URL", "ws://localhost:9000/v2")
    monkeypatch.setenv("SPEECHMQ_WORKER__CAPACITY", "7")
    settings = Settings.load()
    assert (settings.upstream.url, settings.worker.capacity) == ("ws://localhost:9000/v2", 7)


def test_session_settings_are_the_cores_limits_one_to_one() -> None:
    assert SessionSettings().limits() == Limits()


def test_error_names_each_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMQ_WORKER__CAPACITY", "many")
    monkeypatch.setenv("SPEECHMQ_BROKER__URL", "http://x")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert str(caught.value) == (
        "the settings cannot be used: "
        "SPEECHMQ_BROKER__URL: Value error, must begin with amqp:// or amqps://; "
        "SPEECHMQ_WORKER__CAPACITY: Input should be a valid integer, unable to parse string as an "
        "integer"
    )


@pytest.mark.parametrize("url", ["http://x", "ws://", "ws://h:port/v2", "wss://[::1", ""])
def test_upstream_url_that_is_none_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMQ_UPSTREAM__URL", url)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert str(caught.value) == (
        "the settings cannot be used: SPEECHMQ_UPSTREAM__URL: "
        "Value error, must be a WebSocket URL: ws://host:port/v2 or wss://…, "
        "or one of eu, us, global"
    )


def test_secrets_show_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMQ_UPSTREAM__API_KEY", "hush-key")
    monkeypatch.setenv("SPEECHMQ_BROKER__URL", "amqp://me:hush-password@broker/")
    settings = Settings.load()
    printed = f"{settings!r} {settings} {settings.redacted()}"
    assert "hush" not in printed
    assert settings.redacted()["upstream"]["api_key"] == "**********"


def test_several_addresses_of_the_broker_are_one_secret_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls = ("amqp://me:hush,one@a/", "amqps://me:hush-two@b:5671/")
    monkeypatch.setenv("SPEECHMQ_BROKER__URL", ", ".join(urls))
    settings = Settings.load()
    assert settings.broker.urls == urls
    assert {"hush,one", "hush-two"} <= settings.secrets()


def test_page_of_settings_is_up_to_date() -> None:
    assert Path(PAGE).read_text() == page()
    assert "| |\n" not in page(), "a setting has no description"
