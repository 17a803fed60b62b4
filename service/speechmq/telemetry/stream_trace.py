"""One tenure of a stream as spans: sessions begin, utterances are heard, finals are sent.

All of them belong to the trace whose context the claim carries, so that another owner goes on in
it. No span is longer than an utterance or the start of a session; none is made for a chunk.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.trace import (
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
)

from ..session import events, outputs
from ..session.events import Event, FinalTranscript, FinalTranslation, PartialTranscript
from ..session.outputs import Output, Publish
from ..session.states import State
from ..session.stream import Stream
from .reading import Deliveries, received_until
from .trace_context import TRACEPARENT
from .tracing import Place, Tracing, carried, extracted, messaging

LONGEST_UTTERANCE = 30.0
"""Seconds after which another span begins, though nobody has paused."""
MOST_LINKS = 32

Sent = FinalTranscript | FinalTranslation


class StreamTrace:
    """``headers`` are the claim's, ``claimed_at`` is in nanoseconds since 1970."""

    def __init__(  # by name, in one place
        self,
        tracing: Tracing,
        stream: Stream,
        *,
        epoch: int,
        headers: Mapping[str, Any],
        claimed_at: int,
        is_taken_over: bool,
        deliveries: Deliveries,
    ) -> None:
        self._tracing = tracing
        self._stream = stream
        self._common: dict[str, str | int] = {
            "speechmq.stream_id": stream.spec.stream_id,
            "speechmq.epoch": epoch,
        }
        self._root = Place.beginning(headers)
        self._claimed_at: int | None = claimed_at
        self._resumes = is_taken_over
        self._deliveries = deliveries
        self._starting: Span | None = None
        self._session = self._here = self._root
        self._utterance: Span | None = None
        self._utterance_since = 0
        self._linked: set[str] = set()
        # By the seq of an event that is on its way to the broker.
        self._places: dict[int, Place] = {}
        self._closing: dict[int, Span] = {}
        self._sending: dict[int, Span] = {}

    def saw(self, output: Output) -> None:
        match output:
            case outputs.OpenConnection(region) | outputs.OpenStandby(region):
                self._start_session(region)
            case outputs.CloseStandby():
                self._fail_start("rollover_failed")
            case Publish():
                self._follow(output)

    # -- sessions --------------------------------------------------------------------------------

    def _start_session(self, region: int) -> None:
        """The first one of a tenure began when the claim came."""
        self._fail_start("superseded")
        claims = self._tracing.names.claims
        is_claimed = self._claimed_at is not None
        self._starting = self._tracing.tracer.start_span(
            "resume session" if self._resumes else "start session",
            self._root.context,
            SpanKind.CONSUMER if is_claimed else SpanKind.INTERNAL,
            {**(messaging(claims, "process") if is_claimed else {}), **self._common}
            | {"speechmq.region": region},
            start_time=self._claimed_at,
        )
        self._claimed_at = None
        self._move()

    def _started(self, session_id: str, reason: str) -> None:
        if self._starting is None:
            return
        self._starting.set_attribute("speechmq.session_id", session_id)
        self._starting.set_attribute("speechmq.reason", reason)
        self._session = Place.of(self._starting)
        self._starting.end()
        self._starting, self._resumes = None, True
        self._move()

    def _fail_start(self, code: str) -> None:
        if self._starting is not None:
            _fail(self._starting, code)
            self._starting = None
            self._move()

    # -- events ----------------------------------------------------------------------------------

    def _follow(self, publish: Publish) -> None:
        event = publish.event
        match event:
            case events.StreamStarted(session_id=session_id):
                self._started(session_id, "start")
            case events.StreamResumed(session_id=session_id, reason=reason):
                self._drop_utterance()
                self._started(session_id, reason)
            case events.StreamWarning(code=code) if self._stream.state is State.WAITING:
                self._fail_start(code)
            case events.StreamFailed(code=code):
                self._fail_start(code)
            case (
                PartialTranscript(transcript=str(text)) | FinalTranscript(transcript=str(text))
            ) if text:
                self._hear(event)
        self._places[publish.seq] = self._here
        if self._ends_utterance(event) and self._utterance is not None:
            self._closing[publish.seq], self._utterance = self._utterance, None
            self._move()

    def _move(self) -> None:
        """What comes from here on hangs on what is said, else on the session that starts, or has
        started."""
        span = self._utterance or self._starting
        self._here = self._session if span is None else Place.of(span)

    # -- utterances ------------------------------------------------------------------------------

    def _hear(self, event: PartialTranscript | FinalTranscript) -> None:
        """An utterance begins when its first audio came."""
        if self._utterance is None:
            position = received_until(self._stream, event.channel)
            ago = min(LONGEST_UTTERANCE, max(0.0, position - event.start_time))
            self._utterance_since = time.time_ns() - round(ago * 1e9)
            self._utterance = self._tracing.tracer.start_span(
                "utterance",
                self._session.context,
                SpanKind.INTERNAL,
                self._common,
                start_time=self._utterance_since,
            )
            self._linked = set()
            self._move()
        if isinstance(event, FinalTranscript) and self._utterance.is_recording():
            for link in self._links(event):
                self._utterance.add_link(link)
            if self._tracing.tells_words:
                self._utterance.add_event("final", {"speechmq.transcript": event.transcript})

    def _links(self, final: FinalTranscript) -> Iterable[SpanContext]:
        """The contexts that the chunks carry, each once."""
        spec = self._stream.spec
        track = spec.track_of(final.channel or None)
        start, end = spec.samples(final.start_time), spec.samples(final.end_time)
        for piece in self._stream.intake.timeline.pieces:
            if piece.track != track or piece.end < start:
                continue
            if piece.start >= end or len(self._linked) >= MOST_LINKS:
                return
            headers = None if piece.tag is None else self._deliveries.headers_of(piece.tag)
            carries = (headers or {}).get(TRACEPARENT)
            if not isinstance(carries, str) or carries in self._linked:
                continue
            self._linked.add(carries)
            found = get_current_span(extracted(headers)).get_span_context()
            if found.is_valid:
                yield found

    def _ends_utterance(self, event: Event) -> bool:
        match event:
            case events.EndOfUtterance():
                return True
            case FinalTranscript(transcript=transcript):
                lasts = (time.time_ns() - self._utterance_since) / 1e9
                return not transcript or lasts > LONGEST_UTTERANCE
        return isinstance(event, events.StreamEnded | events.StreamFailed | events.StreamDetached)

    def _drop_utterance(self) -> None:
        """Its session is lost; the next one hears the rest."""
        if self._utterance is not None:
            self._utterance.end()
            self._utterance = None
            self._move()

    # -- to the broker ---------------------------------------------------------------------------

    def sending(self, publish: Publish) -> Mapping[str, str]:
        """The headers of the event; of a final, with a span of its own."""
        place = self._places.pop(publish.seq, self._session)
        if isinstance(publish.event, Sent):
            exchange = self._tracing.names.events
            span = self._tracing.tracer.start_span(
                f"send {exchange}",
                place.context,
                SpanKind.PRODUCER,
                messaging(exchange, "send") | self._common | _told(publish),
            )
            self._sending[publish.seq] = span
            return carried(span)
        return place.headers

    def published(self, publish: Publish) -> None:
        """The broker has it."""
        for spans in (self._sending, self._closing):
            span = spans.pop(publish.seq, None)
            if span is not None:
                span.end()

    def over(self) -> None:
        """Whatever was under way is so no longer."""
        self._fail_start("let_go")
        self._drop_utterance()
        for span in (*self._sending.values(), *self._closing.values()):
            _fail(span, "let_go")
        self._sending.clear()
        self._closing.clear()


def _told(publish: Publish) -> dict[str, str | int]:
    event = publish.event
    told: dict[str, str | int] = {"speechmq.event": type(event).__name__}
    if isinstance(event, FinalTranscript):
        told["speechmq.segment_id"] = event.segment_id
    return told


def _fail(span: Span, code: str) -> None:
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR, code))
    span.end()
