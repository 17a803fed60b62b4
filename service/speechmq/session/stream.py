"""One stream, from claim to end: the state machine of ``states`` and its rules.

``receive`` takes an input and the time and returns what to do; ``deadline`` says when to call with
``DeadlinePassed``. Two rules hold everywhere: audio is acknowledged only when a confirmed final
covers it, and every final carries the checkpoint from which a successor resumes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from ..errors import UNAUTHORISED, TransitionError
from ..upstream import messages as upstream
from ..upstream.messages import MalformedMessage
from . import events, inputs
from .checkpoint import Checkpoint, Gap
from .inputs import Input
from .intake import Intake, Refusal, after_end
from .journal import Journal
from .order import Place
from .outputs import (
    Acknowledge,
    CloseConnection,
    DeadLetter,
    EndAudio,
    Finish,
    OpenConnection,
    Outcome,
    Output,
    SendAudio,
    StartRecognition,
)
from .retry import Failure, delay_before
from .session import Session
from .spec import Limits, StreamSpec
from .states import State, require_allowed
from .timers import Timer, Timers


class Stream:
    """Holds a stream's audio until it is covered, through as many sessions as it takes.

    ``checkpoint`` is what a predecessor left, if there was one. ``jitter`` returns a number from
    [0, 1) whenever a delay is drawn.
    """

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        *,
        now: float,
        jitter: Callable[[], float],
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.spec = spec
        self.limits = limits
        self.state = State.CONNECTING
        self._jitter = jitter
        self._early_until = now + limits.early_wait
        self._resumes = None if checkpoint is None else "take_over"
        checkpoint = checkpoint or Checkpoint()
        self.intake = Intake(spec, limits, checkpoint)
        self.journal = Journal(spec, limits, self.intake, checkpoint)
        self._timers = Timers()
        self._outputs: list[Output] = []
        self._session: Session | None = None
        self._failures = 0
        self._hole_at = 0
        self._end_reason: Literal["end", "idle"] = "end"
        self._outcome = Outcome.ENDED

    # -- the interface ---------------------------------------------------------------------------

    def open(self, now: float) -> list[Output]:
        """The first outputs; call once, before any input."""
        self._timers.set(Timer.IDLE, now + self._idle_timeout)
        self._connect(now)
        return self._drain_outputs()

    def receive(self, received: Input, now: float) -> list[Output]:
        """What to do about ``received``.

        An input of upstream's that the table does not allow ends its session like any other loss;
        one of our own raises ``TransitionError``, and nothing has changed.
        """
        before = self.state
        allowed = {before} | self._require_allowed(received, now)
        if self.state is before:
            self._dispatch(received, now)
            if self.state not in allowed:
                raise TransitionError("local", before.value, f"a move to {self.state.value}")
        return self._drain_outputs()

    def _require_allowed(self, received: Input, now: float) -> frozenset[State]:
        try:
            return require_allowed(self.state, type(received))
        except TransitionError as error:
            if error.side == "local":
                raise
            self._lose(Failure("protocol_error", str(error)), now)
            return frozenset()

    def _dispatch(self, received: Input, now: float) -> None:
        try:
            self._RECEIVERS[type(received)](self, received, now)
        except MalformedMessage as error:
            self._lose(Failure("protocol_error", str(error)), now)

    @property
    def deadline(self) -> float | None:
        """When ``DeadlinePassed`` is due, on the clock of ``now``."""
        return self._timers.deadline

    def __repr__(self) -> str:
        return (
            f"<Stream {self.spec.stream_id} {self.state.value}"
            f" expected={self.intake.order.expected} watermark={self.journal.watermark}"
            f" open={len(self.intake.settlement)}>"
        )

    # -- deliveries ------------------------------------------------------------------------------

    def _on_delivered(
        self, delivery: inputs.ChunkDelivered | inputs.EndDelivered, now: float
    ) -> None:
        self._timers.set(Timer.IDLE, now + self._idle_timeout)
        match self.intake.offer(delivery):
            case Place.IN_ORDER:
                self._refuse_all(self.intake.place_ready())
                self._pump(now)
            case Place.LATE:
                self._warn("late_chunk", f"message {delivery.seq} came after its gap was declared")
            case Place.AFTER_END:
                self._refuse_all([after_end(delivery, self.intake.end_seq or 0)])
        self._settle()
        self._watch_hole(now)
        self._relieve(now)

    def _on_garbage(self, delivery: inputs.GarbageDelivered, _now: float) -> None:
        self.intake.settlement.opened(delivery.tag)
        self._refuse_all([Refusal(delivery.tag, delivery.code, delivery.reason)])

    def _refuse_all(self, refusals: list[Refusal]) -> None:
        for refusal in refusals:
            self._emit(DeadLetter(refusal.tag, refusal.code, refusal.reason))
            self._warn(refusal.code, refusal.reason)
            if refusal.gap:
                self._publish_gap(refusal.gap)

    def _on_dead_lettered(self, received: inputs.DeadLettered, _now: float) -> None:
        self.intake.settlement.close(received.tag)
        self._settle()

    def _watch_hole(self, now: float) -> None:
        """Early audio of a young stream may take ``early_wait`` by way of the early queue."""
        order = self.intake.order
        if not order.has_hole:
            self._timers.stop(Timer.HOLE)
        elif Timer.HOLE not in self._timers or order.expected != self._hole_at:
            self._hole_at = order.expected
            due = max(now + self.limits.gap_timeout, self._early_until)
            self._timers.set(Timer.HOLE, due)

    def _relieve(self, now: float) -> None:
        """Never a deadlock: when the prefetch is nearly used up, what blocks it gives way."""
        if len(self.intake.settlement) < self.limits.prefetch * 9 // 10:
            return
        if self.intake.order.has_hole:
            self._give_up_hole(now)
        elif self.state is State.STREAMING:
            self._release_uncovered()

    def _release_uncovered(self) -> None:
        sample = self.intake.timeline.oldest(self.limits.prefetch // 10)
        if not sample:
            return
        self.intake.release(sample)
        self._settle()
        seconds = self.spec.seconds(sample)
        self._warn(
            "replay_window_exceeded",
            f"upstream finalises nothing: audio before {seconds} s was acknowledged uncovered, "
            "and would be missing if this session were lost now",
        )

    def _give_up_hole(self, now: float) -> None:
        gap = self.intake.give_up_hole()
        self._publish_gap(gap)
        self._refuse_all(self.intake.place_ready())
        self._pump(now)
        self._watch_hole(now)

    def _publish_gap(self, gap: Gap) -> None:
        event = events.AudioGap(
            self.spec.stream_id,
            self.spec.seconds(gap.start),
            self.spec.seconds(gap.end),
            gap.first_seq,
            gap.last_seq,
        )
        self._emit(self.journal.publish_state(event))

    # -- the session -----------------------------------------------------------------------------

    def _connect(self, now: float) -> None:
        self.state = State.CONNECTING
        self._timers.set(Timer.START, now + self.limits.start_timeout)
        self._emit(OpenConnection())

    def _on_opened(self, _received: inputs.ConnectionOpened, _now: float) -> None:
        self.state = State.STARTING
        self._emit(StartRecognition())

    def _on_recognition_started(self, received: upstream.RecognitionStarted, now: float) -> None:
        self.state = State.STREAMING
        self._timers.stop(Timer.START)
        self._session = Session(
            self.spec,
            self.limits,
            self.intake.timeline,
            watermark=self.journal.watermark,
            delimiter=str(received.language_pack_info.get("word_delimiter", " ")),
            now=now,
        )
        self._announce(received, self._session.origin)
        self._pump(now)

    def _announce(self, received: upstream.RecognitionStarted, origin: float) -> None:
        spec = self.spec
        if self._resumes is None:
            info = received.language_pack_info
            self._publish(events.StreamStarted(spec.stream_id, received.id, info, spec.labels))
        else:
            self._publish(events.StreamResumed(spec.stream_id, received.id, origin, self._resumes))
        self._resumes = "upstream_lost"

    def _pump(self, now: float) -> None:
        """Sends what the window has room for; behind the last chunk, the end."""
        if self.state is not State.STREAMING:
            return
        session = self._live_session
        was_idle = session.window.is_empty
        for audio in session.sendable():
            self._emit(SendAudio(audio))
        if was_idle and not session.window.is_empty:
            self._timers.set(Timer.ANSWER, now + self.limits.answer_timeout)
        if self.intake.end_seq is not None and session.has_sent_all:
            self.state = State.ENDING
            self._timers.set(Timer.END, now + self.limits.end_timeout)
            self._emit(EndAudio(session.window.sent_chunks))

    def _on_audio_added(self, received: upstream.AudioAdded, now: float) -> None:
        session = self._live_session
        session.confirm(received.seq_no)
        if session.window.is_empty:
            self._timers.stop(Timer.ANSWER)
        else:
            self._timers.set(Timer.ANSWER, now + self.limits.answer_timeout)
        self._pump(now)

    @property
    def _live_session(self) -> Session:
        if self._session is None:
            raise TransitionError("local", self.state.value, "a use of the session before it began")
        return self._session

    # -- transcripts -----------------------------------------------------------------------------

    def _on_partial(self, received: upstream.PartialReceived, _now: float) -> None:
        moved = self._live_session.move(received)
        if moved:
            segment = self.journal.segment_id
            partial = events.PartialTranscript(self.spec.stream_id, segment, *moved)
            self._emit(self.journal.publish(partial, confirm=False))

    def _on_final(self, received: upstream.FinalReceived, now: float) -> None:
        if Timer.END in self._timers:
            self._timers.set(Timer.END, now + self.limits.end_timeout)
        moved = self._live_session.move(received)
        if moved:
            segment = self.journal.segment_id
            final = events.FinalTranscript(self.spec.stream_id, segment, *moved)
            self._emit(self.journal.publish_final(final))

    def _on_utterance_ended(self, received: upstream.UtteranceEnded, _now: float) -> None:
        time = self._live_session.time(received.metadata.end_time)
        if time is not None:
            self._publish(events.EndOfUtterance(self.spec.stream_id, time, time))

    def _on_published(self, received: inputs.Published, _now: float) -> None:
        self.journal.confirmed(received.seq)
        self._settle()
        if self.state is State.CLOSING and received.seq >= self.journal.seq:
            self.state = State.FINISHED
            self._emit(Finish(self._outcome))

    def _settle(self) -> None:
        tag = self.intake.settlement.advance()
        if tag is not None:
            self._emit(Acknowledge(tag))

    # -- other words of upstream -----------------------------------------------------------------

    def _on_info(self, _received: upstream.InfoReceived, _now: float) -> None:
        """Usage and quality notices change nothing for the stream."""

    def _on_warning(self, received: upstream.WarningReceived, _now: float) -> None:
        self._warn(received.type, received.reason)

    def _on_unknown(self, received: upstream.UnknownReceived, _now: float) -> None:
        self._publish(events.UpstreamMessage(self.spec.stream_id, received.message, received.body))

    def _on_error(self, received: upstream.ErrorReceived, now: float) -> None:
        self._lose(Failure(received.type, received.reason), now)

    def _on_transcript_ended(self, _received: upstream.TranscriptEnded, _now: float) -> None:
        """Everything is final now, also what no final's end reached."""
        totals, seconds = self.intake.totals, self.spec.seconds
        position = self.intake.timeline.position
        ended = events.StreamEnded(
            self.spec.stream_id,
            self._end_reason,
            received_seconds=seconds(position),
            finalised_seconds=seconds(position - totals.gap_samples),
            gap_seconds=seconds(totals.gap_samples),
            chunks=totals.chunks,
            duplicates=totals.duplicates,
            finals=self.journal.finals,
        )
        self._emit(CloseConnection())
        self._close(ended, Outcome.ENDED)

    # -- losses and ends -------------------------------------------------------------------------

    def _on_failed(self, received: inputs.ConnectionFailed, now: float) -> None:
        code = "not_authorised" if received.status in UNAUTHORISED else "unreachable"
        self._lose(Failure(code, received.reason, status=received.status), now)

    def _on_lost(self, received: inputs.ConnectionLost, now: float) -> None:
        self._lose(Failure("connection_lost", received.reason, close_code=received.code), now)

    def _lose(self, failure: Failure, now: float) -> None:
        self._emit(CloseConnection())
        self._timers.stop(Timer.START, Timer.ANSWER, Timer.END)
        if self._session and now - self._session.since >= self.limits.healthy_after:
            self._failures = 0
        self._session = None
        self._failures += 1
        delay = delay_before(failure, self._failures, self._jitter())
        if delay is None or self._failures > self.limits.retry_attempts:
            self._fail(failure)
        else:
            self.state = State.WAITING
            self._timers.set(Timer.RETRY, now + delay)
            self._warn(failure.code, f"{failure.reason}; trying again in {delay:.2f} s")

    def _fail(self, failure: Failure) -> None:
        failed = events.StreamFailed(
            self.spec.stream_id, failure.code, failure.reason, not failure.is_terminal
        )
        self._close(failed, Outcome.FAILED)

    def _on_drain(self, received: inputs.DrainRequested, _now: float) -> None:
        if self.state is not State.CLOSING:
            self._emit(CloseConnection())
            detached = events.StreamDetached(self.spec.stream_id, received.reason)
            self._close(detached, Outcome.DETACHED)

    def _close(self, last_word: events.Event, outcome: Outcome) -> None:
        """The connection is closed already, so that nothing follows the last word."""
        self._timers.clear()
        self._emit(self.journal.publish_state(last_word))
        self._outcome = outcome
        self.state = State.CLOSING

    # -- time ------------------------------------------------------------------------------------

    def _on_deadline(self, _received: inputs.DeadlinePassed, now: float) -> None:
        while timer := self._timers.take_due(now):
            self._TIMEOUTS[timer](self, now)

    def _on_start_timeout(self, now: float) -> None:
        seconds = self.limits.start_timeout
        self._lose(Failure("start_timeout", f"recognition did not start in {seconds} s"), now)

    def _on_answer_timeout(self, now: float) -> None:
        seconds = self.limits.answer_timeout
        self._lose(Failure("unanswered", f"upstream read no audio for {seconds} s"), now)

    def _on_end_timeout(self, now: float) -> None:
        seconds = self.limits.end_timeout
        self._lose(Failure("end_timeout", f"no end of transcript came in {seconds} s"), now)

    def _on_idle_timeout(self, now: float) -> None:
        if self.intake.end_seq is not None:
            return
        self._end_reason = "idle"
        self._warn("idle", f"no message came for {self._idle_timeout} s; the stream ends")
        self._refuse_all(self.intake.end(self.intake.order.expected))
        self._pump(now)

    @property
    def _idle_timeout(self) -> float:
        return self.spec.idle_timeout or self.limits.idle_timeout

    # -- small things ----------------------------------------------------------------------------

    def _warn(self, code: str, reason: str) -> None:
        self._publish(events.StreamWarning(self.spec.stream_id, code, reason))

    def _publish(self, event: events.Event) -> None:
        self._emit(self.journal.publish(event))

    def _emit(self, output: Output) -> None:
        self._outputs.append(output)

    def _drain_outputs(self) -> list[Output]:
        outputs, self._outputs = self._outputs, []
        return outputs

    _RECEIVERS: ClassVar[dict[type[Input], Callable[[Stream, Any, float], None]]] = {
        inputs.ChunkDelivered: _on_delivered,
        inputs.EndDelivered: _on_delivered,
        inputs.GarbageDelivered: _on_garbage,
        inputs.DeadLettered: _on_dead_lettered,
        inputs.Published: _on_published,
        inputs.ConnectionOpened: _on_opened,
        inputs.ConnectionFailed: _on_failed,
        inputs.ConnectionLost: _on_lost,
        inputs.DeadlinePassed: _on_deadline,
        inputs.DrainRequested: _on_drain,
        upstream.RecognitionStarted: _on_recognition_started,
        upstream.AudioAdded: _on_audio_added,
        upstream.PartialReceived: _on_partial,
        upstream.FinalReceived: _on_final,
        upstream.UtteranceEnded: _on_utterance_ended,
        upstream.TranscriptEnded: _on_transcript_ended,
        upstream.InfoReceived: _on_info,
        upstream.WarningReceived: _on_warning,
        upstream.ErrorReceived: _on_error,
        upstream.UnknownReceived: _on_unknown,
    }

    _TIMEOUTS: ClassVar[dict[Timer, Callable[[Stream, float], None]]] = {
        Timer.START: _on_start_timeout,
        Timer.RETRY: _connect,
        Timer.HOLE: _give_up_hole,
        Timer.IDLE: _on_idle_timeout,
        Timer.ANSWER: _on_answer_timeout,
        Timer.END: _on_end_timeout,
    }
