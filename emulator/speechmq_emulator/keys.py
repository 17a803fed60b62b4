"""Who may connect: the API keys of this server, and how a request carries one."""

import hmac
from collections.abc import Iterable
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers

DEFAULT_KEYS = ("dev",)


class KeyRing:
    """Keys are compared in constant time; ``repr`` does not show them."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = [key.encode() for key in keys if key]
        if not self._keys:
            raise ValueError("at least one API key that is not empty is needed")

    def admits(self, path: str, headers: Headers) -> bool:
        """Whether the request has a known key, as Bearer token or as ``?jwt=``."""
        offered = [*_bearer_tokens(headers), *parse_qs(urlsplit(path).query).get("jwt", [])]
        return any(self._knows(key) for key in offered)

    def _knows(self, offered: str) -> bool:
        # Headers arrive as Latin-1 with surrogates for stray bytes; no such key matches.
        candidate = offered.encode(errors="surrogateescape")
        return any(hmac.compare_digest(candidate, key) for key in self._keys)


def _bearer_tokens(headers: Headers) -> Iterable[str]:
    for value in headers.get_all("Authorization"):
        scheme, _, token = value.partition(" ")
        if scheme.lower() == "bearer":
            yield token.strip()
