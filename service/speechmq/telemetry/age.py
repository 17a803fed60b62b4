"""How long the oldest delivery has waited, without a note of each delivery's time.

Now and then it is noted which was the newest. The oldest that waits came behind the last note of
one that is older: so its age is known to within the time between two notes.
"""

from __future__ import annotations

from collections import deque


class UnsettledAge:
    def __init__(self, now: float) -> None:
        self._notes: deque[tuple[int, float]] = deque([(0, now)])

    def note(self, newest: int, now: float) -> None:
        """``newest`` is the highest delivery tag so far."""
        if self._notes[-1][0] == newest:
            self._notes.pop()
        self._notes.append((newest, now))

    def of(self, oldest: int | None, now: float) -> float:
        """Seconds, never too few."""
        if oldest is None:
            return 0.0
        while len(self._notes) > 1 and self._notes[1][0] < oldest:
            self._notes.popleft()
        return now - self._notes[0][1]
