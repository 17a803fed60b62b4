"""What is measured of one stream as it happens: its events, and how long they took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.stream import Stream
from ..core.values import events
from ..core.values.events import Event, FinalTranscript
from ..core.values.inputs import ChunkDelivered, Input
from ..core.values.outputs import Output, Publish
from .reading import position_of, received_until, sent_of
from .stream_log import TRANSCRIPTS

if TYPE_CHECKING:
    from .instruments import Instruments

# A final may be lost with its stream; what is waited for in vain is forgotten.
MOST_UNDER_WAY = 64
# Seconds for which a chunk may wait for its way upstream and still be timed.
LONGEST_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class Sample:
    """A chunk that came at ``since``, in seconds. It is upstream once ``position`` is sent."""

    since: float
    position: int


class StreamMeasure:
    """``clock`` is in seconds, the one of the stream's inputs.

    One chunk after each final is timed on its way upstream, by the samples of all channels that
    the stream has sent: audio goes upstream in the order in which it came.
    """

    def __init__(
        self, instruments: Instruments, stream: Stream, clock: Callable[[], float]
    ) -> None:
        self._instruments = instruments
        self._stream = stream
        self._clock = clock
        self._said_at: dict[int, float] = {}
        self._sample: Sample | None = None
        self._placed = 0
        self.is_sampling = False
        """Whether ``sample`` waits for a chunk, or for its way upstream."""

    def on_output(self, output: Output) -> None:
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

    def published(self, publish: Publish) -> None:
        """The broker has it."""
        final = publish.event
        if not isinstance(final, FinalTranscript):
            return
        self._instruments.finals += 1
        said_at = self._said_at.pop(publish.seq, None)
        if said_at is not None:
            self._instruments.upstream_to_published.record(self._clock() - said_at)
        if final.transcript:
            position = received_until(self._stream, final.channel)
            self._instruments.speech_end_to_final.record(max(0.0, position - final.end_time))
        if not self.is_sampling:
            self._placed, self.is_sampling = position_of(self._stream.snapshot()), True

    def sample(self, received: Input, since: float) -> None:
        """The stream has dealt with an input that came at ``since``."""
        core = self._stream.snapshot()
        if self._sample is None:
            position = position_of(core)
            # A chunk that is refused, or waits for one before it, is no sample.
            if isinstance(received, ChunkDelivered) and position > self._placed:
                self._sample = Sample(since, position)
            self._placed = position
        if self._sample is not None:
            self._end_sample(self._sample, sent_of(core))

    def _end_sample(self, sample: Sample, sent: int) -> None:
        waited = self._clock() - sample.since
        if sent >= sample.position:
            self._instruments.queue_to_upstream.record(waited)
        elif waited < LONGEST_WAIT:
            return
        self._sample, self.is_sampling = None, False
