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
