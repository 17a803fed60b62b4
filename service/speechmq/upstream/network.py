"""How whatever lies outside is reached: which CAs are trusted, and by which proxy."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr
from websockets.proxy import Proxy, get_proxy, parse_proxy
from websockets.uri import parse_uri

from ..settings.upstream import DIRECT, UpstreamSettings

PROXY_SETTING = "SPEECHMQ_UPSTREAM__PROXY"
# The libraries' own words hold the proxy's password.
PROXY_UNUSABLE = f"the proxy that the environment names is none; set {PROXY_SETTING} instead"


@dataclass(frozen=True, slots=True)
class Network:
    """One for all connections. ``proxy`` is a URL, ``direct``, or nothing: as the environment says
    (``HTTPS_PROXY``, ``NO_PROXY``)."""

    tls: ssl.SSLContext
    proxy: SecretStr | None = None

    @classmethod
    def of(cls, settings: UpstreamSettings) -> Network:
        """Trusts what this machine trusts, and the CAs that the settings name. Reads files."""
        tls = ssl.create_default_context()
        if settings.ca_file is not None:
            tls.load_verify_locations(settings.ca_file)
        return cls(tls, settings.proxy)

    def websocket_options(self, url: str) -> dict[str, Any]:
        """For ``websockets.connect``."""
        options: dict[str, Any] = {"proxy": True if self.proxy is None else self._proxy_url}
        if url.startswith("wss:"):
            options["ssl"] = self.tls
        if self._proxy_url is not None and self._proxy_url.startswith("https:"):
            options["proxy_ssl"] = self.tls
        return options

    def proxy_for(self, url: str) -> Proxy | None:
        """The proxy by which the WebSocket at ``url`` is reached, if there is one.

        Raises ``InvalidProxy`` when the environment names one that is none.
        """
        told = get_proxy(parse_uri(url)) if self.proxy is None else self._proxy_url
        return None if told is None else parse_proxy(told)

    def http_client(self) -> httpx.AsyncClient:
        """Follows no redirect: a key would go where nobody meant it to.

        Raises ``ValueError`` or ``ImportError`` when the environment names a proxy that is none.
        """
        proxy = self._proxy_url
        return httpx.AsyncClient(
            verify=self.tls,
            proxy=None if proxy is None else httpx.Proxy(proxy, ssl_context=self._proxy_tls(proxy)),
            trust_env=self.proxy is None,
            follow_redirects=False,
        )

    @property
    def _proxy_url(self) -> str | None:
        told = None if self.proxy is None else self.proxy.get_secret_value()
        return None if told == DIRECT else told

    def _proxy_tls(self, proxy: str) -> ssl.SSLContext | None:
        return self.tls if proxy.startswith("https:") else None
