"""The upstream as a worker sees it: its credentials, and which addresses a stream may use.

Every worker of a fleet has the same ones: any of them may admit a stream that another runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from speechmq_schemas import (
    ContractError,
    CreateTemporaryKey,
    FieldError,
    StartStream,
    TemporaryKey,
)

from ..errors import UNAUTHORISED, HandshakeRefused
from ..settings.upstream import DEFAULT_CREDENTIAL, CredentialSettings, UpstreamSettings, variable
from ..speechmatics.messages import ErrorReceived, InfoReceived, RecognitionStarted
from ..speechmatics.regions import address_of, shown
from .account import Account
from .connection import Connection, Dialling, Message, open_connection
from .keys import Keys, OwnKey, TemporaryKeys
from .management import ManagementApi
from .network import Network


class Credential:
    """One account: where it is served, its key, and its sessions."""

    def __init__(
        self,
        name: str,
        settings: CredentialSettings,
        upstream: UpstreamSettings,
        network: Network,
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self.urls = settings.urls
        self.app = settings.app
        self.account = Account(clock, name=name, limit=settings.max_sessions)
        self.key_setting = variable(name, "api_key")
        self.api = _api(settings, upstream, network, self.key_setting)
        self.keys: Keys = OwnKey(settings.api_key)
        self.makes_keys = self.api is not None and settings.auth == "temporary_key"
        if self.api is not None and self.makes_keys:
            self.keys = TemporaryKeys(self.api.create_key, settings.temporary_key_ttl, clock)


def _api(
    settings: CredentialSettings, upstream: UpstreamSettings, network: Network, key_setting: str
) -> ManagementApi | None:
    """Nothing for who has no key to ask it with."""
    if settings.api_key is None:
        return None
    return ManagementApi(
        network,
        settings.management_url,
        settings.api_key,
        key_setting=key_setting,
        timeout=upstream.connect_timeout,
    )


class Upstream:
    """All credentials of this worker. ``accounts`` tells of their sessions, by name."""

    def __init__(self, settings: UpstreamSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._network = Network.of(settings)
        self._credentials = {
            name: Credential(name, one, settings, self._network, clock)
            for name, one in settings.all_credentials.items()
        }

    @property
    def accounts(self) -> Mapping[str, Account]:
        return {name: one.account for name, one in self._credentials.items()}

    @property
    def everything(self) -> tuple[Access, ...]:
        """All that may be used, by credential."""
        return tuple(
            Access(one, one.urls, self._settings, self._network)
            for one in self._credentials.values()
        )

    def access(self, start: StartStream) -> Access:
        """What ``start`` may use. Raises ``ContractError`` that names the field at fault."""
        credential = self._credential(start, start.credential)
        urls = credential.urls
        if start.region is not None:
            # Who names a region is not moved to another.
            urls = (_allowed(credential, start.region),)
        return Access(credential, urls, self._settings, self._network)

    def _credential(
        self, command: StartStream | CreateTemporaryKey, name: str | None
    ) -> Credential:
        found = self._credentials.get(name or DEFAULT_CREDENTIAL)
        if found is None:
            reason = f"the workers have no credential {name!r}; see SPEECHMQ_UPSTREAM__CREDENTIALS"
            raise _refused(type(command).__name__, "unknown_credential", "credential", reason)
        return found

    async def temporary_key(self, request: CreateTemporaryKey) -> TemporaryKey:
        """A key for somebody else. Raises ``ContractError``, ``KeyRefused``, ``KeyUnavailable``."""
        credential = self._credential(request, request.credential)
        if credential.api is None:
            reason = f"credential {credential.name!r} has no API key to make another key with"
            raise _refused("CreateTemporaryKey", "no_api_key", "credential", reason)
        asked_at = datetime.now(UTC)
        key = await credential.api.create_key(request.ttl, request.client_ref)
        return TemporaryKey(
            key_value=key.get_secret_value(),
            ttl=request.ttl,
            expires_at=asked_at + timedelta(seconds=request.ttl),
            url=shown(credential.urls[0]),
        )


def _allowed(credential: Credential, region: str) -> str:
    url = address_of(region)
    if url not in credential.urls:
        allowed = ", ".join(map(shown, credential.urls))
        reason = f"credential {credential.name!r} may be used at {allowed} only"
        raise _refused("StartStream", "region_not_allowed", "region", reason)
    return url


def _refused(message: str, code: str, path: str, reason: str) -> ContractError:
    return ContractError(
        code, f"{message} cannot be served: {path}: {reason}", [FieldError(path, reason)]
    )


@dataclass(frozen=True, slots=True)
class Access:
    """What one stream may use: ``urls`` of a credential, the first of which is to be preferred."""

    credential: Credential
    urls: tuple[str, ...]
    settings: UpstreamSettings
    network: Network

    @property
    def regions(self) -> int:
        return len(self.urls)

    @asynccontextmanager
    async def connect(self, region: int) -> AsyncIterator[Connection]:
        """Raises ``AccountFull`` without a try, what ``open_connection`` raises, and what making a
        temporary key does."""
        account = self.credential.account
        account.enter()
        connected: AccountedConnection | None = None
        try:
            async with self._opened(self.urls[region]) as connection:
                connected = AccountedConnection(connection.socket, account)
                yield connected
        finally:
            account.leave(began=connected is not None and connected.is_taken)

    @asynccontextmanager
    async def _opened(self, url: str) -> AsyncIterator[Connection]:
        """A temporary key that has served before may have been revoked: then another is made."""
        keys = self.credential.keys
        async with AsyncExitStack() as stack:
            key = await keys.key()
            try:
                connection = await stack.enter_async_context(
                    open_connection(self.dialling(url), key)
                )
            except HandshakeRefused as error:
                if error.status not in UNAUTHORISED or not keys.forget(key):
                    raise
                connection = await stack.enter_async_context(
                    open_connection(self.dialling(url), await keys.key())
                )
            yield connection

    def dialling(self, url: str) -> Dialling:
        credential = self.credential
        return Dialling(
            url,
            (*self.urls, *self.settings.redirect_urls),
            self.settings,
            self.network,
            credential.app,
            credential.key_setting,
        )


@dataclass(slots=True)
class AccountedConnection(Connection):
    """A connection that tells the account what its session says of it."""

    account: Account
    is_taken: bool = False

    def note(self, message: Message) -> None:
        match message:
            case InfoReceived(usage=float() | int() as usage, quota=float() | int() as quota):
                self.account.told(usage, quota)
            case RecognitionStarted():
                self.is_taken = True
            case ErrorReceived(type="quota_exceeded"):
                self.account.refused()
