"""How a stream gets from one state to the next: sessions begin, roll over, pause, are lost and end.

Owns the state, and the deadlines of the present session. ``stream`` says which input comes here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from ..errors import UNAUTHORISED
from ..speechmatics import messages as upstream
from .audio.placement import Placement
from .audio.sequencer import Sequencer
from .recognition.retry import Failure, overflow, silence
from .recognition.session_handover import SessionHandover
from .record.acknowledgement import Acknowledgement
from .record.coverage import Coverage
from .record.speakers import tells_voices
from .states import State
from .values import events, inputs
from .values.outputs import CloseConnection, Effect, Finish, Outcome, SendAudio
from .values.spec import Limits, StreamSpec
from .values.timers import HEARING_TIMERS, SESSION_TIMERS, Timer, Timers


class Lifecycle:
    """Each method returns what is to be done, in order; nothing happens before it is iterated."""

    def __init__(  # noqa: PLR0913  # by name
        self,
        spec: StreamSpec,
        limits: Limits,
        placement: Placement,
        sequencer: Sequencer,
        *,
        coverage: Coverage,
        acknowledgement: Acknowledgement,
        handover: SessionHandover,
        timers: Timers,
    ) -> None:
        self.state = State.CONNECTING
        self._spec = spec
        self._limits = limits
        self._placement = placement
        self._timeline = placement.timeline
        self._sequencer = sequencer
        self._coverage = coverage
        self._acknowledgement = acknowledgement
        self._handover = handover
        self._timers = timers
        self._idle_timeout = spec.idle_timeout or limits.idle_timeout
        self._end_reason: Literal["end", "idle"] = "end"
        self._is_suspending = False
        self._outcome = Outcome.ENDED

    # -- a session begins ------------------------------------------------------------------------

    def connect(self, now: float) -> Iterator[Effect]:
        self.state = State.CONNECTING
        # One deadline for all of it: the handshake, the start of recognition, and its answer.
        self._timers.set(Timer.START, now + self._limits.start_timeout)
        yield self._handover.connect()

    def introduce(self, _received: inputs.ConnectionOpened, _now: float) -> Iterator[Effect]:
        self.state = State.STARTING
        yield self._handover.introduce()

    def begin(self, started: upstream.RecognitionStarted, now: float) -> Iterator[Effect]:
        yield from self._handover.begin(started, now)
        yield from self._stream(now)

    def _stream(self, now: float) -> Iterator[Effect]:
        """A session has begun: it hears what is there."""
        self.state = State.STREAMING
        self._timers.stop(*SESSION_TIMERS)
        # Upstream ends a session after 48 hours: the next one is opened before that.
        self._timers.set(Timer.ROLLOVER, now + self._limits.rollover_after)
        if tells_voices(self._spec.transcription_config):
            self._timers.set(Timer.SPEAKERS, now + self._limits.speakers_every)
        self._watch_for_silence(now)
        yield from self.advance(now)

    # -- audio -----------------------------------------------------------------------------------

    def await_next(self, now: float) -> None:
        """A message has come; the publisher has so long until the next."""
        self._timers.set(Timer.IDLE, now + self._idle_timeout)
        self._watch_for_silence(now)

    def advance(self, now: float) -> Iterator[Effect]:
        """Sends what can be sent, also what is freed when the prefetch is used up."""
        is_file = self._placement.has_decoder
        if is_file:
            if self._placement.may_decode:
                yield from self._placement.place_ready(now)
            if self._placement.undecodable is not None:
                yield from self._fail(Failure("undecodable_audio", self._placement.undecodable))
                return
        yield from self._send(now)
        if self._acknowledgement.is_nearly_full:
            # In other states no session has heard it yet, and it may still be finalised.
            may_let_go = self.state is State.STREAMING
            yield from self._acknowledgement.relieve(now, may_let_go=may_let_go)
            yield from self._send(now)
        if is_file:
            self._placement.watch_decoding(now)
        if self.state is State.SUSPENDED:
            yield from self._wake(now)

    def _send(self, now: float) -> Iterator[Effect]:
        """Sends what the window has room for; after the last chunk, the end."""
        is_last = self._sequencer.end is not None
        has_news = is_last or self._timeline.next_unsent is not None
        if self.state is not State.STREAMING or not has_news:
            return
        session = self._handover.live
        was_idle = not session.under_way
        for sendable in session.sendable(now, is_last=is_last):
            if isinstance(sendable, SendAudio):
                yield sendable
            else:
                yield from self._handover.obey(sendable)
        # Upstream owes an answer from the first chunk that is under way.
        if was_idle and session.under_way:
            self._timers.set(Timer.ANSWER, now + self._limits.answer_timeout)
        self._watch_held(session.held_until, now)
        if is_last and session.has_sent_all:
            yield from self._end_audio(now)

    def _watch_held(self, held_until: float | None, now: float) -> None:
        # What has waited in vain for more waits only for the window, which has no deadline.
        if held_until is None or held_until <= now:
            self._timers.stop(Timer.COALESCE)
        else:
            self._timers.set(Timer.COALESCE, held_until)

    def audio_read(
        self, received: upstream.AudioAdded | upstream.ChannelAudioAdded, now: float
    ) -> Iterator[Effect]:
        session = self._handover.live
        channel = received.channel if isinstance(received, upstream.ChannelAudioAdded) else None
        session.confirm(received.seq_no, channel)
        if session.under_way:
            # It reads, so it is not half-open: it has all of the time for the next chunk.
            self._timers.set(Timer.ANSWER, now + self._limits.answer_timeout)
        else:
            self._timers.stop(Timer.ANSWER)
        yield from self.advance(now)

    def _end_audio(self, now: float) -> Iterator[Effect]:
        """Nothing follows in this session, which says what it still has to say."""
        self.state = State.ENDING
        # None is needed to hear what follows: nothing does.
        yield from self._handover.dismiss()
        self._timers.stop(*HEARING_TIMERS)
        self._timers.set(Timer.END, now + self._limits.end_timeout)
        yield from self._handover.live.ends()

    # -- words of upstream -----------------------------------------------------------------------

    def hear_final(self, received: upstream.FinalReceived, now: float) -> Iterator[Effect]:
        self._wait_on_for_end(now)
        yield from self._handover.live.hear_final(received, now)
        if received.is_silent:
            yield from self._switch_at_pause(now)

    def hear_translation(
        self, received: upstream.FinalTranslationReceived, now: float
    ) -> Iterator[Effect]:
        self._wait_on_for_end(now)
        yield from self._handover.live.hear_translation(received, now)

    def _wait_on_for_end(self, now: float) -> None:
        # A session that still says finals has not fallen silent.
        if Timer.END in self._timers:
            self._timers.set(Timer.END, now + self._limits.end_timeout)

    def hear_end_of_utterance(
        self, received: upstream.UtteranceEnded, now: float
    ) -> Iterator[Effect]:
        yield from self._handover.live.hear_end_of_utterance(received, now)
        yield from self._switch_at_pause(now)

    def hear_warning(self, received: upstream.WarningReceived, now: float) -> Iterator[Effect]:
        yield self._warning(received.type, received.reason)
        if received.is_about_translation:
            self._coverage.translations.doubt(received.reason)
        if received.is_about_duration:
            # Upstream is about to end the session for its age, sooner than we would.
            yield from self.prepare_rollover(now)

    def _warning(self, code: str, reason: str) -> events.StreamWarning:
        return events.StreamWarning(self._spec.stream_id, code, reason)

    def transcript_ended(self, _received: upstream.TranscriptEnded, now: float) -> Iterator[Effect]:
        """Upstream has said all about the audio that it heard."""
        yield from self._suspended(now) if self._is_suspending else self._end()

    def ask_for_speakers(self, now: float) -> Iterable[Effect]:
        # Now and then: a session that is lost can no longer be asked.
        self._timers.set(Timer.SPEAKERS, now + self._limits.speakers_every)
        return self._handover.ask_for_voices()

    # -- rollover --------------------------------------------------------------------------------

    def prepare_rollover(self, now: float) -> Iterator[Effect]:
        """The session's time runs out: the next one is opened beside it."""
        if self.state is State.STREAMING:
            for opening in self._handover.prepare():
                self._timers.stop(Timer.ROLLOVER)
                self._timers.set(Timer.STANDBY, now + self._limits.start_timeout)
                yield opening

    def standby_ready(self, received: inputs.StandbyReady, now: float) -> Iterator[Effect]:
        yield from self._handover.prepared(received.started)
        if self._handover.is_prepared:
            self._timers.stop(Timer.STANDBY)
            # At a pause, or when none has come in that time: the old session's hours run out.
            self._timers.set(Timer.SWITCH, now + self._limits.rollover_wait)

    def standby_lost(self, received: inputs.StandbyLost, now: float) -> Iterator[Effect]:
        if self._handover.forget_standby():
            yield self._put_off_rollover(received.reason, now)

    def standby_overdue(self, now: float) -> Iterator[Effect]:
        yield from self._handover.dismiss()
        yield self._put_off_rollover(silence(Timer.START, self._limits).reason, now)

    def _put_off_rollover(self, reason: str, now: float) -> events.StreamWarning:
        # No failure of the stream: the present session hears it.
        self._handover.put_off()
        self._timers.stop(Timer.STANDBY, Timer.SWITCH)
        self._timers.set(Timer.ROLLOVER, now + self._limits.rollover_wait)
        return self._warning("rollover_failed", f"{reason}; the session goes on for now")

    def _switch_at_pause(self, now: float) -> Iterator[Effect]:
        # Nobody speaks: the best moment for a change of sessions that is due.
        if self.state is State.STREAMING and self._handover.is_prepared:
            yield from self.roll_over(now)

    def roll_over(self, now: float) -> Iterator[Effect]:
        yield from self._switch("rollover", now)

    def _switch(self, reason: str, now: float) -> Iterator[Effect]:
        """To the session that stands by, without a pause."""
        yield from self._handover.succeed(reason, now)
        yield from self._stream(now)

    # -- suspension ------------------------------------------------------------------------------

    def _watch_for_silence(self, now: float) -> None:
        if self.state is State.STREAMING and self._limits.suspend_after is not None:
            self._timers.set(Timer.SUSPEND, now + self._limits.suspend_after)

    def suspend(self, now: float) -> Iterator[Effect]:
        """No audio for long: the session is ended, so that it does not use up the quota."""
        if not self._handover.live.has_sent_all or self._sequencer.has_hole:
            self._watch_for_silence(now)
            return
        # It is ended properly, so that all it heard is final and need not be heard again.
        self._is_suspending = True
        yield from self._end_audio(now)

    def _suspended(self, now: float) -> Iterator[Effect]:
        self._handover.rest(now)
        yield from self._leave_session()
        self._handover.resumes = "suspended"
        self.state = State.SUSPENDED
        yield self._coverage.close_session()
        reason = f"no audio came for {self._limits.suspend_after} s; the next goes on from here"
        yield events.StreamInfo(self._spec.stream_id, "suspended", reason)
        yield from self._wake(now)

    def _wake(self, now: float) -> Iterator[Effect]:
        """Goes on if there is anything to hear, ends if nothing will come."""
        if self._timeline.next_unsent is not None:
            yield from self.connect(now)
        elif self._sequencer.end is not None:
            yield from self._end()

    # -- losses ----------------------------------------------------------------------------------

    def connection_failed(self, received: inputs.ConnectionFailed, now: float) -> Iterator[Effect]:
        refused = "not_authorised" if received.status in UNAUTHORISED else "unreachable"
        code = received.code or refused
        yield from self._lose(Failure(code, received.reason, status=received.status), now)

    def connection_lost(self, received: inputs.ConnectionLost, now: float) -> Iterator[Effect]:
        yield from self._lose_session("connection_lost", received.reason, now, received.code)

    def hear_error(self, received: upstream.ErrorReceived, now: float) -> Iterator[Effect]:
        yield from self._lose_session(received.type, received.reason, now)

    def protocol_error(self, error: Exception, now: float) -> Iterator[Effect]:
        yield from self._lose_session("protocol_error", str(error), now)

    def _lose_session(
        self, code: str, reason: str, now: float, close_code: int | None = None
    ) -> Iterator[Effect]:
        began = self._handover.current is not None
        yield from self._lose(Failure(code, reason, close_code=close_code, began=began), now)

    def _lose(self, failure: Failure, now: float) -> Iterator[Effect]:
        """The session is over before its time; the stream goes on, if another try can help."""
        delay = self._handover.delay_after(failure, now)
        if delay is None:
            yield from self._fail(failure)
        elif self._handover.is_prepared:
            # Without back-off: it has begun already, wherever the other one was lost.
            yield self._warning(failure.code, f"{failure.reason}; the next session is ready")
            yield from self._switch("upstream_lost", now)
        else:
            yield from self._leave_session()
            self.state = State.WAITING
            self._timers.set(Timer.RETRY, now + delay)
            reason = f"{failure.reason}; trying again in {delay:.2f} s"
            yield self._warning(failure.code, reason)

    def _leave_session(self) -> Iterator[Effect]:
        self._is_suspending = False
        yield from self._handover.leave()
        self._timers.stop(*SESSION_TIMERS)
        # Whatever the reason, every way out of a session closes its socket.
        yield CloseConnection()

    # -- ends ------------------------------------------------------------------------------------

    def end_idle(self, now: float) -> Iterator[Effect]:
        """No message came for long: the publisher has vanished, and the stream ends."""
        if self._sequencer.end is not None:
            return
        # One whose audio is held back, or still on its way, has not vanished.
        is_waited_for = self._sequencer.has_hole or self._placement.is_decoding
        if self._acknowledgement.is_full or is_waited_for:
            self._timers.set(Timer.IDLE, now + self._idle_timeout)
            return
        self._end_reason = "idle"
        yield self._warning("idle", f"no message came for {self._idle_timeout} s; the stream ends")
        yield from self._placement.end_without_message()
        yield from self.advance(now)

    def backlog_exceeded(self, received: inputs.BacklogExceeded, _now: float) -> Iterator[Effect]:
        if self.state is not State.CLOSING:
            yield from self._fail(Failure("event_backlog", overflow(received.held)))

    def _fail(self, failure: Failure) -> Iterator[Effect]:
        yield from self._close(Outcome.FAILED)
        is_retryable = not failure.is_terminal
        yield events.StreamFailed(self._spec.stream_id, failure.code, failure.reason, is_retryable)

    def _end(self) -> Iterator[Effect]:
        # Before the last event: a consumer need not listen after that.
        yield from self._handover.answer_at_end()
        yield from self._close(Outcome.ENDED)
        yield self._coverage.ended(self._end_reason)

    def detach(self, received: inputs.DrainRequested, _now: float) -> Iterator[Effect]:
        """Leaves the stream to another worker."""
        if self.state is not State.CLOSING:
            yield from self._close(Outcome.DETACHED)
            yield events.StreamDetached(self._spec.stream_id, received.reason)

    def _close(self, outcome: Outcome) -> Iterator[Effect]:
        """The caller publishes the last event; nothing follows it."""
        yield from self._leave_session()
        self._timers.clear()
        yield from self._acknowledgement.stop_pacing()
        self._outcome = outcome
        self.state = State.CLOSING

    def published(self, received: inputs.Published, now: float) -> Iterator[Effect]:
        """The broker has every event so far; with the last one, the stream is over here."""
        yield from self._acknowledgement.published(received.seq, now)
        if self.state is State.STREAMING:
            # What was given up may have freed no room in the prefetch: it is looked at once more.
            yield from self.advance(now)
        elif self.state is State.CLOSING and received.seq >= self._coverage.seq:
            # Only now may the queues be deleted, or another worker go on.
            self.state = State.FINISHED
            yield Finish(self._outcome)

    # -- time ------------------------------------------------------------------------------------

    def deadline_passed(self, _received: inputs.DeadlinePassed, now: float) -> Iterator[Effect]:
        # The shell has one alarm: several deadlines may have come since it was set.
        while timer := self._timers.take_due(now):
            if timer in DUE:
                yield from DUE[timer](self, now)
            else:
                yield from self._lose(silence(timer, self._limits), now)

    def give_up_hole(self, now: float) -> Iterator[Effect]:
        yield from self._placement.give_up_hole(now)
        yield from self.advance(now)

    def acknowledge_due(self, now: float) -> Iterable[Effect]:
        return self._acknowledgement.acknowledge_due(now)


# What is done when a deadline has come; the others are what upstream owes.
DUE: Mapping[Timer, Callable[[Lifecycle, float], Iterable[Effect]]] = {
    Timer.RETRY: Lifecycle.connect,
    Timer.HOLE: Lifecycle.give_up_hole,
    Timer.IDLE: Lifecycle.end_idle,
    Timer.ROLLOVER: Lifecycle.prepare_rollover,
    Timer.STANDBY: Lifecycle.standby_overdue,
    Timer.SWITCH: Lifecycle.roll_over,
    Timer.SUSPEND: Lifecycle.suspend,
    Timer.SPEAKERS: Lifecycle.ask_for_speakers,
    Timer.COALESCE: Lifecycle.advance,
    Timer.DECODE: Lifecycle.advance,
    Timer.PACE: Lifecycle.acknowledge_due,
}
