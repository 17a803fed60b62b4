"""One session: an upstream connection from the start of recognition to its end.

Knows how much audio is under way, and where the session's zero lies on the stream's clock.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..upstream.messages import FinalReceived, MalformedMessage, PartialReceived
from .events import Results
from .spec import Limits, StreamSpec
from .timeline import Timeline
from .transcript import Relocation
from .window import Window

Moved = tuple[float, float, str, Results]


class Session:
    """Begins at the earliest audio that no confirmed final covers."""

    __slots__ = ("_relocation", "_timeline", "origin", "since", "window")

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        timeline: Timeline,
        *,
        watermark: float,
        delimiter: str,
        now: float,
    ) -> None:
        self.origin = spec.seconds(timeline.rewind())
        self.since = now
        self.window = Window(spec.samples(limits.window), limits.window_chunks)
        self._timeline = timeline
        self._relocation = Relocation(self.origin, watermark, delimiter)

    def sendable(self) -> Iterator[bytes]:
        """Takes out the audio that the window has room for."""
        while piece := self._timeline.next_unsent:
            samples = piece.end - piece.start
            if not self.window.has_room(samples):
                return
            self._timeline.mark_sent()
            if piece.audio:
                self.window.send(samples)
                yield piece.audio

    @property
    def has_sent_all(self) -> bool:
        return self._timeline.next_unsent is None

    def confirm(self, count: int) -> None:
        """Raises ``MalformedMessage`` when upstream confirms what it never got."""
        if not self.window.confirm(count):
            sent = self.window.sent_chunks
            raise MalformedMessage(f"upstream confirmed chunk {count}, but {sent} were sent")

    def move(self, received: PartialReceived | FinalReceived) -> Moved | None:
        """Start, end, transcript and results on the stream's clock; nothing if said before."""
        end = self._relocation.time(received.metadata.end_time)
        if self._relocation.is_repeated(end):
            return None
        return self._relocation.move(received.metadata, received.results)

    def time(self, seconds: float) -> float | None:
        """A moment on the stream's clock; nothing if an earlier session told of it."""
        time = self._relocation.time(seconds)
        return None if self._relocation.is_repeated(time) else time
