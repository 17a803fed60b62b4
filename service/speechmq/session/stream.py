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
from .checkpoint import Checkpoint
from .inlet import Inlet
from .inputs import Input
from .intake import Intake
from .journal import Journal
from .order import Sequenced
from .outputs import (
    CloseConnection,
    EndAudio,
    Finish,
    OpenConnection,
    Outcome,
    Output,
    SendAudio,
    StartRecognition,
)
from .retry import Attempts, Failure, silence
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
        self._attempts = Attempts(limits, jitter)
        self._resumes = None if checkpoint is None else "take_over"
        checkpoint = checkpoint or Checkpoint()
        self._outputs: list[Output] = []
        self._timers = Timers()
        self.intake = Intake(spec, limits, checkpoint)
        self.journal = Journal(
            spec, limits, self.intake, checkpoint=checkpoint, emit=self._outputs.append
        )
        self._inlet = Inlet(
            spec,
            limits,
            self.intake,
            journal=self.journal,
            timers=self._timers,
            emit=self._outputs.append,
            early_until=now + limits.early_wait,
        )
        self._session: Session | None = None
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

    def _on_delivered(self, delivery: Sequenced, now: float) -> None:
        """Behind the last word a delivery is nobody's any more: it goes with the queue."""
        if self.state is State.CLOSING:
            return
        self._timers.set(Timer.IDLE, now + self._idle_timeout)
        self._inlet.take(delivery, now)
        self._advance(now)

    def _on_garbage(self, delivery: inputs.GarbageDelivered, _now: float) -> None:
        if self.state is not State.CLOSING:
            self._inlet.take_garbage(delivery)

    def _on_dead_lettered(self, received: inputs.DeadLettered, _now: float) -> None:
        self._inlet.close(received.tag)

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
            journal=self.journal,
            delimiter=received.word_delimiter,
            now=now,
        )
        self._announce(received, self._session.origin)
        self._advance(now)

    def _announce(self, received: upstream.RecognitionStarted, origin: float) -> None:
        spec = self.spec
        if self._resumes is None:
            info = received.language_pack_info
            self.journal.publish(
                events.StreamStarted(spec.stream_id, received.id, info, spec.labels)
            )
        else:
            self.journal.publish(
                events.StreamResumed(spec.stream_id, received.id, origin, self._resumes)
            )
        self._resumes = "upstream_lost"

    def _advance(self, now: float) -> None:
        """Sends what can be sent, also what is freed when the prefetch is used up."""
        self._pump(now)
        self._inlet.relieve(now, may_release=self.state is State.STREAMING)
        self._pump(now)

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
        if self.intake.end is not None and session.has_sent_all:
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
        self._advance(now)

    @property
    def _live_session(self) -> Session:
        if self._session is None:
            raise TransitionError("local", self.state.value, "a use of the session before it began")
        return self._session

    # -- transcripts -----------------------------------------------------------------------------

    def _on_partial(self, received: upstream.PartialReceived, _now: float) -> None:
        self._live_session.hear_partial(received)

    def _on_final(self, received: upstream.FinalReceived, now: float) -> None:
        if Timer.END in self._timers:
            self._timers.set(Timer.END, now + self.limits.end_timeout)
        self._live_session.hear_final(received)

    def _on_utterance_ended(self, received: upstream.UtteranceEnded, _now: float) -> None:
        self._live_session.hear_end_of_utterance(received)

    def _on_published(self, received: inputs.Published, _now: float) -> None:
        self.journal.confirmed(received.seq)
        self._inlet.settle()
        if self.state is State.CLOSING and received.seq >= self.journal.seq:
            self.state = State.FINISHED
            self._emit(Finish(self._outcome))

    # -- other words of upstream -----------------------------------------------------------------

    def _on_info(self, _received: upstream.InfoReceived, _now: float) -> None:
        """Usage and quality notices change nothing for the stream."""

    def _on_warning(self, received: upstream.WarningReceived, _now: float) -> None:
        self.journal.warn(received.type, received.reason)

    def _on_unknown(self, received: upstream.UnknownReceived, _now: float) -> None:
        self.journal.publish(
            events.UpstreamMessage(self.spec.stream_id, received.message, received.body)
        )

    def _on_error(self, received: upstream.ErrorReceived, now: float) -> None:
        self._lose(Failure(received.type, received.reason), now)

    def _on_transcript_ended(self, _received: upstream.TranscriptEnded, _now: float) -> None:
        self._close(Outcome.ENDED)
        self.journal.publish_ended(self._end_reason)

    # -- losses and ends -------------------------------------------------------------------------

    def _on_failed(self, received: inputs.ConnectionFailed, now: float) -> None:
        code = "not_authorised" if received.status in UNAUTHORISED else "unreachable"
        self._lose(Failure(code, received.reason, status=received.status), now)

    def _on_lost(self, received: inputs.ConnectionLost, now: float) -> None:
        self._lose(Failure("connection_lost", received.reason, close_code=received.code), now)

    def _lose(self, failure: Failure, now: float) -> None:
        self._timers.stop(Timer.START, Timer.ANSWER, Timer.END)
        lived = now - self._session.since if self._session else 0.0
        self._session = None
        delay = self._attempts.delay_after(failure, lived=lived)
        if delay is None:
            self._fail(failure)
        else:
            self._emit(CloseConnection())
            self.state = State.WAITING
            self._timers.set(Timer.RETRY, now + delay)
            self.journal.warn(failure.code, f"{failure.reason}; trying again in {delay:.2f} s")

    def _fail(self, failure: Failure) -> None:
        self._close(Outcome.FAILED)
        is_retryable = not failure.is_terminal
        self.journal.publish_state(
            events.StreamFailed(self.spec.stream_id, failure.code, failure.reason, is_retryable)
        )

    def _on_drain(self, received: inputs.DrainRequested, _now: float) -> None:
        if self.state is not State.CLOSING:
            self._close(Outcome.DETACHED)
            detached = events.StreamDetached(self.spec.stream_id, received.reason)
            self.journal.publish_state(detached)

    def _close(self, outcome: Outcome) -> None:
        """The caller publishes the last word; nothing follows it."""
        self._emit(CloseConnection())
        self._timers.clear()
        self._outcome = outcome
        self.state = State.CLOSING

    # -- time ------------------------------------------------------------------------------------

    def _on_deadline(self, _received: inputs.DeadlinePassed, now: float) -> None:
        while timer := self._timers.take_due(now):
            match timer:
                case Timer.RETRY:
                    self._connect(now)
                case Timer.HOLE:
                    self._inlet.give_up_hole(now)
                    self._advance(now)
                case Timer.IDLE:
                    self._on_idle_timeout(now)
                case _:
                    self._lose(silence(timer, self.limits), now)

    def _on_idle_timeout(self, now: float) -> None:
        """A publisher whose audio is held back, or still on its way, has not vanished."""
        if self.intake.end is not None:
            return
        if self._inlet.is_full or self.intake.order.has_hole:
            self._timers.set(Timer.IDLE, now + self._idle_timeout)
            return
        self._end_reason = "idle"
        self.journal.warn("idle", f"no message came for {self._idle_timeout} s; the stream ends")
        self.intake.end_here()
        self._pump(now)

    @property
    def _idle_timeout(self) -> float:
        return self.spec.idle_timeout or self.limits.idle_timeout

    # -- small things ----------------------------------------------------------------------------

    def _emit(self, output: Output) -> None:
        self._outputs.append(output)

    def _drain_outputs(self) -> list[Output]:
        outputs = self._outputs.copy()
        self._outputs.clear()
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
