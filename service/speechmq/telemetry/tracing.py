"""Spans: who makes them, and how their context gets into AMQP headers and out of them.

Contexts are handed on as values and never put in force: a worker's streams share one event loop,
and what a task inherits would be another stream's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from speechmq_schemas import ContractError, Names

from ..settings import Settings
from .otlp import span_exporter
from .trace_context import TRACEPARENT, TRACESTATE, context_of

_PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """``tells_words`` lets transcripts into spans; they go to the collector in batches, from a
    thread, if no other ``processor`` is given."""

    def __init__(
        self, settings: Settings, resource: Resource, processor: SpanProcessor | None = None
    ) -> None:
        telemetry = settings.telemetry
        self._provider = TracerProvider(
            ParentBased(TraceIdRatioBased(telemetry.trace_ratio)), resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor or BatchSpanProcessor(span_exporter(telemetry)))
        self.tracer: Tracer = self._provider.get_tracer("speechmq", version("speechmq"))
        self.tells_words = telemetry.trace_transcripts
        self.names = Names(settings.broker.namespace)

    def close(self) -> None:
        """Sends what is left. Blocks, if the collector does not answer, for its timeout."""
        self._provider.shutdown()


def extracted(headers: Mapping[str, Any] | None) -> Context:
    """The context that headers carry; an empty one, which begins a trace, where they carry none."""
    return _PROPAGATOR.extract(context_of(headers), Context())


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a trace something hangs: for spans, and as headers for messages."""

    context: Context
    headers: Mapping[str, str]

    @classmethod
    def of(cls, span: Span) -> Place:
        return cls(set_span_in_context(span, Context()), carried(span))

    @classmethod
    def beginning(cls, headers: Mapping[str, Any] | None) -> Place:
        """What headers carry; without that, spans begin a trace here."""
        context = extracted(headers)
        return cls(context, carried(get_current_span(context)))


def carried(span: Span) -> dict[str, str]:
    """Headers that carry a span's context on. The library's own way to write them costs ten times
    as much, for each event."""
    context = span.get_span_context()
    if not context.is_valid:
        return {}
    ids = f"{context.trace_id:032x}-{context.span_id:016x}"
    headers = {TRACEPARENT: f"00-{ids}-{context.trace_flags:02x}"}
    return headers | ({TRACESTATE: context.trace_state.to_header()} if context.trace_state else {})


def messaging(destination: str, operation: str) -> dict[str, str]:
    """Attributes of OpenTelemetry's conventions for messaging."""
    return {
        "messaging.system": "rabbitmq",
        "messaging.destination.name": destination,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
    }


@dataclass(frozen=True, slots=True)
class AdmissionTrace:
    """A start on its way to becoming a claim."""

    tracing: Tracing
    span: Span

    @property
    def headers(self) -> dict[str, str]:
        return carried(self.span)

    @contextmanager
    def claiming(self) -> Iterator[dict[str, str]]:
        """The claim's headers; every owner of the stream goes on from here."""
        claims = self.tracing.names.claims
        span = self.tracing.tracer.start_span(
            f"send {claims}",
            set_span_in_context(self.span, Context()),
            SpanKind.PRODUCER,
            messaging(claims, "send"),
        )
        with _ended(span):
            yield carried(span)

    def refused(self, error: ContractError) -> None:
        self.span.set_attribute("error.type", error.code)
        self.span.set_status(Status(StatusCode.ERROR, error.code))


@contextmanager
def admitting(tracing: Tracing, headers: Mapping[str, Any]) -> Iterator[AdmissionTrace]:
    start = tracing.names.start
    span = tracing.tracer.start_span(
        f"process {start}", extracted(headers), SpanKind.CONSUMER, messaging(start, "process")
    )
    with _ended(span):
        yield AdmissionTrace(tracing, span)


@contextmanager
def _ended(span: Span) -> Iterator[None]:
    """Ends the span, and says by what where it is left by an error."""
    try:
        yield
    except BaseException as error:
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        span.end()
