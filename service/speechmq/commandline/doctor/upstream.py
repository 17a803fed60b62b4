"""The recogniser: whether it is there, takes our keys, and has room for a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr
from websockets.exceptions import InvalidProxy
from yarl import URL

from speechmq.errors import (
    HandshakeRefused,
    KeyRefused,
    KeyUnavailable,
    Trouble,
    UpstreamError,
    UpstreamLost,
    UpstreamUnreachable,
)
from speechmq.settings.upstream import DEFAULT_CREDENTIAL, UpstreamSettings, variable
from speechmq.speechmatics.messages import (
    ErrorReceived,
    InfoReceived,
    RecognitionStarted,
    TranscriptEnded,
    end_of_stream,
    start_recognition,
)
from speechmq.speechmatics.regions import shown
from speechmq.upstream.connection import Connection, open_connection
from speechmq.upstream.network import PROXY_SETTING, PROXY_UNUSABLE
from speechmq.upstream.service import Access, Upstream

from .finding import Finding, Verdict, clock_finding, failed, ok, unknown, warning
from .network import network_findings

SESSION_SECONDS = 15.0
AUDIO_FORMAT = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 16_000}
CONFIG = {"language": "en"}


@dataclass(frozen=True, slots=True)
class Subject:
    """A credential under examination, as findings name it."""

    credential: str = DEFAULT_CREDENTIAL

    def __str__(self) -> str:
        is_default = self.credential == DEFAULT_CREDENTIAL
        return "upstream" if is_default else f"upstream {self.credential}"

    @property
    def url_setting(self) -> str:
        return variable(self.credential, "url")

    @property
    def key_setting(self) -> str:
        return variable(self.credential, "api_key")

    def refusal(self, status: int) -> tuple[str, str]:
        """What an HTTP status means, and what cures it."""
        known = {
            401: ("the key is not valid", f"mend {self.key_setting}"),
            403: (
                "the key may not be used here",
                f"check {self.key_setting}, and that its region is this one",
            ),
            404: (
                "no recogniser at this path",
                f"check the path in {self.url_setting}: it ends in /v2",
            ),
            429: ("too many connections", "wait; if it stays, ask for a higher limit"),
            503: ("it is not available now", "wait; look at the service's status page"),
        }
        return known.get(status, ("it refuses us", "look into its documentation"))


DEFAULT = Subject()


async def upstream_findings(settings: UpstreamSettings) -> AsyncIterator[Finding]:
    """For each credential, at each address that its streams may use."""
    upstream = Upstream(settings, asyncio.get_running_loop().time)
    for access in upstream.everything:
        subject = Subject(access.credential.name)
        key = await _key(access, subject)
        if isinstance(key, Finding):
            yield key
            continue
        if access.credential.makes_keys:
            yield ok(f"{subject} key", "temporary keys are made for it")
        for url in access.urls:
            async for finding in _findings_of(access, url, key, subject):
                yield finding


async def _key(access: Access, subject: Subject) -> SecretStr | Finding | None:
    try:
        return await access.credential.keys.key()
    except KeyRefused as error:
        cure = f"mend {subject.key_setting}, or {variable(subject.credential, 'management_url')}"
        return failed(f"{subject} key", str(error), cure)
    except KeyUnavailable as error:
        setting = variable(subject.credential, "management_url")
        return failed(f"{subject} key", str(error), f"check {setting} and {PROXY_SETTING}")


async def _findings_of(
    access: Access, url: str, key: SecretStr | None, subject: Subject
) -> AsyncIterator[Finding]:
    async for finding in _network_findings(access, url, subject):
        yield finding
        if finding.verdict is Verdict.FAILED:
            return
    try:
        async with open_connection(access.dialling(url), key) as connection:
            yield ok(f"{subject} handshake", f"{shown(url)} lets us in")
            response = connection.socket.response
            date = None if response is None else response.headers.get("Date")
            yield clock_finding(f"{subject} clock", date, datetime.now(UTC))
            async for finding in _session_findings(connection, subject):
                yield finding
    except (HandshakeRefused, UpstreamUnreachable) as error:
        yield handshake_finding(error, subject)


async def _network_findings(access: Access, url: str, subject: Subject) -> AsyncIterator[Finding]:
    """Of the proxy, where there is one: nobody else needs to be reached from here."""
    seconds = access.settings.connect_timeout
    try:
        proxy = access.network.proxy_for(url)
    except InvalidProxy:
        yield failed(
            f"{subject} proxy", PROXY_UNUSABLE, f"mend HTTPS_PROXY, or set {PROXY_SETTING}"
        )
        return
    if proxy is not None:
        async for finding in network_findings(
            f"{subject} proxy", proxy.host, proxy.port, PROXY_SETTING, seconds
        ):
            yield finding
        return
    parts = URL(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    async for finding in network_findings(
        str(subject), str(parts.host), port, subject.url_setting, seconds
    ):
        yield finding


def handshake_finding(
    error: HandshakeRefused | UpstreamUnreachable, subject: Subject = DEFAULT
) -> Finding:
    """Tells apart why there was no WebSocket. The error's own text may hold a token."""
    check = f"{subject} handshake"
    if isinstance(error, HandshakeRefused):
        text, cure = subject.refusal(error.status)
        return failed(check, f"HTTP status {error.status}: {text}", cure)
    match error.trouble:
        case Trouble.TLS:
            return failed(
                f"{subject} TLS",
                f"no TLS connection: {error.detail}",
                "name its CA's certificate in SPEECHMQ_UPSTREAM__CA_FILE, or check for a proxy "
                "between",
            )
        case Trouble.DEADLINE:
            return failed(check, "no answer in time", "look for a proxy or firewall in between")
        case Trouble.PROXY:
            return failed(f"{subject} proxy", error.detail, f"check {PROXY_SETTING}, and its rules")
        case Trouble.PROTOCOL:
            text = f"what answers is no WebSocket server: {error.detail}"
            return failed(check, text, f"check {subject.url_setting}")
        case _:
            cure = f"check that {subject.url_setting} begins with wss:// where TLS is spoken"
            return failed(check, f"the connection broke: {error.detail}", cure)


