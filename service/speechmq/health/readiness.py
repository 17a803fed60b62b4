"""Whether the worker consumes from every queue that it should, now. Pure, but for its clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

FRESH = 4.0
"""Seconds for which the broker's word is believed that our consumers are there."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` says what is missing; it is empty where nothing is."""

    is_ready: bool
    reason: str = ""


class Readiness:
    """``interruptions`` counts how often a worker that was ready no longer was."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._is_consuming = False
        self._verified_at = float("-inf")
        self._reason = "the worker is starting"
        self.is_started = False
        self.is_draining = False
        self.interruptions = 0

    def consuming(self) -> None:
        """Every consumer is registered."""
        self._is_consuming = self.is_started = True
        self.verified()

    def verified(self) -> None:
        """The broker has said that they are still there."""
        self._verified_at = self._clock()

    def lost(self, reason: str) -> None:
        """A consumer, a channel or a connection is gone."""
        self.interruptions += self._is_consuming
        self._is_consuming, self._reason = False, reason

    def drain(self) -> None:
        """For good: the worker is going to stop."""
        self.is_draining = True

    @property
    def verdict(self) -> Verdict:
        if self.is_draining:
            return Verdict(False, "the worker is stopping")
        if not self._is_consuming:
            return Verdict(False, self._reason)
        silent = self._clock() - self._verified_at
        if silent > FRESH:
            return Verdict(False, f"RabbitMQ has not answered for {silent:.1f} s")
        return Verdict(True)
