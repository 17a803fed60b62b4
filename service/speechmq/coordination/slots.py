"""The pool of slots: the lowest free one goes first, so that few are ever declared. Pure."""

from __future__ import annotations

import heapq


class Slots:
    """Slots from 1 to ``pool``, each taken by the number of one lease."""

    def __init__(self, pool: int) -> None:
        self._pool = pool
        self._next = 1
        self._freed: list[int] = []
        self._resting: list[tuple[float, int]] = []
        self._holders: dict[int, int] = {}

    def occupy(self, slot: int, number: int) -> bool:
        """For a lease that was made before. False if another has the slot.

        A slot may lie above the pool, which may have been larger.
        """
        return self._holders.setdefault(slot, number) == number

    def holder(self, slot: int) -> int:
        """Raises ``KeyError`` for a free slot."""
        return self._holders[slot]

    def has_free(self, now: float) -> bool:
        self._wake(now)
        return bool(self._freed) or self._next <= self._pool

    def take(self, number: int, now: float) -> int | None:
        """The lowest free slot, or nothing."""
        if not self.has_free(now):
            return None
        if self._freed:
            slot = heapq.heappop(self._freed)
        else:
            slot, self._next = self._next, self._next + 1
        self._holders[slot] = number
        return slot

    def free(self, slot: int, number: int) -> None:
        """Harmless if another lease has the slot by now."""
        if self._release(slot, number) and slot <= self._pool:
            heapq.heappush(self._freed, slot)

    def rest(self, slot: int, number: int, until: float) -> None:
        """Frees the slot, but not before ``until``."""
        if self._release(slot, number):
            heapq.heappush(self._resting, (until, slot))

    @property
    def rested_at(self) -> float | None:
        """When the first of those that rest is free again."""
        return self._resting[0][0] if self._resting else None

    @property
    def taken(self) -> int:
        return len(self._holders)

    def _release(self, slot: int, number: int) -> bool:
        if self._holders.get(slot) != number:
            return False
        del self._holders[slot]
        return slot < self._next

    def _wake(self, now: float) -> None:
        while self._resting and self._resting[0][0] <= now:
            heapq.heappush(self._freed, heapq.heappop(self._resting)[1])
        while self._next <= self._pool and self._next in self._holders:
            self._next += 1
