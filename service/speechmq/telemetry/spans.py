"""Spans under way, and where they hang. What has ended is the SDK's, and goes the SDK's way.

Gain: 6 us of CPU a span where the SDK takes 49, for each final, in locks, limits, hooks and a
decision about sampling that a whole trace has in common. With the SDK's spans and histograms
telemetry cost a worker 12.5 %, and 10 % is the most that it may (``bench/RESULTS.md``). The SDK's
limits (``OTEL_SPAN_…``) do not hold here: nothing of a span grows without end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from .trace_context import TRACEPARENT, TRACESTATE

Value = str | int

UNSET = Status(StatusCode.UNSET)
# The W3C's bits; the second says that the trace's id was drawn at random.
SAMPLED, RANDOM = 0x01, 0x02


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a trace something hangs: for spans, and as headers for messages."""

    context: SpanContext
    headers: Mapping[str, str]

    @classmethod
    def of(cls, context: SpanContext, state: str | None = None) -> Place:
        """``state`` is the context's ``tracestate`` where it has one."""
        if not context.is_valid:
            return cls(context, {})
        ids = f"{context.trace_id:032x}-{context.span_id:016x}"
        headers = {TRACEPARENT: f"00-{ids}-{context.trace_flags:02x}"}
        if state:
            headers[TRACESTATE] = state
        return cls(context, headers)


NOWHERE = Place(INVALID_SPAN_CONTEXT, {})


class Spans:
    """Begins spans, and hands those that have ended to ``processor``.

    A trace that begins here is sampled by ``ratio``; any other as whoever began it has decided.
    """

    def __init__(
        self,
        processor: SpanProcessor,
        resource: Resource,
        scope: InstrumentationScope,
        ratio: float,
    ) -> None:
        self._processor = processor
        self._resource = resource
        self._scope = scope
        self._sampler = TraceIdRatioBased(ratio)
        self._ids = RandomIdGenerator()

    def start(
        self,
        name: str,
        parent: Place,
        kind: SpanKind,
        attributes: Mapping[str, Value],
        since: int | None = None,
    ) -> Span:
        """``since`` is in nanoseconds since 1970."""
        context = self._context(parent.context, name)
        place = Place.of(context, parent.headers.get(TRACESTATE))
        above = parent.context if parent.context.is_valid else None
        is_sampled = context.trace_flags & SAMPLED != 0
        since = since or time.time_ns()
        return Span(self, name, place, above, kind, attributes, since, is_sampled)

    def _context(self, parent: SpanContext, name: str) -> SpanContext:
        span_id = self._ids.generate_span_id()
        if parent.is_valid:
            flags = TraceFlags(parent.trace_flags & (SAMPLED | RANDOM))
            return SpanContext(parent.trace_id, span_id, False, flags, parent.trace_state)
        trace_id = self._ids.generate_trace_id()
        verdict = self._sampler.should_sample(None, trace_id, name).decision
        flags = TraceFlags(RANDOM | (SAMPLED if verdict is Decision.RECORD_AND_SAMPLE else 0))
        return SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags)

    def end(self, span: Span) -> None:
        self._processor.on_end(
            ReadableSpan(
                span.name,
                span.place.context,
                span.above,
                self._resource,
                span.attributes,
                span.events,
                span.links,
                span.kind,
                status=span.status,
                start_time=span.since,
                end_time=time.time_ns(),
                instrumentation_scope=self._scope,
            )
        )

    def close(self) -> None:
        self._processor.shutdown()


@dataclass(slots=True, eq=False)
class Span:
    """Under way until ``end``. Of one that is not sampled nothing is sent.

    Its attributes may be another span's, too, so they are never changed in place.
    """

    spans: Spans
    name: str
    place: Place
    above: SpanContext | None
    kind: SpanKind
    attributes: Mapping[str, Value]
    since: int
    is_sampled: bool
    status: Status = UNSET
    links: list[Link] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def set_attributes(self, attributes: Mapping[str, Value]) -> None:
        self.attributes = {**self.attributes, **attributes}

    def add_link(self, context: SpanContext) -> None:
        self.links.append(Link(context))

    def add_event(self, name: str, attributes: Mapping[str, Value]) -> None:
        """Something that happens meanwhile."""
        self.events.append(Event(name, dict(attributes)))

    def fail(self, code: str) -> None:
        self.set_attributes({"error.type": code})
        self.status = Status(StatusCode.ERROR, code)

    def end(self) -> None:
        if self.is_sampled:
            self.spans.end(self)

    @contextmanager
    def ended(self) -> Iterator[None]:
        """Ends with the block, and says by what where that is left by an error."""
        try:
            yield
        except BaseException as error:
            self.fail(type(error).__name__)
            raise
        finally:
            self.end()
