"""Who may connect: the API keys of this server, and how a request carries a key."""

import hmac
from collections.abc import Iterable
from urllib.parse import parse_qs

from websockets.datastructures import Headers

from speechmq_emulator.tokens import KeyRefused, TemporaryKeys, looks_temporary

DEFAULT_KEYS = ("dev",)


class KeyRing:
    """The API keys and the temporary ones. They are compared in constant time; ``repr``
    does not show them."""

    def __init__(self, keys: Iterable[str], temporary: TemporaryKeys | None = None) -> None:
        """``temporary`` are those that this server issues; None: it issues its own kind.

        Raises:
            ValueError: no API key is given.
        """
        self._keys = [key.encode() for key in keys if key]
        if not self._keys:
            raise ValueError("at least one API key that is not empty is needed")
        self.temporary = temporary or TemporaryKeys()

    def check(self, query: str, headers: Headers) -> None:
        """Return if the request has a key that admits it, as Bearer token or as ``?jwt=``.

        Raises:
            KeyRefused: none of its keys does, or it has none.
        """
        refusal = KeyRefused("No key; send it as Authorization: Bearer KEY or as ?jwt=KEY")
        offered = [
            *bearer_tokens(headers.get_all("Authorization")),
            *parse_qs(query).get("jwt", []),
        ]
        # The last word is on the first key.
        for key in reversed(offered):
            try:
                return self._check(key)
            except KeyRefused as refused:
                refusal = refused
        raise refusal

    def knows(self, key: str) -> bool:
        """Whether this is one of the API keys, temporary ones not counted."""
        # Headers arrive as Latin-1, and a stray byte as a surrogate; no such key matches.
        candidate = key.encode(errors="surrogateescape")
        return any(hmac.compare_digest(candidate, known) for known in self._keys)

    def _check(self, key: str) -> None:
        if self.knows(key):
            return
        if not looks_temporary(key):
            raise KeyRefused("Unknown API key; the operator of this server names the known ones")
        self.temporary.check(key)


def bearer_tokens(authorizations: Iterable[str]) -> Iterable[str]:
    """What these ``Authorization`` headers offer by the scheme Bearer."""
    for value in authorizations:
        scheme, _, token = value.partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            yield token.strip()