async def _session_findings(connection: Connection, subject: Subject) -> AsyncIterator[Finding]:
    """Starts a session without audio, and ends it: only then the account is looked at."""
    check = f"{subject} session"
    try:
        async with asyncio.timeout(SESSION_SECONDS):
            quota = await _session(connection)
    except TimeoutError:
        yield failed(check, f"none within {SESSION_SECONDS:g} s", "look at the service's status")
    except _SessionRefused as error:
        yield session_finding(error.code, error.reason, subject)
    except UpstreamLost as error:
        yield session_finding(str(error.code), error.reason, subject)
    except UpstreamError as error:
        yield failed(
            check, str(error), f"check that {subject.url_setting} is a Realtime recogniser"
        )
    else:
        yield ok(check, "recognition starts and ends")
        yield quota_finding(quota, subject)


class _SessionRefused(UpstreamError):
    def __init__(self, received: ErrorReceived) -> None:
        super().__init__(received.reason)
        self.code, self.reason = received.type, received.reason


async def _session(connection: Connection) -> InfoReceived | None:
    """What upstream tells of the account's sessions, if it does."""
    quota: InfoReceived | None = None
    connection.send(start_recognition(AUDIO_FORMAT, CONFIG))
    while True:
        match await connection.receive():
            case RecognitionStarted():
                connection.send(end_of_stream(0))
            case InfoReceived(usage=float() | int()) as told:
                quota = told
            case ErrorReceived() as error:
                raise _SessionRefused(error)
            case TranscriptEnded():
                return quota
            case _:
                pass


def session_finding(code: str, reason: str, subject: Subject = DEFAULT) -> Finding:
    """``code`` is an error's type, or the code that the connection was closed with."""
    check, told = f"{subject} session", f"{code}, {reason}"
    if code in {"not_authorised", "not_allowed", "4001", "4003"}:
        return failed(check, f"the key is refused: {told}", f"mend {subject.key_setting}")
    if code in {"quota_exceeded", "4005"}:
        cure = "end other sessions, or ask for more: until then streams wait"
        return warning(check, f"no session is left: {told}", cure)
    return failed(check, f"refused: {told}", "look the code up in the API's reference")


def quota_finding(told: InfoReceived | None, subject: Subject = DEFAULT) -> Finding:
    """``told`` counts our own session too."""
    check = f"{subject} quota"
    if told is None or told.quota is None or told.usage is None:
        return unknown(check, "upstream did not tell", "see the account's page")
    text = f"{told.usage:.0f} of {told.quota:.0f} sessions in use, ours included"
    if told.usage >= told.quota:
        return warning(check, text, "end other sessions, or ask for more")
    return ok(check, text)
