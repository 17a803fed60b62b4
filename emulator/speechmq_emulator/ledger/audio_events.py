"""Which audio events a session wants, and which of them go on."""

from speechmq_emulator.protocol.config import AudioEventsConfig
from speechmq_emulator.speech.events import AudioEventEnded, AudioEventStarted


class AudioEvents:
    """Starts and ends come in pairs, whatever the blocks say. Times in seconds."""

    def __init__(self, config: AudioEventsConfig | None) -> None:
        self._config = config
        self._open: set[str] = set()

    def begin(self, kind: str | None, at: float) -> list[AudioEventStarted]:
        if kind is None or kind in self._open or not self._wants(kind):
            return []
        self._open.add(kind)
        return [AudioEventStarted(kind, at, confidence=1.0)]

    def end(self, kind: str | None, at: float) -> list[AudioEventEnded]:
        if kind not in self._open:
            return []
        self._open.discard(kind)
        return [AudioEventEnded(kind, at)]

    def finish(self, at: float) -> list[AudioEventEnded]:
        """The audio ends, and with it every event that goes on."""
        return [ended for kind in sorted(self._open) for ended in self.end(kind, at)]

    def _wants(self, kind: str) -> bool:
        """No types in a configuration are all types."""
        return self._config is not None and kind in (self._config.types or [kind])
