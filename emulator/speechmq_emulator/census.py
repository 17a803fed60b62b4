"""What the server has seen: for ``Info`` messages, for tests and for a curious operator."""

from collections import deque
from dataclasses import dataclass, field

_REMEMBERED = 10_000


@dataclass(slots=True)
class SessionRecord:
    """One session that a ``StartRecognition`` began; ``close_code`` is None while it is open."""

    id: str
    language: str
    bytes_per_second: int
    chunks: int = 0
    audio_bytes: int = 0
    close_code: int | None = None

    @property
    def audio_seconds(self) -> float:
        """Seconds of audio received in ``AddAudio``."""
        return self.audio_bytes / self.bytes_per_second


@dataclass(slots=True)
class Census:
    """``sessions`` holds the newest 10,000, oldest first."""

    open_connections: int = 0
    sessions: deque[SessionRecord] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    @property
    def open_sessions(self) -> int:
        return sum(record.close_code is None for record in self.sessions)
