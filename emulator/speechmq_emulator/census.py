"""What the server has seen: for quotas, for ``Info`` messages, for tests and a curious operator."""

from collections import deque
from dataclasses import dataclass, field

_REMEMBERED = 10_000


@dataclass(slots=True)
class SessionRecord:
    """One session whose recognition started; ``close_code`` is None while it is open.

    ``bytes_per_second`` are those of one channel, None where the audio is a file's.
    """

    id: str
    language: str
    bytes_per_second: int | None
    chunks: int = 0
    audio_bytes: int = 0
    close_code: int | None = None
    request_id: str | None = None
    """What the handshake's ``x-request-id`` said."""

    @property
    def audio_seconds(self) -> float:
        """Seconds of raw audio received in all channels; 0 where the audio is a file's."""
        return self.audio_bytes / self.bytes_per_second if self.bytes_per_second else 0.0


@dataclass(slots=True)
class Census:
    """``open_sessions`` have a place in the quota; ``sessions`` holds the newest 10,000 that
    started, oldest first."""

    open_connections: int = 0
    open_sessions: int = 0
    sessions: deque[SessionRecord] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def enter(self, quota: int | None) -> bool:
        """Take a place for one more session; False: all ``quota`` are taken."""
        if quota is not None and self.open_sessions >= quota:
            return False
        self.open_sessions += 1
        return True

    def leave(self) -> None:
        """Give the place of an ended session back."""
        self.open_sessions -= 1
