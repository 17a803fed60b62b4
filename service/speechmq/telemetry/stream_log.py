"""What a stream's events look like in the log: its life, and never its words."""

from __future__ import annotations

from typing import Any

from structlog.stdlib import BoundLogger

from ..core.values import events
from ..core.values.events import Event, FinalTranscript, PartialTranscript
from .logs import get_logger

log = get_logger(__name__)

# Most of all events. (A tuple is told apart sooner than a union.)
TRANSCRIPTS = (PartialTranscript, FinalTranscript)


class StreamLog:
    """One epoch of one stream. ``trace_id`` is that of its publisher's trace, if it has one."""

    def __init__(self, stream_id: str, *, epoch: int, trace_id: str | None) -> None:
        bound = {"stream_id": stream_id, "epoch": epoch}
        self.log: BoundLogger = log.bind(**bound, **({"trace_id": trace_id} if trace_id else {}))

    def log_event(self, event: Event) -> None:
        """Transcripts, translations and what upstream says of its own accord are not told."""
        if isinstance(event, TRANSCRIPTS):
            return
        match event:
            case events.StreamStarted(session_id=session_id):
                self.log.info("session_started", session_id=session_id)
            case events.StreamResumed():
                fields = _fields(event, "session_id", "origin", "reason")
                self.log.info("session_resumed", **fields)
            case events.StreamWarning():
                self.log.warning("stream_warning", **_fields(event, "code", "reason"))
            case events.StreamInfo():
                self.log.info("stream_info", **_fields(event, "code", "reason"))
            case events.AudioGap():
                names = ("start_time", "end_time", "first_seq", "last_seq")
                self.log.warning("audio_gap", **_fields(event, *names))
            case _:
                self._tell_end(event)

    def _tell_end(self, event: Event) -> None:
        match event:
            case events.StreamEnded():
                seconds = ("received_seconds", "finalised_seconds", "gap_seconds")
                counts = ("chunks", "duplicates", "finals")
                self.log.info("stream_ended", **_fields(event, "reason", *seconds, *counts))
            case events.StreamFailed():
                fields = _fields(event, "code", "reason", "retryable")
                self.log.error("stream_failed", **fields)
            case events.StreamDetached(reason=reason):
                self.log.info("stream_detached", reason=reason)


def _fields(event: Event, *names: str) -> dict[str, Any]:
    return {name: getattr(event, name) for name in names}
