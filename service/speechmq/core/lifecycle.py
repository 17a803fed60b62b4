"""How a stream gets from one state to the next: sessions begin, roll over, pause, are lost and end.

Owns the state, and the deadlines of the present session. What an input means is ``stream``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from ..speechmatics.messages import RecognitionStarted
from .audio.placement import Placement
from .inlet import Inlet
from .recognition.retry import Failure, silence
from .recognition.succession import Succession
from .record.journal import Journal
from .record.speakers import tells_voices
from .states import State
from .values import events
from .values.outputs import CloseConnection, Finish, Outcome, Output, SendAudio
from .values.spec import Limits, StreamSpec
from .values.timers import HEARING_TIMERS, SESSION_TIMERS, Timer, Timers


class Lifecycle:
    """``end_reason`` is what the stream's last word will give as its cause."""

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        placement: Placement,
        *,
        inlet: Inlet,
        succession: Succession,
        timers: Timers,
        emit: Callable[[Output], None],
    ) -> None:
        self.state = State.CONNECTING
        self.end_reason: Literal["end", "idle"] = "end"
        self._spec = spec
        self._limits = limits
        self._placement = placement
        self._sequencer = placement.sequencer
        self._journal: Journal = succession.journal
        self._inlet = inlet
        self._succession = succession
        self._timers = timers
        self._emit = emit
        self._is_suspending = False
        self._outcome = Outcome.ENDED

    # -- a session begins ------------------------------------------------------------------------

    def connect(self, now: float) -> None:
        self.state = State.CONNECTING
        self._timers.set(Timer.START, now + self._limits.start_timeout)
        self._succession.connect()

    def introduce(self) -> None:
        self.state = State.STARTING
        self._succession.introduce()

    def begin(self, started: RecognitionStarted, now: float) -> None:
        self._succession.begin(started, now)
        self._stream(now)

    def _stream(self, now: float) -> None:
        """A session has begun: it hears what is there."""
        self.state = State.STREAMING
        self._timers.stop(*SESSION_TIMERS)
        self._timers.set(Timer.ROLLOVER, now + self._limits.rollover_after)
        if tells_voices(self._spec.transcription_config):
            self._timers.set(Timer.SPEAKERS, now + self._limits.speakers_every)
        self.watch_for_silence(now)
        self.advance(now)

    # -- audio -----------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Sends what can be sent, also what is freed when the prefetch is used up."""
        if self._placement.has_decoder:
            self._inlet.decode_on(now)
        if self._placement.undecodable is not None:
            self._fail(Failure("undecodable_audio", self._placement.undecodable))
            return
        self._pump(now)
        if self._inlet.relieve(now, may_release=self.state is State.STREAMING):
            self._pump(now)
        if self._placement.has_decoder:
            self._inlet.watch_decoding(now)
        if self.state is State.SUSPENDED:
            self._wake(now)

    def _pump(self, now: float) -> None:
        """Sends what the window has room for; behind the last chunk, the end."""
        is_last = self._sequencer.end is not None
        has_news = is_last or self._placement.timeline.next_unsent is not None
        if self.state is not State.STREAMING or not has_news:
            return
        session = self._succession.live
        was_idle = not session.under_way
        for sendable in session.sendable(now, is_last=is_last):
            if isinstance(sendable, SendAudio):
                self._emit(sendable)
            else:
                self._succession.obey(sendable)
        if was_idle and session.under_way:
            self._timers.set(Timer.ANSWER, now + self._limits.answer_timeout)
        self._watch_held(session.held_until, now)
        if is_last and session.has_sent_all:
            self._end_audio(now)

    def _watch_held(self, held_until: float | None, now: float) -> None:
        """What has waited in vain for more waits only for the window, which has no deadline."""
        if held_until is None or held_until <= now:
            self._timers.stop(Timer.COALESCE)
        else:
            self._timers.set(Timer.COALESCE, held_until)

    def _end_audio(self, now: float) -> None:
        """Nothing follows in this session, which says what it still has to say."""
        self.state = State.ENDING
        self._succession.dismiss()
        self._timers.stop(*HEARING_TIMERS)
        self._timers.set(Timer.END, now + self._limits.end_timeout)
        for end in self._succession.live.ends():
            self._emit(end)

    def transcript_ended(self, now: float) -> None:
        """Upstream has said all about the audio that it heard."""
        if self._is_suspending:
            self._suspended(now)
        else:
            self._end()

    # -- rollover --------------------------------------------------------------------------------

    def prepare_rollover(self, now: float) -> None:
        """The session's time runs out: the next one is opened beside it."""
        if self.state is State.STREAMING and self._succession.prepare():
            self._timers.stop(Timer.ROLLOVER)
            self._timers.set(Timer.STANDBY, now + self._limits.start_timeout)

    def standby_ready(self, started: RecognitionStarted, now: float) -> None:
        self._succession.prepared(started)
        if self._succession.is_prepared:
            self._timers.stop(Timer.STANDBY)
            self._timers.set(Timer.SWITCH, now + self._limits.rollover_wait)

    def standby_lost(self, reason: str, now: float) -> None:
        if self._succession.forget_standby():
            self._put_off_rollover(reason, now)

    def standby_overdue(self, now: float) -> None:
        self._succession.dismiss()
        self._put_off_rollover(silence(Timer.START, self._limits).reason, now)

    def _put_off_rollover(self, reason: str, now: float) -> None:
        self._succession.put_off()
        self._journal.warn("rollover_failed", f"{reason}; the session goes on for now")
        self._timers.stop(Timer.STANDBY, Timer.SWITCH)
        self._timers.set(Timer.ROLLOVER, now + self._limits.rollover_wait)

    def switch_at_pause(self, now: float) -> None:
        """Nobody speaks: the best moment for a change of sessions that is due."""
        if self.state is State.STREAMING and self._succession.is_prepared:
            self.switch("rollover", now)

    def switch(self, reason: str, now: float) -> None:
        """To the session that stands by, without a pause."""
        self._succession.succeed(reason, now)
        self._stream(now)

    # -- suspension ------------------------------------------------------------------------------

    def watch_for_silence(self, now: float) -> None:
        if self.state is State.STREAMING and self._limits.suspend_after is not None:
            self._timers.set(Timer.SUSPEND, now + self._limits.suspend_after)

    def suspend(self, now: float) -> None:
        """No audio for long: the session is ended, so that it does not use up the quota."""
        if not self._succession.live.has_sent_all or self._sequencer.has_hole:
            self.watch_for_silence(now)
            return
        self._is_suspending = True
        self._end_audio(now)

    def _suspended(self, now: float) -> None:
        self._succession.rest(now)
        self._leave_session()
        self._succession.resumes = "suspended"
        self.state = State.SUSPENDED
        self._journal.close_session()
        reason = f"no audio came for {self._limits.suspend_after} s; the next goes on from here"
        self._journal.publish(events.StreamInfo(self._spec.stream_id, "suspended", reason))
        self._wake(now)

    def _wake(self, now: float) -> None:
        """Goes on if there is anything to hear, ends if nothing will come."""
        if self._placement.timeline.next_unsent is not None:
            self.connect(now)
        elif self._sequencer.end is not None:
            self._end()

    # -- losses and ends -------------------------------------------------------------------------

    def lose(self, failure: Failure, now: float) -> None:
        """The session is over before its time; the stream goes on, if another try can help."""
        delay = self._succession.delay_after(failure, now)
        if delay is None:
            self._fail(failure)
        elif self._succession.is_prepared:
            self._journal.warn(failure.code, f"{failure.reason}; the next session is ready")
            self.switch("upstream_lost", now)
        else:
            self._try_again(failure, delay, now)

    def _try_again(self, failure: Failure, delay: float, now: float) -> None:
        self._leave_session()
        self.state = State.WAITING
        self._timers.set(Timer.RETRY, now + delay)
        self._journal.warn(failure.code, f"{failure.reason}; trying again in {delay:.2f} s")

    def _leave_session(self) -> None:
        self._is_suspending = False
        self._succession.leave()
        self._timers.stop(*SESSION_TIMERS)
        self._emit(CloseConnection())

    def give_up(self, failure: Failure) -> None:
        """No further session can help. Changes nothing once the last word is published."""
        if self.state is not State.CLOSING:
            self._fail(failure)

    def _fail(self, failure: Failure) -> None:
        self._close(Outcome.FAILED)
        is_retryable = not failure.is_terminal
        stream_id = self._spec.stream_id
        self._journal.publish_state(
            events.StreamFailed(stream_id, failure.code, failure.reason, is_retryable)
        )

    def _end(self) -> None:
        self._succession.answer_at_end()
        self._close(Outcome.ENDED)
        self._journal.publish_ended(self.end_reason)

    def detach(self, reason: str) -> None:
        """Leaves the stream to another worker."""
        if self.state is not State.CLOSING:
            self._close(Outcome.DETACHED)
            self._journal.publish_state(events.StreamDetached(self._spec.stream_id, reason))

    def _close(self, outcome: Outcome) -> None:
        """The caller publishes the last word; nothing follows it."""
        self._leave_session()
        self._timers.clear()
        self._inlet.stop_pacing()
        self._outcome = outcome
        self.state = State.CLOSING

    def published(self, seq: int, now: float) -> None:
        """The broker has every event up to ``seq``; with the last word, the stream is over here.

        What was given up may have freed no room in the prefetch, and nobody else would try again.
        """
        if self.state is State.STREAMING:
            self.advance(now)
        elif self.state is State.CLOSING and seq >= self._journal.seq:
            self.state = State.FINISHED
            self._emit(Finish(self._outcome))


# What is done when a deadline has come.
DUE: Mapping[Timer, Callable[[Lifecycle, float], None]] = {
    Timer.RETRY: Lifecycle.connect,
    Timer.ROLLOVER: Lifecycle.prepare_rollover,
    Timer.STANDBY: Lifecycle.standby_overdue,
    Timer.SUSPEND: Lifecycle.suspend,
    Timer.COALESCE: Lifecycle.advance,
    Timer.DECODE: Lifecycle.advance,
}
