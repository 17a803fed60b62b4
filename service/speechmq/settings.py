"""Settings from the environment (``SPEECHMQ_…``, nested with two underscores). Read in ``app``.

Every bound and deadline of the worker has its name here. Secrets are ``SecretStr``: they show as
asterisks wherever settings are printed.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError
from websockets.exceptions import InvalidProxy, InvalidURI
from websockets.proxy import parse_proxy
from websockets.uri import parse_uri

from .errors import SettingsError
from .session.spec import Limits
from .upstream.regions import REGIONS, address_of

DIRECT = "direct"
"""In the place of a proxy's URL: none, whatever the environment says."""

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """The docstring behind a field is its line in docs/settings.md."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class BrokerSettings(Section):
    """RabbitMQ. The URL holds a password, so it is a secret as a whole."""

    url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:5672/")
    """RabbitMQ 3.10 or newer, `amqp://` or `amqps://`; holds the password"""
    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] = "speechmq"
    """Prefix of every exchange and queue"""
    queue_type: Literal["quorum", "classic"] = "quorum"
    """Of all queues but checkpoints; `classic` is cheaper and lives on one node"""
    heartbeat: Annotated[int, Field(ge=1, le=60)] = 5
    """A worker that misses two is taken for dead"""
    connect_timeout: Seconds = 15.0
    """Longest wait for a connection"""
    answer_timeout: Seconds = 60.0
    """Longest wait for a confirm, or for anything else that is asked of RabbitMQ"""
    stream_max_bytes: Annotated[int, Field(ge=1_000_000)] = 256 * 1024 * 1024
    """Unacknowledged audio of one stream; beyond it the broker refuses its publisher"""
    stream_expires: Annotated[float, Field(ge=3600, le=86_400)] = 3600.0
    """A stream's queues go when no worker has looked after them for this long"""

    @field_validator("url")
    @classmethod
    def _is_amqp(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("amqp://", "amqps://")):
            raise ValueError("must begin with amqp:// or amqps://")
        return url


