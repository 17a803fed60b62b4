"""What the shells tell of a worker and its streams, and who hears it: the one seam of telemetry.

A shell calls an observer for what happens seldom: an output of the core, a confirm, a verdict.
Never for a chunk: what is counted of those is read from the core's own numbers, when asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..session.checkpoint import Checkpoint
from ..session.events import StreamEnded
from ..session.outputs import DeadLetter, Output, Publish
from ..session.stream import Stream
from .reading import CLAIMED, Gauge, Reading, Unsettled
from .stream_log import StreamLog
from .stream_measure import StreamMeasure
from .totals import Totals
from .trace_context import TRACEPARENT, context_of, trace_id_of

if TYPE_CHECKING:  # telemetry that is off is not imported
    from .instruments import Instruments


class StreamObserver:
    """One tenure of one stream: ``claimed``, then ``began``, then whatever happens, then ``over``.

    One that is not given to anybody by an ``Observer`` keeps quiet.
    """

    def __init__(
        self,
        stream_id: str = "",
        *,
        clock: Callable[[], float] = time.monotonic,
        instruments: Instruments | None = None,
    ) -> None:
        self._stream_id = stream_id
        self._clock = clock
        self._since = clock()
        self._instruments = instruments
        self._epoch = 0
        self._gauge: Gauge | None = None
        self._log: StreamLog | None = None
        self._measure: StreamMeasure | None = None

    def began(
        self,
        stream: Stream,
        *,
        epoch: int,
        checkpoint: Checkpoint | None,
        headers: Mapping[str, Any],
        unsettled: Unsettled,
    ) -> None:
        """The owner has its core; ``headers`` are those of its claim."""
        trace_id = trace_id_of(context_of(headers).get(TRACEPARENT))
        self._epoch = epoch
        self._gauge = Gauge(stream, checkpoint, unsettled, self._clock())
        self._log = StreamLog(self._stream_id, epoch=epoch, trace_id=trace_id)
        if self._instruments is not None:
            self._measure = StreamMeasure(self._instruments, stream, self._clock)
        self._log.log.info("stream_claimed", is_taken_over=checkpoint is not None)

    def saw(self, output: Output) -> None:
        """The core wants something other than audio sent or acknowledged."""
        if self._log is None or self._gauge is None:
            return
        match output:
            case Publish(event=event):
                self._log.tell(event)
                if isinstance(event, StreamEnded):
                    self._gauge.close()
            case DeadLetter(_, code, reason):
                self._log.log.warning("message_dead_lettered", code=code, reason=reason)
        if self._measure is not None:
            self._measure.saw(output)

    def published(self, publish: Publish) -> bool:
        """The broker has the event. Whether the next chunk is to be a ``sample``."""
        return self._measure is not None and self._measure.published(publish)

    def sampled(self, audio: bytes) -> None:
        """The chunk that was to be a sample has been delivered."""
        if self._measure is not None:
            self._measure.sampled(audio)

    def left(self, audio: bytes) -> bool:
        """A chunk goes upstream; whether there is no sample to wait for any more."""
        return self._measure is None or self._measure.left(audio)

    def tick(self, now: float) -> None:
        """To be called now and then."""
        if self._gauge is not None:
            self._gauge.tick(now)

    def reading(self, now: float) -> Reading:
        age = now - self._since
        if self._gauge is None:
            return Reading(self._stream_id, self._epoch, CLAIMED, age)
        return self._gauge.read(self._stream_id, self._epoch, age, now)


class Observer:
    """A whole worker: the streams that it holds, and what came of those that it held.

    ``waiting`` is the number of streams without an owner, where that is known; ``instruments`` are
    there while metrics are wanted.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[int, StreamObserver] = {}
        self._past = Totals()
        self.waiting: int | None = None
        self.instruments: Instruments | None = None

    def claimed(self, stream_id: str) -> StreamObserver:
        observer = StreamObserver(stream_id, clock=self._clock, instruments=self.instruments)
        self._held[id(observer)] = observer
        return observer

    def over(self, observer: StreamObserver) -> None:
        """Nothing of the stream is held any more."""
        if self._held.pop(id(observer), None) is not None:
            self._past = self._past.plus(observer.reading(self._clock()))

    def tick(self) -> None:
        """To be called now and then, for what is only known by looking."""
        now = self._clock()
        for observer in self._held.values():
            observer.tick(now)

    def readings(self) -> Iterator[Reading]:
        now = self._clock()
        return (observer.reading(now) for observer in self._held.values())

    @property
    def past(self) -> Totals:
        """Of all streams that this worker held and no longer does."""
        return self._past
