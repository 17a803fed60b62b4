"""Which deliveries may be acknowledged, given that an acknowledgement covers all earlier tags."""

from __future__ import annotations

from collections import deque


class Settlement:
    """Delivery tags in the order of delivery, each open until something accounts for it."""

    __slots__ = ("_closed", "_tags")

    def __init__(self) -> None:
        self._tags: deque[int] = deque()
        self._closed: set[int] = set()

    def __len__(self) -> int:
        return len(self._tags)

    def opened(self, tag: int) -> None:
        self._tags.append(tag)

    def close(self, tag: int) -> None:
        self._closed.add(tag)

    def advance(self) -> int | None:
        """The tag up to which everything is accounted for, if it moved since the last call."""
        last = None
        while self._tags and self._tags[0] in self._closed:
            last = self._tags.popleft()
            self._closed.remove(last)
        return last