class CredentialSettings(Section):
    """An account at upstream, and where it may be served. Every worker has the same ones."""

    url: str = "wss://eu.rt.speechmatics.com/v2"
    """The recogniser: a region (`eu`, `us`, `global`), or a URL, `wss://` or `ws://`"""
    fallback_urls: tuple[str, ...] = ()
    """A JSON list of others, in order, that its streams may be moved to; they go nowhere else"""
    api_key: SecretStr | None = None
    """The account's key; none for a recogniser that asks for none"""
    api_key_file: Path | None = None
    """A file that holds the key, in its place; read when the worker starts"""
    auth: Literal["api_key", "temporary_key"] = "api_key"
    """What opens a session: the key itself, or a temporary one that is made with it"""
    temporary_key_ttl: Annotated[int, Field(ge=60, le=86_400)] = 3600
    """Life of such a key; another is made when a fifth of it is left"""
    management_url: str = "https://mp.speechmatics.com/v1"
    """Where temporary keys are made"""
    max_sessions: Count | None = None
    """Sessions that one worker opens with it at once; streams beyond it wait"""
    app: str | None = None
    """Tags the account's usage: `sm-app`"""

    @property
    def urls(self) -> tuple[str, ...]:
        """Each once, in order."""
        return tuple(dict.fromkeys((self.url, *self.fallback_urls)))

    @field_validator("url")
    @classmethod
    def _is_websocket(cls, url: str) -> str:
        address = address_of(url)
        try:
            parse_uri(address)
        except (InvalidURI, ValueError) as error:
            raise ValueError(
                "must be a WebSocket URL: ws://host:port/v2 or wss://…, or one of "
                f"{', '.join(REGIONS)}"
            ) from error
        return address

    @field_validator("fallback_urls")
    @classmethod
    def _are_websockets(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cls._is_websocket(url) for url in urls)

    @field_validator("api_key")
    @classmethod
    def _is_key(cls, key: SecretStr | None) -> SecretStr | None:
        """An empty variable is as good as none."""
        text = "" if key is None else key.get_secret_value().strip()
        if not text.isascii() or not text.isprintable():
            raise ValueError("a key has letters, digits and punctuation only")
        return SecretStr(text) if text else None

    @field_validator("management_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        try:
            usable = urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("must be a URL: https://host/v1")
        return url

    @model_validator(mode="after")
    def _read_key(self) -> Self:
        if self.api_key_file is not None:
            if self.api_key is not None:
                raise ValueError("API_KEY and API_KEY_FILE are both set; one is enough")
            self.api_key = self._is_key(SecretStr(_text_of(self.api_key_file)))
            if self.api_key is None:
                raise ValueError(f"API_KEY_FILE {self.api_key_file} is empty")
        if self.auth == "temporary_key" and self.api_key is None:
            raise ValueError("AUTH temporary_key needs API_KEY or API_KEY_FILE to make keys with")
        return self


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ValueError(f"API_KEY_FILE {path} cannot be read: {error.strerror}") from error
    except UnicodeError as error:
        raise ValueError(f"API_KEY_FILE {path} holds no text") from error


DEFAULT_CREDENTIAL = "default"


def variable(credential: str, field: str) -> str:
    """The environment variable of a credential's field."""
    inner = "" if credential == DEFAULT_CREDENTIAL else f"CREDENTIALS__{credential}__"
    return f"SPEECHMQ_UPSTREAM__{inner}{field}".upper()


CredentialName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class UpstreamSettings(CredentialSettings):
    """Speechmatics Realtime, or anything that speaks its protocol. A credential's fields are here
    those of the one that a stream has when its start names none."""

    credentials: dict[CredentialName, CredentialSettings] = Field(default_factory=dict)
    """Further accounts by name, which a start may ask for"""
    ca_file: Path | None = None
    """Certificates (PEM) of CAs to trust beside those that the machine trusts"""
    proxy: SecretStr | None = None
    """`http://user:password@host:port`, or `direct`; without it as `HTTPS_PROXY`, `NO_PROXY` say"""
    compression: bool = False
    """permessage-deflate; costs much CPU, and audio does not shrink"""
    connect_timeout: Seconds = 10.0
    """Longest wait for the WebSocket handshake, or for a temporary key"""
    ping_interval: Seconds = 3.0
    """Between pings"""
    ping_timeout: Seconds = 6.0
    """Without an answer to a ping the connection counts as lost"""
    max_message_bytes: Count = 4 * 1024 * 1024
    """A longer message from upstream closes the connection"""

    @property
    def all_credentials(self) -> Mapping[str, CredentialSettings]:
        """By name, the default one first, then in the order of the alphabet."""
        return {DEFAULT_CREDENTIAL: self, **dict(sorted(self.credentials.items()))}

    @field_validator("credentials")
    @classmethod
    def _names_are_free(
        cls, credentials: dict[str, CredentialSettings]
    ) -> dict[str, CredentialSettings]:
        if DEFAULT_CREDENTIAL in credentials:
            raise ValueError(f"{DEFAULT_CREDENTIAL!r} is the one that SPEECHMQ_UPSTREAM__… is")
        return credentials

    @field_validator("ca_file")
    @classmethod
    def _holds_certificates(cls, path: Path | None) -> Path | None:
        if path is not None:
            try:
                ssl.create_default_context(cafile=path)
            except OSError as error:
                raise ValueError(f"{path} holds no certificates in PEM: {error}") from error
        return path

    @field_validator("proxy")
    @classmethod
    def _is_proxy(cls, proxy: SecretStr | None) -> SecretStr | None:
        text = "" if proxy is None else proxy.get_secret_value()
        if text not in ("", DIRECT):
            try:
                scheme = parse_proxy(text).scheme
            except (InvalidProxy, ValueError):
                scheme = ""
            if scheme not in ("http", "https"):
                raise ValueError("must be http://host:port, with user:password@ or not, or direct")
        return proxy if text else None


class SessionSettings(Section):
    """Bounds of one stream."""

    window: Seconds = 8.0
    """Audio under way to upstream, not yet confirmed"""
    window_chunks: Count = 512
    """The same, in chunks"""
    prefetch: Annotated[int, Field(ge=20, le=65_535)] = 1000
    """Unacknowledged messages of one stream that a worker holds in memory"""
    resume_context: Annotated[float, Field(ge=0, le=10)] = 0.5
    """Run-up that a resumed session hears again"""
    gap_timeout: Seconds = 2.0
    """Wait for a missing message, before silence takes its place"""
    early_wait: Seconds = 30.0
    """Wait of audio for its stream's start, which may be with a dead worker for 3 heartbeats"""
    max_missing: Count = 100_000
    """A message whose `seq` lies further ahead is refused"""
    max_chunk: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Audio that one message may carry"""
    max_gap: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Longest silence in a gap's place"""
    idle_timeout: Seconds = 300.0
    """A stream without a message for this long ends; its start may say otherwise"""
    start_timeout: Seconds = 30.0
    """Longest wait for recognition to start"""
    answer_timeout: Seconds = 8.0
    """Upstream that reads no audio for this long counts as lost"""
    end_timeout: Seconds = 30.0
    """Longest wait for the next final behind the end of the audio"""
    retry_attempts: Annotated[int, Field(ge=0)] = 8
    """Sessions in a row that may fail before the stream does"""
    healthy_after: Seconds = 10.0
    """A session that lived this long wipes out the failures before it"""
    rollover_after: Seconds = 169_200.0
    """A session is replaced after this long (47 h), or when upstream warns of its limit"""
    rollover_wait: Seconds = 30.0
    """Wait for a pause in the speech, before sessions are changed in the midst of it"""
    suspend_after: Seconds | None = 120.0
    """A stream without audio for this long gives its session up until more comes; `null`: never"""
    speakers_every: Seconds = 30.0
    """Between questions for the voices told apart, so that a later session knows them"""

    def limits(self) -> Limits:
        return Limits(**self.model_dump())


class WorkerSettings(Section):
    """The process."""

    capacity: Annotated[int, Field(ge=1, le=65_535)] = 200
    """Streams at once"""
    shutdown_grace: Seconds = 20.0
    """Longest wait on SIGTERM for streams to be handed over; a second signal ends it"""
    max_takeovers: Count = 8
    """A stream that was taken over as often without getting any further fails"""
    takeover_window: Seconds = 600.0
    """The time in which these count"""


class Settings(BaseSettings):
    """Everything that a worker can be told."""

    model_config = SettingsConfigDict(
        env_prefix="SPEECHMQ_",
        env_nested_delimiter="__",
        extra="ignore",
        hide_input_in_errors=True,
    )

    broker: BrokerSettings = BrokerSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    session: SessionSettings = SessionSettings()
    worker: WorkerSettings = WorkerSettings()

    @classmethod
    def load(cls) -> Settings:
        """Raises ``SettingsError`` that names each variable and what is wrong with it."""
        try:
            return cls()
        except ValidationError as error:
            listed = "; ".join(_name_variable(found) for found in error.errors())
            raise SettingsError(f"the settings cannot be used: {listed}") from error
        except SourceError as error:
            raise SettingsError(f"the settings cannot be used: {_name_section(error)}") from error

    def redacted(self) -> dict[str, Any]:
        """For printing: every value, secrets as asterisks."""
        return self.model_dump(mode="json")


def _name_variable(found: Any) -> str:
    path = "__".join(str(part) for part in found["loc"]).upper()
    return f"SPEECHMQ_{path}: {found['msg']}"


def _name_section(error: SourceError) -> str:
    """The library says which part of the settings holds the list, and not which variable."""
    quoted = str(error).split('"')
    section = f"SPEECHMQ_{quoted[1].upper()}" if len(quoted) > 2 else "SPEECHMQ"
    return f"a list among the variables of {section} is not JSON: {error.__cause__}"
