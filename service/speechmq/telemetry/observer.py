"""What the shells tell of a worker and its streams, and who hears it: the one seam of telemetry.

A shell calls an observer for what happens seldom: an output of the core, a confirm, a verdict.
Never for a chunk: what is counted of those is read from the core's own numbers, when asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..session.checkpoint import Checkpoint
from ..session.events import StreamEnded
from ..session.outputs import DeadLetter, Output, Publish
from ..session.stream import Stream
from .reading import CLAIMED, Gauge, Reading
from .stream_log import StreamLog
from .totals import Totals
from .trace_context import TRACEPARENT, context_of, trace_id_of


class StreamObserver:
    """One tenure of one stream: ``claimed``, then ``began``, then whatever happens, then ``over``.

    One that is not given to anybody by an ``Observer`` keeps quiet.
    """

    def __init__(self, stream_id: str = "", *, since: float = 0.0) -> None:
        self._stream_id = stream_id
        self._since = since
        self._epoch = 0
        self._gauge: Gauge | None = None
        self._log: StreamLog | None = None

    def began(
        self,
        stream: Stream,
        *,
        epoch: int,
        checkpoint: Checkpoint | None,
        headers: Mapping[str, Any],
    ) -> None:
        """The owner has its core; ``headers`` are those of its claim."""
        trace_id = trace_id_of(context_of(headers).get(TRACEPARENT))
        self._epoch = epoch
        self._gauge = Gauge(stream, checkpoint)
        self._log = StreamLog(self._stream_id, epoch=epoch, trace_id=trace_id)
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

    def reading(self, now: float) -> Reading:
        age = now - self._since
        if self._gauge is None:
            return Reading(self._stream_id, self._epoch, CLAIMED, age)
        return self._gauge.read(self._stream_id, self._epoch, age)


class Observer:
    """A whole worker: the streams that it holds, and what came of those that it held.

    ``waiting`` is the number of streams without an owner, where that is known.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[int, StreamObserver] = {}
        self._past = Totals()
        self.waiting: int | None = None

    def claimed(self, stream_id: str) -> StreamObserver:
        observer = StreamObserver(stream_id, since=self._clock())
        self._held[id(observer)] = observer
        return observer

    def over(self, observer: StreamObserver) -> None:
        """Nothing of the stream is held any more."""
        if self._held.pop(id(observer), None) is not None:
            self._past = self._past.plus(observer.reading(self._clock()))

    def readings(self, now: float) -> Iterator[Reading]:
        return (observer.reading(now) for observer in self._held.values())

    def totals(self, now: float) -> Totals:
        """Of all streams that this worker ever held."""
        totals = self._past
        for reading in self.readings(now):
            totals = totals.plus(reading)
        return totals
