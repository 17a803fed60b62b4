"""Who makes spans, and how contexts get into AMQP headers and out of them.

Contexts are handed on as values and never put in force: a worker's streams share one event loop,
and what a task inherits would be another stream's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, TraceState

from speechmq_schemas import ContractError, Names

from ..settings import Settings
from .otlp import span_exporter
from .spans import NOWHERE, Place, Span, Spans
from .trace_context import TRACEPARENT, TRACESTATE, context_of, trace_id_of


class Tracing:
    """``tells_words`` lets transcripts into spans; they go to the collector in batches, from a
    thread, if no other ``processor`` is given."""

    def __init__(
        self, settings: Settings, resource: Resource, processor: SpanProcessor | None = None
    ) -> None:
        telemetry = settings.telemetry
        self.spans = Spans(
            processor or BatchSpanProcessor(span_exporter(telemetry)),
            resource,
            InstrumentationScope("speechmq", version("speechmq")),
            telemetry.trace_ratio,
        )
        self.tells_words = telemetry.trace_transcripts
        self.names = Names(settings.broker.namespace)

    def close(self) -> None:
        """Sends what is left. Blocks, if the collector does not answer, for its timeout."""
        self.spans.close()


def carried_by(headers: Mapping[str, Any] | None) -> Place:
    """Where headers say that something hangs; where they carry nothing, a trace is to begin."""
    known = context_of(headers)
    context = context_in(known.get(TRACEPARENT), known.get(TRACESTATE))
    return NOWHERE if context is None else Place.of(context, context.trace_state.to_header())


def context_in(traceparent: object, state: str | None = None) -> SpanContext | None:
    """The library's own way to read it costs several times as much, for each chunk that has one."""
    if not isinstance(traceparent, str) or trace_id_of(traceparent) is None:
        return None
    _, trace_id, span_id, flags, *_ = traceparent.split("-")
    return SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(int(flags, 16)),
        trace_state=TraceState.from_header([state]) if state else None,
    )


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
    def headers(self) -> Mapping[str, str]:
        return self.span.place.headers

    @contextmanager
    def claiming(self) -> Iterator[Mapping[str, str]]:
        """The claim's headers; every owner of the stream goes on from here."""
        claims = self.tracing.names.claims
        span = self.tracing.spans.start(
            f"send {claims}", self.span.place, SpanKind.PRODUCER, messaging(claims, "send")
        )
        with span.ended():
            yield span.place.headers

    def refused(self, error: ContractError) -> None:
        self.span.fail(error.code)


@contextmanager
def admitting(tracing: Tracing, headers: Mapping[str, Any]) -> Iterator[AdmissionTrace]:
    start = tracing.names.start
    span = tracing.spans.start(
        f"process {start}", carried_by(headers), SpanKind.CONSUMER, messaging(start, "process")
    )
    with span.ended():
        yield AdmissionTrace(tracing, span)
