from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from aiormq.exceptions import (
    AMQPConnectionError,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from speechmq.commandline.doctor.broker import login_finding, numbers, version_finding
from speechmq.commandline.doctor.finding import Finding, Verdict, clock_finding
from speechmq.commandline.doctor.timeouts import timeout_finding, usual_url
from speechmq.commandline.doctor.upstream import (
    handshake_finding,
    quota_finding,
    session_finding,
)
from speechmq.errors import HandshakeRefused, Trouble, UpstreamUnreachable
from speechmq.speechmatics.messages import InfoReceived
from speechmq.speechmatics.regions import shown

NOW = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "verdict", "told"),
    [
        ("Sun, 22 Nov 2026 12:00:27 GMT", "ok", "agrees with it within 5 s"),
        ("Sun, 22 Nov 2026 11:59:30 GMT", "warning", "60 s ahead of its clock"),
        ("Sun, 22 Nov 2026 12:01:00 GMT", "warning", "30 s behind its clock"),
        ("Sun, 22 Nov 2026 12:01:00", "unknown", "bears no date"),
        ("yesterday", "unknown", "bears no date"),
        (None, "unknown", "bears no date"),
    ],
)
def test_clocks_are_compared(date: str | None, verdict: str, told: str) -> None:
    found = clock_finding("clock", date, NOW)
    assert (found.verdict, told in found.text) == (verdict, True)


@pytest.mark.parametrize(
    ("version", "parsed", "verdict"),
    [
        ("3.10.8", (3, 10, 8), "ok"),
        ("4.0.5-rc.1", (4, 0, 5), "ok"),
        ("3.9.29", (3, 9, 29), "failed"),
        ("", (), "unknown"),
        ("next", (), "unknown"),
    ],
)
def test_version_is_compared_by_its_numbers(
    version: str, parsed: tuple[int, ...], verdict: str
) -> None:
    assert (numbers(version), version_finding(version).verdict) == (parsed, verdict)


@pytest.mark.parametrize(
    ("version", "queue", "verdict"),
    [
        ((3, 11), None, "unknown"),
        ((), None, "unknown"),
        ((3, 12), None, "ok"),
        ((4, 0), {"effective_policy_definition": {"consumer-timeout": 60_000}}, "warning"),
        ((4, 0), {"effective_policy_definition": {}}, "ok"),
        ((4, 0), {"effective_policy_definition": []}, "ok"),
    ],
)
def test_timeout_of_claims_is_told_by_version_and_policy(
    version: tuple[int, ...], queue: dict[str, Any] | None, verdict: str
) -> None:
    assert timeout_finding(version, queue).verdict == verdict


def test_password_is_not_offered_to_a_guessed_port_in_the_clear() -> None:
    assert usual_url("amqp://u:p@host:5672/") == "http://host:15672"
    assert usual_url("amqp://u:p@[::1]/") == "http://[::1]:15672"
    assert usual_url("amqps://u:p@host/") is None


@pytest.mark.parametrize(
    ("error", "check", "told"),
    [
        (
            ProbableAuthenticationError("ACCESS_REFUSED - Login was refused"),
            "broker login",
            "user or password refused: ACCESS_REFUSED - Login was refused",
        ),
        (
            InvalidFrameError("Expected one of ['Connection.OpenOk'], got Close"),
            "broker vhost",
            "h:1/v is refused: there is no such vhost, or the user has no permissions in it",
        ),
        (
            AMQPConnectionError(1, "[SSL] wrong"),
            "broker TLS",
            "no TLS connection: [SSL] wrong",
        ),
        (AMQPConnectionError("reset"), "broker login", "no AMQP connection: reset"),
    ],
)
def test_refusals_of_the_broker_are_told_apart(error: Exception, check: str, told: str) -> None:
    found = login_finding("h:1/v", error)
    assert (found.check, found.verdict, found.text) == (check, "failed", told)


URL = "wss://host/v2?jwt=secret"


@pytest.mark.parametrize(
    ("error", "check", "told"),
    [
        (
            HandshakeRefused(URL, 401, "KEY"),
            "upstream handshake",
            "HTTP status 401: the key is not valid",
        ),
        (HandshakeRefused(URL, 418, "KEY"), "upstream handshake", "HTTP status 418: it refuses us"),
        (
            UpstreamUnreachable(URL, Trouble.DEADLINE),
            "upstream handshake",
            "no answer in time",
        ),
        (
            UpstreamUnreachable(URL, Trouble.NETWORK, "ConnectionResetError"),
            "upstream handshake",
            "the connection broke: ConnectionResetError",
        ),
    ],
)
def test_refusals_of_upstream_are_told_apart_without_the_url(
    error: Any, check: str, told: str
) -> None:
    found = handshake_finding(error)
    assert (found.check, found.verdict, found.text) == (check, "failed", told)
    assert "secret" not in "".join(found.lines())


def test_shown_url_has_no_credentials() -> None:
    assert shown("wss://u:p@host:9000/v2?jwt=secret#x") == "wss://host:9000/v2"


def test_session_refusals_are_failures_unless_the_account_is_full() -> None:
    codes = ["not_authorised", "4001", "quota_exceeded", "4005", "invalid_model"]
    found = [session_finding(code, "why").verdict for code in codes]
    assert found == ["failed", "failed", "warning", "warning", "failed"]


def test_quota_is_told_as_far_as_it_is_known() -> None:
    full = InfoReceived(type="concurrent_session_usage", usage=2, quota=2)
    room = InfoReceived(type="concurrent_session_usage", usage=1, quota=2)
    found = [quota_finding(one) for one in (full, room, None)]
    assert [(one.verdict, one.text) for one in found] == [
        ("warning", "2 of 2 sessions in use, ours included"),
        ("ok", "1 of 2 sessions in use, ours included"),
        ("unknown", "upstream did not tell"),
    ]


def test_finding_is_one_line_and_one_for_its_cure() -> None:
    found = Finding("clock", Verdict.WARNING, "wrong", "mend it")
    assert list(found.lines()) == [
        "warning  clock              wrong",
        "                            -> mend it",
    ]
    assert found.json_line() == (
        '{"check": "clock", "verdict": "warning", "text": "wrong", "cure": "mend it"}'
    )
