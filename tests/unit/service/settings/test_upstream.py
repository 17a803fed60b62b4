from pathlib import Path

import pytest

from speechmq.errors import SettingsError
from speechmq.settings import Settings


def test_fallback_urls_are_a_json_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMQ_UPSTREAM__FALLBACK_URLS", '["wss://a/v2", "ws://b/v2"]')
    assert Settings.load().upstream.fallback_urls == ("wss://a/v2", "ws://b/v2")


@pytest.mark.parametrize("urls", ['["http://a"]', '["ws://a/v2", ""]', "{}", '"ws://a/v2"', "[1]"])
def test_fallback_urls_that_are_none_are_refused_by_name(
    urls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECHMQ_UPSTREAM__FALLBACK_URLS", urls)
    with pytest.raises(SettingsError, match="SPEECHMQ_UPSTREAM__FALLBACK_URLS"):
        Settings.load()


@pytest.mark.parametrize("urls", ["wss://a/v2", "[", ""])
def test_fallback_urls_that_are_no_json_are_refused_by_their_section(
    urls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECHMQ_UPSTREAM__FALLBACK_URLS", urls)
    with pytest.raises(SettingsError, match=r"SPEECHMQ_UPSTREAM"):
        Settings.load()


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(f"SPEECHMQ_UPSTREAM__{name}", value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    return str(caught.value).removeprefix("the settings cannot be used: SPEECHMQ_UPSTREAM")


@pytest.mark.parametrize("region", ["eu", "us", "global"])
def test_url_may_be_a_region(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMQ_UPSTREAM__URL", region)
    assert Settings.load().upstream.urls == (f"wss://{region}.rt.speechmatics.com/v2",)


def test_credentials_have_variables_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "API_KEY": "hush-default",
        "CREDENTIALS__CLINIC__API_KEY": "hush-clinic",
        "CREDENTIALS__CLINIC__URL": "ws://clinic:9000/v2",
        "CREDENTIALS__CLINIC__FALLBACK_URLS": '["eu", "ws://clinic:9000/v2"]',
        "CREDENTIALS__CLINIC__MAX_SESSIONS": "7",
        "CREDENTIALS__LAB__AUTH": "temporary_key",
        "CREDENTIALS__LAB__API_KEY": "hush-lab",
    }.items():
        monkeypatch.setenv(f"SPEECHMQ_UPSTREAM__{name}", value)
    settings = Settings.load()
    found = settings.upstream.all_credentials
    assert list(found) == ["default", "clinic", "lab"]
    assert found["clinic"].urls == ("ws://clinic:9000/v2", "wss://eu.rt.speechmatics.com/v2")
    assert (found["clinic"].max_sessions, found["clinic"].auth) == (7, "api_key")
    key = found["clinic"].api_key
    assert key is not None
    assert key.get_secret_value() == "hush-clinic"
    assert found["lab"].auth == "temporary_key"
    assert "hush" not in f"{settings!r} {settings} {settings.redacted()}"


def test_credentials_may_be_one_json_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMQ_UPSTREAM__CREDENTIALS", '{"clinic": {"url": "us"}}')
    urls = Settings.load().upstream.credentials["clinic"].urls
    assert urls == ("wss://us.rt.speechmatics.com/v2",)


def test_key_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("hush-key\n")
    monkeypatch.setenv("SPEECHMQ_UPSTREAM__API_KEY_FILE", str(file))
    settings = Settings.load()
    assert settings.upstream.api_key is not None
    assert settings.upstream.api_key.get_secret_value() == "hush-key"
    assert "hush" not in f"{settings!r} {settings.redacted()}"


def test_file_of_a_key_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    missing = tmp_path / "missing"
    assert refusal(monkeypatch, API_KEY_FILE=str(missing)) == (
        f": Value error, API_KEY_FILE {missing} cannot be read: No such file or directory"
    )
    assert refusal(monkeypatch, API_KEY_FILE=str(empty)) == (
        f": Value error, API_KEY_FILE {empty} is empty"
    )
    assert refusal(monkeypatch, API_KEY="hush") == (
        ": Value error, API_KEY and API_KEY_FILE are both set; one is enough"
    )


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"AUTH": "temporary_key"}, ": Value error, AUTH temporary_key needs API_KEY"),
        ({"AUTH": "jwt"}, "__AUTH: Input should be 'api_key' or 'temporary_key'"),
        ({"API_KEY": "höhö"}, "__API_KEY: Value error, a key has letters"),
        ({"API_KEY": "a\nb"}, "__API_KEY: Value error, a key has letters"),
        ({"CREDENTIALS__A__URL": "mars"}, "__CREDENTIALS__A__URL: Value error, must be a WebSo"),
        ({"CREDENTIALS__DEFAULT__APP": "x"}, "__CREDENTIALS: Value error, 'default' is the one"),
        ({"CREDENTIALS": '{"two words": {}}'}, "__CREDENTIALS__TWO WORDS__[KEY]: String should"),
        ({"MANAGEMENT_URL": "mp.example"}, "__MANAGEMENT_URL: Value error, must be a URL"),
        ({"CA_FILE": "/nowhere/ca.pem"}, "__CA_FILE: Value error, /nowhere/ca.pem holds no"),
        ({"PROXY": "proxy.example:3128"}, "__PROXY: Value error, must be http://host:port"),
        ({"PROXY": "socks5://u:hush@p:1"}, "__PROXY: Value error, must be http://host:port"),
        ({"MAX_SESSIONS": "0"}, "__MAX_SESSIONS: Input should be greater than 0"),
        ({"TEMPORARY_KEY_TTL": "59"}, "__TEMPORARY_KEY_TTL: Input should be greater than or"),
    ],
    ids=str,
)
def test_setting_that_cannot_be_used_is_named(
    variables: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = refusal(monkeypatch, **variables)
    assert found.startswith(told)
    assert "hush" not in found


def test_empty_variables_are_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHMQ_UPSTREAM__API_KEY", "")
    monkeypatch.setenv("SPEECHMQ_UPSTREAM__PROXY", "")
    settings = Settings.load().upstream
    assert (settings.api_key, settings.proxy) == (None, None)
