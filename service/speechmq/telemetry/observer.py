"""What the shells tell of a worker and its streams, and who hears it: the one seam of telemetry.

A shell calls an observer for what happens seldom: an output of the core, a confirm, a outcome.
Never for a chunk: what is counted of those is read from the core's own numbers, when asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from speechmq_schemas import ContractError

from ..core.stream import Stream
from ..core.values.checkpoint import Checkpoint
from ..core.values.events import StreamEnded
from ..core.values.inputs import Input
from ..core.values.outputs import DeadLetter, Output, Publish
from .logs import get_logger
from .reading import CLAIMED, Deliveries, Gauge, Reading
from .stream_log import StreamLog
from .stream_measure import StreamMeasure
from .totals import Totals
from .trace_context import TRACEPARENT, context_of, trace_id_of

if TYPE_CHECKING:  # telemetry that is off is not imported
    from .instruments import Instruments
    from .stream_trace import StreamTrace
    from .tracing import Tracing


log = get_logger(__name__)

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Passage:
    """A start where nobody traces: its context is passed on to those who do."""

    headers: Mapping[str, str]

    @contextmanager
    def claiming(self) -> Iterator[Mapping[str, str]]:
        yield self.headers

    def refused(self, error: ContractError) -> None: ...


class Guard:
    """A fault of telemetry ends the telemetry of its stream, and no stream.

    Entered for each event: a generator in its place would cost as much as what it guards.
    """

    __slots__ = ("_gave_up",)

    def __init__(self, gave_up: Callable[[], None]) -> None:
        self._gave_up = gave_up

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        self._gave_up()
        return True


class StreamObserver:
    """One ownership of a stream: ``claimed``, then ``began``, then whatever happens, then ``over``.

    One that is not given to anybody by an ``Observer`` keeps quiet.
    """

    def __init__(
        self,
        stream_id: str = "",
        *,
        clock: Callable[[], float] = time.monotonic,
        instruments: Instruments | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._stream_id = stream_id
        self._clock = clock
        self._since = clock()
        self._claimed_at = time.time_ns()
        self._instruments = instruments
        self._tracing = tracing
        self._trace: StreamTrace | None = None
        self._passed_on: Mapping[str, str] = NO_HEADERS
        self._epoch = 0
        self._gauge: Gauge | None = None
        self._log: StreamLog | None = None
        self._measure: StreamMeasure | None = None
        self._guarded = Guard(self._give_up)
        self.is_sampling = False
        """Whether ``sample`` is to be called for each input: after a final, until it is over."""

    def began(
        self,
        stream: Stream,
        *,
        epoch: int,
        checkpoint: Checkpoint | None,
        headers: Mapping[str, Any],
        deliveries: Deliveries,
    ) -> None:
        """The owner has its core; ``headers`` are those of its claim."""
        self._passed_on = context_of(headers)
        trace_id = trace_id_of(self._passed_on.get(TRACEPARENT))
        self._epoch = epoch
        self._gauge = Gauge(stream, checkpoint, deliveries, self._clock())
        self._log = StreamLog(self._stream_id, epoch=epoch, trace_id=trace_id)
        if self._instruments is not None:
            self._measure = StreamMeasure(self._instruments, stream, self._clock)
        if self._tracing is not None:
            from .stream_trace import StreamTrace  # noqa: PLC0415 - not where it is off

            self._trace = StreamTrace(
                self._tracing,
                stream,
                epoch=epoch,
                headers=headers,
                claimed_at=self._claimed_at,
                is_taken_over=checkpoint is not None,
                deliveries=deliveries,
            )
        self._log.log.info("stream_claimed", is_taken_over=checkpoint is not None)

    def on_output(self, output: Output) -> None:
        """The core wants something other than audio sent or acknowledged."""
        if self._log is None or self._gauge is None:
            return
        if isinstance(output, Publish):
            self._log.log_event(output.event)
            if isinstance(output.event, StreamEnded):
                self._gauge.close()
        elif isinstance(output, DeadLetter):
            self._log.log.warning("message_dead_lettered", code=output.code, reason=output.reason)
        with self._guarded:
            if self._measure is not None:
                self._measure.on_output(output)
            if self._trace is not None:
                self._trace.on_output(output)

    def sending(self, publish: Publish) -> Mapping[str, str]:
        """Headers for an event that is given to the broker."""
        with self._guarded:
            if self._trace is not None:
                return self._trace.sending(publish)
        return self._passed_on

    def published(self, publish: Publish) -> None:
        """The broker has the event."""
        with self._guarded:
            if self._trace is not None:
                self._trace.published(publish)
            if self._measure is not None:
                self._measure.published(publish)
                self.is_sampling = self._measure.is_sampling

    def over(self) -> None:
        """Nothing of the stream is held any more."""
        with self._guarded:
            if self._trace is not None:
                self._trace.over()

    def sample(self, received: Input, since: float) -> None:
        """The core has dealt with an input that came at ``since``."""
        with self._guarded:
            if self._measure is not None:
                self._measure.sample(received, since)
                self.is_sampling = self._measure.is_sampling

    def _give_up(self) -> None:
        self._measure = self._trace = None
        self.is_sampling = False
        log.exception("telemetry_failed", stream_id=self._stream_id, epoch=self._epoch)

    def tick(self, now: float) -> None:
        """To be called now and then."""
        if self._gauge is not None:
            self._gauge.tick(now)

    def reading(self, now: float) -> Reading:
        age = now - self._since
        if self._gauge is None:
            return Reading(self._stream_id, self._epoch, CLAIMED, age)
        return self._gauge.read(self._stream_id, self._epoch, age, now)


class Passed(Protocol):
    """A start on its way from its publisher to its claim."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    def claiming(self) -> AbstractContextManager[Mapping[str, str]]:
        """The claim's headers."""

    def refused(self, error: ContractError) -> None: ...


class Observer:
    """A whole worker: the streams that it holds, and what came of those that it held.

    ``waiting`` is the number of streams without an owner, where that is known; ``instruments`` and
    ``tracing`` are there where they are wanted.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[int, StreamObserver] = {}
        self._past = Totals()
        self.waiting: int | None = None
        self.instruments: Instruments | None = None
        self.tracing: Tracing | None = None

    @contextmanager
    def admitting(self, headers: Mapping[str, Any]) -> Iterator[Passed]:
        """A start, by its headers, until it is a claim or refused."""
        if self.tracing is None:
            yield Passage(context_of(headers))
            return
        from .tracing import admitting  # noqa: PLC0415 - not where it is off

        with admitting(self.tracing, headers) as trace:
            yield trace

    def claimed(self, stream_id: str) -> StreamObserver:
        observer = StreamObserver(
            stream_id, clock=self._clock, instruments=self.instruments, tracing=self.tracing
        )
        self._held[id(observer)] = observer
        return observer

    def over(self, observer: StreamObserver) -> None:
        """Nothing of the stream is held any more."""
        observer.over()
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
