"""The key with which a session is opened: the account's own, or a temporary one made for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from pydantic import SecretStr

from ..errors import KeyRefused, KeyUnavailable

FRESH = 0.8
"""The part of its life in which a temporary key opens further sessions."""


class Keys(Protocol):
    """Where a connection gets its key."""

    async def key(self) -> SecretStr | None:
        """Raises ``KeyRefused`` or ``KeyUnavailable``."""

    def forget(self, key: SecretStr | None) -> bool:
        """``key`` was refused. Whether ``key()`` may give a better one."""


class OwnKey:
    """The account's own key, or none, as with a recogniser of one's own."""

    def __init__(self, key: SecretStr | None) -> None:
        self._key = key

    async def key(self) -> SecretStr | None:
        return self._key

    def forget(self, key: SecretStr | None) -> bool:
        return False


class TemporaryKeys:
    """One temporary key for all sessions, until it nears its end.

    ``create`` makes a key that lives for ``ttl`` seconds. Who asks while one is being made waits
    for that one, and shares its failure: a hundred streams cost one request either way.
    """

    def __init__(
        self, create: Callable[[int], Awaitable[SecretStr]], ttl: int, clock: Callable[[], float]
    ) -> None:
        self._create = create
        self._ttl = ttl
        self._clock = clock
        self._key: SecretStr | None = None
        self._good_until = 0.0
        self._has_served = False
        self._making = asyncio.Lock()
        self._failures = 0
        self._failure: KeyRefused | KeyUnavailable | None = None

    async def key(self) -> SecretStr | None:
        """Cancelling leaves it to the next in line to make the key."""
        failures = self._failures
        async with self._making:
            if self._key is not None and self._clock() < self._good_until:
                self._has_served = True
                return self._key
            if self._failures != failures and self._failure is not None:
                raise self._failure
            self._key = await self._make()
            return self._key

    async def _make(self) -> SecretStr:
        # From before the request on: it may have taken long, and the key's life began in it.
        good_until = self._clock() + self._ttl * FRESH
        try:
            made = await self._create(self._ttl)
        except (KeyRefused, KeyUnavailable) as error:
            self._failures += 1
            self._failure = error
            raise
        self._good_until, self._has_served = good_until, False
        return made

    def forget(self, key: SecretStr | None) -> bool:
        """One that was made for this very connection would be refused again."""
        if key is not self._key:
            return True
        self._key = None
        return self._has_served
