"""Which address of a cluster to try next, and how long to wait before it. Pure.

The addresses go round from the one that served last. A pause comes after each whole round, and
grows with the rounds that found none; the caller brings the randomness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from yarl import URL

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Address:
    """One AMQP URL. ``str`` leaves the user and the password out."""

    url: URL

    @classmethod
    def of(cls, text: str) -> Address:
        """Raises ``ValueError`` for what is not an AMQP URL."""
        url = URL(text)
        if url.scheme not in {"amqp", "amqps"} or not url.host:
            raise ValueError("an AMQP URL looks like amqp://user:password@host:5672/vhost")
        return cls(url)

    @property
    def user(self) -> str | None:
        return self.url.user

    def __str__(self) -> str:
        port = self.url.port or (5671 if self.url.scheme == "amqps" else 5672)
        return f"{self.url.host}:{port}{self.url.path.rstrip('/')}"


class Addresses:
    """``jitter`` gives numbers from 0 to 1; each pause is times 0.5 to 1.5."""

    def __init__(self, urls: str | Sequence[str], jitter: Callable[[], float]) -> None:
        self._all = [Address.of(one) for one in ([urls] if isinstance(urls, str) else urls)]
        if not self._all:
            raise ValueError("a publisher or subscriber needs at least one AMQP URL")
        self._jitter = jitter
        self._current = 0
        self._failures = 0

    @property
    def current(self) -> Address:
        return self._all[self._current]

    def succeeded(self) -> None:
        """The current address serves; the next pause is short again."""
        self._failures = 0

    def failed(self) -> float:
        """The current address does not serve: the next one is current. Seconds to wait first."""
        self._failures += 1
        self._current = (self._current + 1) % len(self._all)
        rounds, rest = divmod(self._failures, len(self._all))
        if rest:
            return 0.0
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(rounds - 1, 10))
        return pause * (0.5 + self._jitter())

    def __str__(self) -> str:
        return ", ".join(map(str, self._all))
