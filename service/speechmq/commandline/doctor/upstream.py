"""The recogniser: whether it is there, takes our key, and has room for a session."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from websockets.exceptions import InvalidHandshake
from yarl import URL

from speechmq.errors import HandshakeRefused, UpstreamError, UpstreamLost, UpstreamUnreachable
from speechmq.settings import UpstreamSettings
from speechmq.upstream.connection import Connection, open_connection
from speechmq.upstream.messages import (
    ErrorReceived,
    InfoReceived,
    RecognitionStarted,
    TranscriptEnded,
    end_of_stream,
    start_recognition,
)

from .finding import Finding, Verdict, clock_finding, failed, ok, unknown, warning
from .network import network_findings, tls_reason

URL_SETTING = "SPEECHMQ_UPSTREAM__URL"
KEY_SETTING = "SPEECHMQ_UPSTREAM__API_KEY"
SESSION_SECONDS = 15.0
AUDIO_FORMAT = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 16_000}
CONFIG = {"language": "en"}

# By HTTP status: what it means, and what cures it.
REFUSALS = {
    401: ("the key is not valid", f"mend {KEY_SETTING}"),
    403: ("the key may not be used here", f"check {KEY_SETTING}, and that its region is this one"),
    404: (
        "no recogniser at this path",
        f"check the path in {URL_SETTING}: it ends in /v2",
    ),
    429: ("too many connections", "wait; if it stays, ask for a higher limit"),
    503: ("it is not available now", "wait; look at the service's status page"),
}


async def upstream_findings(settings: UpstreamSettings) -> AsyncIterator[Finding]:
    """For each address that a stream may use."""
    for url in (settings.url, *settings.fallback_urls):
        async for finding in _findings_of(settings, url):
            yield finding


async def _findings_of(settings: UpstreamSettings, url: str) -> AsyncIterator[Finding]:
    parts, seconds = URL(url), settings.connect_timeout
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    async for finding in network_findings("upstream", str(parts.host), port, URL_SETTING, seconds):
        yield finding
        if finding.verdict is Verdict.FAILED:
            return
    try:
        async with open_connection(settings, url) as connection:
            yield ok("upstream handshake", f"{shown(url)} lets us in")
            response = connection.socket.response
            date = None if response is None else response.headers.get("Date")
            yield clock_finding("upstream clock", date, datetime.now(UTC))
            async for finding in _session_findings(connection):
                yield finding
    except (HandshakeRefused, UpstreamUnreachable) as error:
        yield handshake_finding(error)


def shown(url: str) -> str:
    """What may be shown of a URL: a token may be in its query."""
    return str(URL(url).with_user(None).with_query(None).with_fragment(None))


def handshake_finding(error: HandshakeRefused | UpstreamUnreachable) -> Finding:
    """Tells apart why there was no WebSocket. The error's own text may hold a token."""
    check, cause = "upstream handshake", error.__cause__
    if isinstance(error, HandshakeRefused):
        text, cure = REFUSALS.get(error.status, ("it refuses us", "look into its documentation"))
        return failed(check, f"HTTP status {error.status}: {text}", cure)
    if isinstance(cause, ssl.SSLError):
        return failed(
            "upstream TLS",
            f"no TLS connection: {tls_reason(cause)}",
            "add the CA to those that this machine trusts, or check for a proxy in between",
        )
    if isinstance(cause, TimeoutError):
        return failed(check, "no answer in time", "look for a proxy or firewall in between")
    if isinstance(cause, InvalidHandshake):
        text = f"what answers is no WebSocket server: {type(cause).__name__}"
        return failed(check, text, f"check {URL_SETTING}")
    text = f"the connection broke: {type(cause).__name__}"
    return failed(check, text, f"check that {URL_SETTING} begins with wss:// where TLS is spoken")


async def _session_findings(connection: Connection) -> AsyncIterator[Finding]:
    """Starts a session without audio, and ends it: only then the account is looked at."""
    check = "upstream session"
    try:
        async with asyncio.timeout(SESSION_SECONDS):
            quota = await _session(connection)
    except TimeoutError:
        yield failed(check, f"none within {SESSION_SECONDS:g} s", "look at the service's status")
    except _SessionRefused as error:
        yield session_finding(error.code, error.reason)
    except UpstreamLost as error:
        yield session_finding(str(error.code), error.reason)
    except UpstreamError as error:
        yield failed(check, str(error), f"check that {URL_SETTING} is a Realtime recogniser")
    else:
        yield ok(check, "recognition starts and ends")
        yield quota_finding(quota)


class _SessionRefused(UpstreamError):
    def __init__(self, received: ErrorReceived) -> None:
        super().__init__(received.reason)
        self.code, self.reason = received.type, received.reason


async def _session(connection: Connection) -> InfoReceived | None:
    """What upstream tells of the account's sessions, if it does."""
    quota: InfoReceived | None = None
    await connection.send(start_recognition(AUDIO_FORMAT, CONFIG))
    while True:
        match await connection.receive():
            case RecognitionStarted():
                await connection.send(end_of_stream(0))
            case InfoReceived(usage=float() | int()) as told:
                quota = told
            case ErrorReceived() as error:
                raise _SessionRefused(error)
            case TranscriptEnded():
                return quota
            case _:
                pass


def session_finding(code: str, reason: str) -> Finding:
    """``code`` is an error's type, or the code that the connection was closed with."""
    told = f"{code}, {reason}"
    if code in {"not_authorised", "not_allowed", "4001", "4003"}:
        return failed("upstream session", f"the key is refused: {told}", f"mend {KEY_SETTING}")
    if code in {"quota_exceeded", "4005"}:
        cure = "end other sessions, or ask for more: until then streams wait"
        return warning("upstream session", f"no session is left: {told}", cure)
    return failed("upstream session", f"refused: {told}", "look the code up in the API's reference")


def quota_finding(told: InfoReceived | None) -> Finding:
    """``told`` counts our own session too."""
    if told is None or told.quota is None or told.usage is None:
        return unknown("upstream quota", "upstream did not tell", "see the account's page")
    text = f"{told.usage:.0f} of {told.quota:.0f} sessions in use, ours included"
    if told.usage >= told.quota:
        return warning("upstream quota", text, "end other sessions, or ask for more")
    return ok("upstream quota", text)
