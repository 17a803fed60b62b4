"""The management API, as far as it makes temporary keys: one HTTP request, its errors translated.

A key is in no log and in no error: what the API answers is read, and never quoted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
import msgspec
from pydantic import SecretStr

from ..errors import KeyRefused, KeyUnavailable
from ..speechmatics.regions import shown
from .network import PROXY_UNUSABLE, Network

# Another try may help behind these; other answers of 400 to 499 are final.
PASSING = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)


# Bytes of an answer that are read: a key is not as long.
MAX_ANSWER = 64 * 1024


class _Created(msgspec.Struct):
    key_value: str


@dataclass(frozen=True, slots=True)
class ManagementApi:
    """``url`` ends in the version, ``/v1``; ``key_setting`` is what to mend when a key is refused.

    ``timeout`` in seconds is for the whole of a request.
    """

    network: Network
    url: str
    api_key: SecretStr
    key_setting: str
    timeout: float

    async def create_key(self, ttl: int, client_ref: str | None = None) -> SecretStr:
        """A key that opens Realtime sessions for ``ttl`` seconds.

        Raises ``KeyRefused`` or ``KeyUnavailable``. Cancelling may leave a key that nobody has.
        """
        wanted: dict[str, Any] = {"ttl": ttl}
        if client_ref is not None:
            wanted["client_ref"] = client_ref
        try:
            async with (
                asyncio.timeout(self.timeout),
                self._client() as client,
                client.stream(
                    "POST",
                    f"{self.url.rstrip('/')}/api_keys",
                    params={"type": "rt"},
                    json=wanted,
                    headers=self._headers(),
                    timeout=self.timeout,
                ) as answer,
            ):
                return _key_in(await self._content_of(answer), self._where)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise KeyUnavailable(self._where, f"no answer within {self.timeout:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise KeyUnavailable(self._where, str(error) or type(error).__name__) from error

    @property
    def _where(self) -> str:
        """A password may stand in the URL."""
        return shown(self.url)

    def _client(self) -> httpx.AsyncClient:
        try:
            return self.network.http_client()
        except (ValueError, ImportError):
            raise KeyUnavailable(self._where, PROXY_UNUSABLE) from None

    def _headers(self) -> Mapping[str, str]:
        """A compressed answer would be as long as it likes once it is read."""
        key = self.api_key.get_secret_value()
        return {"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"}

    async def _content_of(self, answer: httpx.Response) -> bytes:
        """Of a success, up to the bound."""
        status = answer.status_code
        if answer.is_client_error and status not in PASSING:
            raise KeyRefused(self._where, status, self.key_setting)
        if not answer.is_success:
            raise KeyUnavailable(self._where, f"HTTP status {status}")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise KeyUnavailable(self._where, "its answer is compressed, although none may be")
        content = bytearray()
        async for part in answer.aiter_raw():
            content += part
            if len(content) > MAX_ANSWER:
                raise KeyUnavailable(self._where, f"its answer is longer than {MAX_ANSWER} bytes")
        return bytes(content)


def _key_in(content: bytes, where: str) -> SecretStr:
    try:
        return SecretStr(msgspec.json.decode(content, type=_Created).key_value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise KeyUnavailable(where, "its answer holds no key_value") from None
