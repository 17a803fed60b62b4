"""One ownership of a stream as spans: sessions begin, utterances are heard, finals are sent.

All of them belong to the trace whose context the claim carries, so that another owner goes on in
it. No span is longer than an utterance or the start of a session; none is made for a chunk.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.trace import SpanKind

from ..core.states import State
from ..core.stream import Stream
from ..core.values import events, outputs
from ..core.values.events import Event, FinalTranscript, FinalTranslation, PartialTranscript
from ..core.values.outputs import Output, Publish
from .reading import Deliveries, received_until
from .spans import Place, Span
from .stream_log import TRANSCRIPTS
from .trace_context import TRACEPARENT
from .tracing import Tracing, carried_by, context_in, messaging

LONGEST_UTTERANCE = 30.0
"""Seconds after which another span begins, though nobody has paused."""
MOST_LINKS = 32

# Of these the sending is a span.
SENT = (FinalTranscript, FinalTranslation)


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
        self._start = tracing.spans.start
        self._stream = stream
        self._common: dict[str, str | int] = {
            "speechmq.stream_id": stream.spec.stream_id,
            "speechmq.epoch": epoch,
        }
        self._send = f"send {tracing.names.events}"
        self._sends = {**messaging(tracing.names.events, "send"), **self._common}
        self._root = carried_by(headers)
        self._claimed_at: int | None = claimed_at
        self._resumes = is_taken_over
        self._deliveries = deliveries
        self._starting: Span | None = None
        self._session = self._here = self._root
        self._utterance: Span | None = None
        self._linked: set[str] = set()
        # By the seq of an event that is on its way to the broker.
        self._places: dict[int, Place] = {}
        self._closing: dict[int, Span] = {}
        self._sending: dict[int, Span] = {}

    def on_output(self, output: Output) -> None:
        if isinstance(output, Publish):
            self._follow(output)
            return
        match output:
            case outputs.OpenConnection(region) | outputs.OpenStandby(region):
                self._start_session(region)
            case outputs.CloseStandby():
                self._fail_start("rollover_failed")

    # -- sessions --------------------------------------------------------------------------------

    def _start_session(self, region: int) -> None:
        """The first one of an ownership began when the claim came."""
        self._fail_start("superseded")
        claims = self._tracing.names.claims
        is_claimed = self._claimed_at is not None
        self._starting = self._start(
            "resume session" if self._resumes else "start session",
            self._root,
            SpanKind.CONSUMER if is_claimed else SpanKind.INTERNAL,
            {**(messaging(claims, "process") if is_claimed else {}), **self._common}
            | {"speechmq.region": region},
            self._claimed_at,
        )
        self._claimed_at = None
        self._move()

    def _started(self, session_id: str, reason: str) -> None:
        if self._starting is None:
            return
        self._starting.set_attributes(
            {"speechmq.session_id": session_id, "speechmq.reason": reason}
        )
        self._session = self._starting.place
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
        if not isinstance(event, TRANSCRIPTS):
            self._follow_session(event)
        elif event.transcript:
            self._hear(event)
        self._places[publish.seq] = self._here
        if self._utterance is not None and self._ends_utterance(event):
            self._closing[publish.seq], self._utterance = self._utterance, None
            self._move()

    def _follow_session(self, event: Event) -> None:
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

    def _move(self) -> None:
        """What comes from here on hangs on what is said, else on the session that starts, or has
        started."""
        span = self._utterance or self._starting
        self._here = self._session if span is None else span.place

    # -- utterances ------------------------------------------------------------------------------

    def _hear(self, event: PartialTranscript | FinalTranscript) -> None:
        utterance = self._utterance or self._begin_utterance(event)
        if utterance.is_sampled and isinstance(event, FinalTranscript):
            if len(self._linked) < MOST_LINKS:
                self._link(utterance, event)
            if self._tracing.tells_words:
                utterance.add_event("final", {"speechmq.transcript": event.transcript})

    def _begin_utterance(self, event: PartialTranscript | FinalTranscript) -> Span:
        """It begins when its first audio came."""
        position = received_until(self._stream, event.channel)
        ago = min(LONGEST_UTTERANCE, max(0.0, position - event.start_time))
        since = time.time_ns() - round(ago * 1e9)
        self._utterance = self._start(
            "utterance", self._session, SpanKind.INTERNAL, self._common, since
        )
        self._linked = set()
        self._move()
        return self._utterance

    def _link(self, utterance: Span, final: FinalTranscript) -> None:
        """To the contexts that the chunks carry, each once."""
        for carries in self._carried(final):
            if carries in self._linked:
                continue
            self._linked.add(carries)
            if (context := context_in(carries)) is not None:
                utterance.add_link(context)
            if len(self._linked) >= MOST_LINKS:
                return

    def _carried(self, final: FinalTranscript) -> Iterator[str]:
        spec = self._stream.spec
        track = spec.track_of(final.channel or None)
        start, end = spec.samples(final.start_time), spec.samples(final.end_time)
        for piece in self._stream.snapshot().pieces:
            if piece.track != track or piece.end < start or piece.tag is None:
                continue
            if piece.start >= end:
                return
            carries = (self._deliveries.headers_of(piece.tag) or {}).get(TRACEPARENT)
            if isinstance(carries, str):
                yield carries

    def _ends_utterance(self, event: Event) -> bool:
        if isinstance(event, PartialTranscript):
            return False
        match event:
            case FinalTranscript(transcript=transcript):
                return not transcript or self._lasts > LONGEST_UTTERANCE
            case events.EndOfUtterance():
                return True
        return isinstance(event, events.StreamEnded | events.StreamFailed | events.StreamDetached)

    @property
    def _lasts(self) -> float:
        return 0.0 if self._utterance is None else (time.time_ns() - self._utterance.since) / 1e9

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
        if not isinstance(publish.event, SENT):
            return place.headers
        attributes = self._sends | _attributes_of(publish.event)
        span = self._start(self._send, place, SpanKind.PRODUCER, attributes)
        self._sending[publish.seq] = span
        return span.place.headers

    def published(self, publish: Publish) -> None:
        """The broker has it."""
        if (sending := self._sending.pop(publish.seq, None)) is not None:
            sending.end()
        if (utterance := self._closing.pop(publish.seq, None)) is not None:
            utterance.end()

    def over(self) -> None:
        """Whatever was under way is so no longer."""
        self._fail_start("let_go")
        self._drop_utterance()
        for span in (*self._sending.values(), *self._closing.values()):
            _fail(span, "let_go")
        self._sending.clear()
        self._closing.clear()


def _attributes_of(event: FinalTranscript | FinalTranslation) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {"speechmq.event": type(event).__name__}
    if isinstance(event, FinalTranscript):
        attributes["speechmq.segment_id"] = event.segment_id
    return attributes


def _fail(span: Span, code: str) -> None:
    span.fail(code)
    span.end()
