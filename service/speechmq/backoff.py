"""How long to wait before the next try. Pure: the caller sleeps, and brings the randomness."""

from __future__ import annotations

from collections.abc import Callable, Iterator


def steady() -> float:
    """A jitter that changes no delay."""
    return 0.5


def backoff(first: float, longest: float, jitter: Callable[[], float] = steady) -> Iterator[float]:
    """Delays in seconds without end: ``first``, doubled each time up to ``longest``.

    Each is times 0.5 to 1.5, by ``jitter``, which gives numbers from 0 to 1.
    """
    delay = first
    while True:
        yield delay * (0.5 + jitter())
        delay = min(longest, delay * 2)
