"""One session: an upstream connection from the start of recognition to its end.

Knows how much audio is under way, and where the session's zero lies on the stream's clock, which
is the clock of all that it has published of what it hears.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..upstream.messages import (
    FinalReceived,
    MalformedMessage,
    PartialReceived,
    UtteranceEnded,
)
from .events import EndOfUtterance, FinalTranscript, PartialTranscript
from .journal import Journal
from .spec import Limits, StreamSpec
from .timeline import Timeline
from .transcript import Relabel, Relocation
from .window import Window


class Session:
    """Begins at the earliest audio that no confirmed final covers."""

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        timeline: Timeline,
        *,
        journal: Journal,
        delimiter: str,
        now: float,
        relabel: Relabel | None = None,
    ) -> None:
        self._stream_id = spec.stream_id
        self._journal = journal
        self.origin = spec.seconds(timeline.rewind())
        self.since = now
        self.window = Window(spec.samples(limits.window), limits.window_chunks)
        self._timeline = timeline
        self._relocation = Relocation(self.origin, journal.watermark, delimiter, relabel)

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

    def hear_partial(self, received: PartialReceived) -> None:
        if not self._is_repeated(received.metadata.end_time):
            moved = self._relocation.move(received.metadata, received.results)
            partial = PartialTranscript(self._stream_id, self._journal.segment_id, *moved)
            self._journal.publish(partial, confirm=False)

    def hear_final(self, received: FinalReceived) -> None:
        if not self._is_repeated(received.metadata.end_time):
            moved = self._relocation.move(received.metadata, received.results)
            final = FinalTranscript(self._stream_id, self._journal.segment_id, *moved)
            self._journal.publish_final(final)

    def hear_end_of_utterance(self, received: UtteranceEnded) -> None:
        if not self._is_repeated(received.metadata.end_time):
            time = self._relocation.time(received.metadata.end_time)
            self._journal.publish(EndOfUtterance(self._stream_id, time, time))

    def _is_repeated(self, end_time: float) -> bool:
        """Whether an earlier session told of everything up to then."""
        return self._relocation.is_repeated(self._relocation.time(end_time))
