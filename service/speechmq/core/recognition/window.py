"""Flow control: how much audio may be under way to upstream, unconfirmed."""

from __future__ import annotations

from collections import deque


class Window:
    """Counts chunks and samples from ``sent`` to ``confirmed``."""

    __slots__ = ("_chunks", "_max_chunks", "_max_samples", "_samples", "sent_chunks")

    def __init__(self, max_samples: int, max_chunks: int) -> None:
        self._max_samples = max_samples
        self._max_chunks = max_chunks
        self._chunks: deque[int] = deque()
        self._samples = 0
        self.sent_chunks = 0

    @property
    def under_way(self) -> int:
        """Chunks that are not confirmed."""
        return len(self._chunks)

    def has_room(self, samples: int) -> bool:
        # A chunk larger than the whole window goes when nothing else is under way, or never.
        if not self._chunks:
            return True
        return len(self._chunks) < self._max_chunks and self._samples + samples <= self._max_samples

    def send(self, samples: int) -> None:
        self._chunks.append(samples)
        self._samples += samples
        self.sent_chunks += 1

    def confirm(self, count: int) -> bool:
        """Takes upstream's count of chunks read; false when it claims more than were sent."""
        # A count confirms all chunks before it.
        if count > self.sent_chunks:
            return False
        while self._chunks and self.sent_chunks - len(self._chunks) < count:
            self._samples -= self._chunks.popleft()
        return True
