"""Temporary keys: signed JSON Web Tokens that expire by themselves.

Nothing is stored: who knows the secret can check every key. Time and randomness come in
as arguments.
"""

import hashlib
import secrets
import time
import uuid
from collections.abc import Callable
from typing import Any, Literal

import jwt

Product = Literal["rt", "batch", "tts"]
"""What a key opens: Realtime, Batch, Text to Speech."""

PRODUCTS: tuple[Product, ...] = ("rt", "batch", "tts")

_ALGORITHM = "HS256"


class KeyRefused(Exception):
    """A request's key does not admit it. The text says why, and what to do."""


class TemporaryKeys:
    """Issues temporary keys and checks them. ``repr`` does not show the secret."""

    def __init__(
        self,
        secret: str | None = None,
        *,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        """Without ``secret`` the keys are good for this object alone.

        ``clock`` tells seconds since the epoch.
        """
        # Hashed, so that a short secret makes a key as long as HS256 asks for.
        seed = secrets.token_bytes(32) if secret is None else secret.encode()
        self._secret = hashlib.sha256(seed).digest()
        self._clock = clock
        self._new_id = new_id

    def issue(self, ttl: int, product: Product = "rt", client_ref: str | None = None) -> str:
        """A key that lives for ``ttl`` seconds."""
        now = int(self._clock())
        claims: dict[str, Any] = {
            "iat": now,
            "exp": now + ttl,
            "jti": self._new_id(),
            "type": product,
        }
        if client_ref is not None:
            claims["client_ref"] = client_ref
        return jwt.encode(claims, self._secret, _ALGORITHM)

    def check(self, key: str) -> None:
        """Return if the key opens Realtime now.

        Raises:
            KeyRefused: it is none of ours, has expired, or is for another product.
        """
        claims = self._claims(key)
        age = self._clock() - claims["exp"]
        if age >= 0:
            raise KeyRefused(
                f"The temporary key expired {int(age)} s ago; ask POST /v1/api_keys?type=rt for a "
                "new one"
            )
        if claims["type"] != "rt":
            raise KeyRefused(
                f"The temporary key is for {claims['type']!r}; ask POST /v1/api_keys?type=rt for "
                "one that opens Realtime"
            )

    def _claims(self, key: str) -> dict[str, Any]:
        # Expiry is not PyJWT's to judge: it would read the machine's clock.
        options: Any = {"verify_exp": False, "verify_iat": False, "require": ["exp", "type"]}
        try:
            if key.isascii():
                return jwt.decode(key, self._secret, [_ALGORITHM], options)
        except (jwt.InvalidTokenError, RecursionError):
            # Deeply nested JSON in the header, which nobody signed, exhausts the stack.
            pass
        raise KeyRefused(
            "The temporary key was not issued by this server, or was changed on its way; ask "
            "POST /v1/api_keys?type=rt for a new one"
        )


def looks_temporary(key: str) -> bool:
    """Whether the key has the form of a JSON Web Token: header, claims and signature."""
    return key.count(".") == 2
