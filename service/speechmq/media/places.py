"""Which chunk of a file a byte of it came in."""

from __future__ import annotations

from collections import deque


class Places:
    """``last_size`` is how long the newest chunk was."""

    def __init__(self) -> None:
        self._starts: deque[tuple[int, int]] = deque()
        self.last_size = 0

    def add(self, start: int, seq: int, size: int) -> None:
        self._starts.append((start, seq))
        self.last_size = size

    def of(self, offset: int) -> tuple[int, int]:
        """The chunk's ``seq``, and how far into it; the oldest for what is not known any more."""
        for start, seq in reversed(self._starts):
            if start <= offset:
                return seq, offset - start
        start, seq = self._starts[0]
        return seq, 0

    def forget_before(self, offset: int) -> None:
        while len(self._starts) > 1 and self._starts[1][0] <= offset:
            self._starts.popleft()

    def has_any_before(self, offset: int) -> bool:
        return bool(self._starts) and self._starts[0][0] < offset
