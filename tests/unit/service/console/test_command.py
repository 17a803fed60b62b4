from __future__ import annotations

import pytest
from typer.testing import CliRunner

from speechmq import cli
from speechmq.console.command import (
    LOOPBACK_NAMES,
    access_from,
    allowed_hosts,
    is_loopback,
    page_url,
    split_address,
)
from speechmq.errors import RequestError


@pytest.mark.parametrize(
    ("listen", "address", "url"),
    [
        ("127.0.0.1:8642", ("127.0.0.1", 8642), "http://127.0.0.1:8642/"),
        ("localhost:0", ("localhost", 0), "http://localhost:0/"),
        ("[::1]:80", ("::1", 80), "http://[::1]:80/"),
        ("0.0.0.0:80", ("0.0.0.0", 80), "http://127.0.0.1:80/"),  # noqa: S104
        ("[::]:80", ("::", 80), "http://[::1]:80/"),
        ("host.example:80", ("host.example", 80), "http://host.example:80/"),
    ],
)
def test_address_is_host_and_port(listen: str, address: tuple[str, int], url: str) -> None:
    assert split_address(listen) == address
    assert page_url(*address) == url


@pytest.mark.parametrize("listen", ["", "8642", ":8642", "host", "host:", "a:b", "a:70000", "a:²"])
def test_address_that_is_none_is_refused(listen: str) -> None:
    with pytest.raises(RequestError, match="--listen looks like"):
        split_address(listen)


def test_on_loopback_only_names_of_loopback_are_answered() -> None:
    assert allowed_hosts("127.0.0.5") == ["localhost", "127.0.0.1", "::1", "[::1]", "127.0.0.5"]
    assert allowed_hosts("0.0.0.0") == LOOPBACK_NAMES  # noqa: S104
    assert allowed_hosts("10.0.0.1", ["console.example"]) == [
        *LOOPBACK_NAMES,
        "10.0.0.1",
        "console.example",
    ]
    assert [is_loopback(one) for one in ("::1", "localhost", "10.0.0.1", "x.example")] == [
        True,
        True,
        False,
        False,
    ]


def test_command_says_what_is_missing_when_the_extra_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli, "console_is_installed", lambda: False)
    result = CliRunner().invoke(cli.app, ["console"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "speechmq: the page's web server is not installed here: pip install 'speechmq[console]'\n"
    )


@pytest.mark.parametrize(
    ("environment", "header", "reason"),
    [
        ({"SPEECHMQ_CONSOLE_TOKEN": "x" * 16}, "X-User", "both given"),
        ({"SPEECHMQ_CONSOLE_TOKEN": "x" * 15}, None, "shorter than 16"),
    ],
)
def test_login_that_is_none_is_refused(
    environment: dict[str, str], header: str | None, reason: str
) -> None:
    with pytest.raises(RequestError, match=reason):
        access_from(environment, header)


def test_console_shows_nothing_beyond_this_machine_without_a_login() -> None:
    result = CliRunner(env={"SPEECHMQ_CONSOLE_TOKEN": ""}).invoke(
        cli.app, ["console", "--listen", "0.0.0.0:0"]
    )
    assert (result.exit_code, result.stdout) == (2, "")
    assert "set SPEECHMQ_CONSOLE_TOKEN, or name the header" in result.stderr
