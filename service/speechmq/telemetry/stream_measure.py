"""What is measured of one stream as it happens: its events, and how long they took."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.stream import Stream
from ..core.values import events
from ..core.values.events import Event, FinalTranscript
from ..core.values.outputs import Output, Publish
from .reading import received_until
from .stream_log import TRANSCRIPTS

if TYPE_CHECKING:
    from .instruments import Instruments

# A final may be lost with its stream; what is waited for in vain is forgotten.
MOST_UNDER_WAY = 64

# Seconds; a chunk that goes upstream in other bytes than it came is not met again.
LONGEST_WAIT = 5.0


class StreamMeasure:
    """``clock`` is in seconds. A sample is one chunk, known again by its bytes."""

    def __init__(
        self, instruments: Instruments, stream: Stream, clock: Callable[[], float]
    ) -> None:
        self._instruments = instruments
        self._stream = stream
        self._clock = clock
        self._said_at: dict[int, float] = {}
        self._sample: tuple[bytes, float] | None = None

    def saw(self, output: Output) -> None:
        if not isinstance(output, Publish):
            return
        if not isinstance(output.event, TRANSCRIPTS):
            self._count(output.event)
        elif isinstance(output.event, FinalTranscript) and len(self._said_at) < MOST_UNDER_WAY:
            self._said_at[output.seq] = self._clock()

    def _count(self, event: Event) -> None:
        match event:
            case events.StreamResumed(reason=reason):
                self._instruments.resumed(reason)
            case events.StreamWarning(code=code):
                self._instruments.warned(code)
            case events.StreamEnded():
                self._instruments.finished("ended")
            case events.StreamDetached():
                self._instruments.finished("detached")
            case events.StreamFailed(code=code):
                self._instruments.finished("failed", code)

    def published(self, publish: Publish) -> bool:
        """The broker has it. Whether the next chunk is to be a sample."""
        final = publish.event
        if not isinstance(final, FinalTranscript):
            return False
        self._instruments.finals += 1
        said_at = self._said_at.pop(publish.seq, None)
        if said_at is not None:
            self._instruments.upstream_to_published.record(self._clock() - said_at)
        if final.transcript:
            position = received_until(self._stream, final.channel)
            self._instruments.speech_end_to_final.record(max(0.0, position - final.end_time))
        return True

    def sampled(self, audio: bytes) -> None:
        """A chunk has been delivered."""
        self._sample = (audio, self._clock())

    def left(self, audio: bytes) -> bool:
        """A chunk goes upstream; whether it was the sample, or there is none any more."""
        if self._sample is None:
            return True
        sampled, since = self._sample
        waited = self._clock() - since
        if sampled in audio:  # with others, where chunks are small
            self._instruments.queue_to_upstream.record(waited)
        elif waited < LONGEST_WAIT:
            return False
        self._sample = None
        return True
