"""The section of the settings that tells what may be used upstream: accounts, regions, network.

One set of fields says what an account is, for the default one and for those with a name.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from websockets.exceptions import InvalidProxy, InvalidURI
from websockets.proxy import parse_proxy
from websockets.uri import parse_uri

from ..speechmatics.regions import REGIONS, address_of
from .address import Address, require_escaped
from .section import Count, Seconds, Section

DIRECT = "direct"
"""In the place of a proxy's URL: none, whatever the environment says."""


class CredentialSettings(Section):
    """An account at upstream, and where it may be served. Every worker has the same ones."""

    url: Address = "wss://eu.rt.speechmatics.com/v2"
    """The recogniser: a region (`eu`, `us`, `global`), or a URL, `wss://` or `ws://`"""
    fallback_urls: tuple[Address, ...] = ()
    """A JSON list of others, in order, that its streams may be moved to; they go nowhere else"""
    api_key: SecretStr | None = None
    """The account's key; none for a recogniser that asks for none"""
    api_key_file: Path | None = None
    """A file that holds the key, in its place; read when the worker starts"""
    auth: Literal["api_key", "temporary_key"] = "api_key"
    """What opens a session: the key itself, or a temporary one that is made with it"""
    temporary_key_ttl: Annotated[int, Field(ge=60, le=86_400)] = 3600
    """Life of such a key; another is made when a fifth of it is left"""
    management_url: Address = "https://mp.speechmatics.com/v1"
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
            require_escaped(address)
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
        require_escaped(url)
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
    redirect_urls: tuple[Address, ...] = ()
    """A JSON list of URLs to whose hosts a handshake may be redirected; those that a stream may \
use are among them"""
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

    @field_validator("redirect_urls")
    @classmethod
    def _are_redirects(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return cls._are_websockets(urls)

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
