"""One stream, from claim to end: the state machine of ``states`` and its rules.

``receive`` takes an input and the time and returns what to do; ``deadline`` says when to call with
``DeadlinePassed``. Two rules hold everywhere: audio is acknowledged only when a confirmed final
covers it, and every final carries the checkpoint from which a successor resumes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ..errors import UNAUTHORISED, TransitionError
from ..speechmatics import messages as upstream
from ..speechmatics.messages import MalformedMessage
from .audio.decoding import Decoder
from .audio.placement import Placement
from .audio.sequencer import Sequencer
from .inlet import Inlet
from .lifecycle import DUE, Lifecycle
from .recognition.retry import Attempts, Failure, overflow, silence
from .recognition.succession import Succession
from .record.journal import Journal
from .record.speakers import Voices
from .snapshot import ChannelSnapshot, Snapshot
from .states import State, require_allowed
from .values import events, inputs
from .values.checkpoint import Checkpoint
from .values.inputs import Input, Sequenced
from .values.memo import Memo
from .values.outputs import Output
from .values.spec import Channel, Limits, StreamSpec
from .values.timers import Timer, Timers


class Stream:
    """Holds a stream's audio until it is covered, through as many sessions as it takes.

    ``checkpoint`` and ``memo`` are what a predecessor left, if there was one. ``regions`` is the
    number of addresses that the stream may use. ``jitter`` returns a number from [0, 1) whenever
    a delay is drawn. ``decoder`` goes with a stream that is a file; it begins where ``checkpoint``
    says.
    """

    def __init__(  # noqa: PLR0913  # by name
        self,
        spec: StreamSpec,
        limits: Limits,
        *,
        now: float,
        jitter: Callable[[], float],
        checkpoint: Checkpoint | None = None,
        memo: Memo | None = None,
        regions: int = 1,
        decoder: Decoder | None = None,
    ) -> None:
        self.spec = spec
        self.limits = limits
        resumes = None if checkpoint is None else "take_over"
        checkpoint = checkpoint or Checkpoint()
        self._outputs: list[Output] = []
        self._timers = Timers()
        memo = memo or Memo()
        voices = Voices.of(spec.transcription_config, told=memo.speakers, highest=checkpoint.voices)
        self._sequencer = Sequencer(
            checkpoint.next_seq,
            checkpoint.gaps,
            most_missing=limits.max_missing,
            repeats=checkpoint.totals.duplicates,
        )
        self._placement = Placement(
            spec, limits, checkpoint, memo, sequencer=self._sequencer, decoder=decoder
        )
        self.journal = Journal(
            spec,
            limits,
            self._placement,
            checkpoint=checkpoint,
            voices=voices,
            emit=self._outputs.append,
        )
        self._inlet = Inlet(
            spec,
            limits,
            self._placement,
            journal=self.journal,
            timers=self._timers,
            emit=self._outputs.append,
            now=now,
        )
        self._succession = Succession(
            spec,
            limits,
            journal=self.journal,
            attempts=Attempts(limits, jitter, regions=regions),
            emit=self._outputs.append,
            voices=voices,
            resumes=resumes,
        )
        self._life = Lifecycle(
            spec,
            limits,
            self._placement,
            inlet=self._inlet,
            succession=self._succession,
            timers=self._timers,
            emit=self._outputs.append,
        )

    # -- the interface ---------------------------------------------------------------------------

    def open(self, now: float) -> list[Output]:
        """The first outputs; call once, before any input."""
        self._timers.set(Timer.IDLE, now + self._idle_timeout)
        self._life.connect(now)
        return self._drain_outputs()

    def receive(self, received: Input, now: float) -> list[Output]:
        """What to do about ``received``.

        An input of upstream's that the table does not allow ends its session like any other loss;
        one of our own raises ``TransitionError``, and nothing has changed.
        """
        try:
            allowed = require_allowed(self.state, type(received))
        except TransitionError as error:
            if error.side == "local":
                raise
            self._lose("protocol_error", str(error), now)
        else:
            self._dispatch(received, now, allowed)
        return self._drain_outputs()

    def _dispatch(self, received: Input, now: float, allowed: frozenset[State]) -> None:
        before = self.state
        try:
            self._RECEIVERS[type(received)](self, received, now)
        except MalformedMessage as error:
            self._lose("protocol_error", str(error), now)
        if self.state is not before and self.state not in allowed:
            raise TransitionError("local", before.value, f"a move to {self.state.value}")

    @property
    def state(self) -> State:
        return self._life.state

    @property
    def deadline(self) -> float | None:
        """When ``DeadlinePassed`` is due, on the clock of ``now``."""
        return self._timers.deadline

    def snapshot(self) -> Snapshot:
        """What telemetry and status may know; nothing is counted for them alone."""
        timeline, spec = self._placement.timeline, self.spec
        pieces = timeline.pieces
        starts = timeline.starts(pieces)
        channels = {}
        for channel, said in self.journal.said.items():
            track = spec.track_of(channel)
            extent = timeline.tracks[track]
            channels[channel] = ChannelSnapshot(
                extent.position, extent.sent, starts[track], said.watermark
            )
        return Snapshot(
            self.state,
            channels,
            tuple(pieces),
            replayed=timeline.replayed,
            gap_samples=self._placement.gap_samples,
            duplicates=self._sequencer.repeats,
            retries=self._succession.retries,
        )

    def __repr__(self) -> str:
        return (
            f"<Stream {self.spec.stream_id} {self.state.value}"
            f" expected={self._sequencer.expected} watermark={self.journal.watermark}"
            f" open={len(self._placement.settlement)}>"
        )

    # -- deliveries ------------------------------------------------------------------------------

    def _on_delivered(self, delivery: Sequenced, now: float) -> None:
        """Behind the last word a delivery is nobody's any more: it goes with the queue."""
        if self.state is State.CLOSING:
            return
        self._timers.set(Timer.IDLE, now + self._idle_timeout)
        self._life.watch_for_silence(now)
        self._inlet.take(delivery, now)
        self._life.advance(now)

    def _on_garbage(self, delivery: inputs.GarbageDelivered, now: float) -> None:
        if self.state is not State.CLOSING:
            self._inlet.take_garbage(delivery, now)

    def _on_dead_lettered(self, received: inputs.DeadLettered, now: float) -> None:
        self._inlet.close(received.tag, now)

    def _on_published(self, received: inputs.Published, now: float) -> None:
        self.journal.confirmed(received.seq)
        self._inlet.settle(now)
        self._life.published(received.seq, now)

    def _on_backlog_exceeded(self, received: inputs.BacklogExceeded, _now: float) -> None:
        self._life.give_up(Failure("event_backlog", overflow(received.held)))

    # -- the connection --------------------------------------------------------------------------

    def _on_opened(self, _received: inputs.ConnectionOpened, _now: float) -> None:
        self._life.introduce()

    def _on_failed(self, received: inputs.ConnectionFailed, now: float) -> None:
        refused = "not_authorised" if received.status in UNAUTHORISED else "unreachable"
        code = received.code or refused
        self._life.lose(Failure(code, received.reason, status=received.status), now)

    def _on_lost(self, received: inputs.ConnectionLost, now: float) -> None:
        self._lose("connection_lost", received.reason, now, close_code=received.code)

    def _lose(self, code: str, reason: str, now: float, *, close_code: int | None = None) -> None:
        began = self._succession.current is not None
        self._life.lose(Failure(code, reason, close_code=close_code, began=began), now)

    def _on_standby_ready(self, received: inputs.StandbyReady, now: float) -> None:
        self._life.standby_ready(received.started, now)

    def _on_standby_lost(self, received: inputs.StandbyLost, now: float) -> None:
        self._life.standby_lost(received.reason, now)

    def _on_drain(self, received: inputs.DrainRequested, _now: float) -> None:
        self._life.detach(received.reason)

    # -- words of upstream -----------------------------------------------------------------------

    def _on_recognition_started(self, received: upstream.RecognitionStarted, now: float) -> None:
        self._life.begin(received, now)

    def _on_audio_added(self, received: upstream.AudioAdded, now: float) -> None:
        self._confirm(received.seq_no, None, now)

    def _on_channel_audio_added(self, received: upstream.ChannelAudioAdded, now: float) -> None:
        self._confirm(received.seq_no, received.channel, now)

    def _confirm(self, count: int, channel: Channel, now: float) -> None:
        session = self._succession.live
        session.confirm(count, channel)
        if session.under_way:
            self._timers.set(Timer.ANSWER, now + self.limits.answer_timeout)
        else:
            self._timers.stop(Timer.ANSWER)
        self._life.advance(now)

    def _on_partial(self, received: upstream.PartialReceived, _now: float) -> None:
        self._succession.live.hear_partial(received)

    def _on_final(self, received: upstream.FinalReceived, now: float) -> None:
        if Timer.END in self._timers:
            self._timers.set(Timer.END, now + self.limits.end_timeout)
        self._succession.live.hear_final(received)
        if received.is_silent:
            self._life.switch_at_pause(now)

    def _on_utterance_ended(self, received: upstream.UtteranceEnded, now: float) -> None:
        self._succession.live.hear_end_of_utterance(received)
        self._life.switch_at_pause(now)

    def _on_partial_translation(
        self, received: upstream.PartialTranslationReceived, _now: float
    ) -> None:
        self._succession.live.hear_partial_translation(received)

    def _on_translation(self, received: upstream.FinalTranslationReceived, now: float) -> None:
        if Timer.END in self._timers:
            self._timers.set(Timer.END, now + self.limits.end_timeout)
        self._succession.live.hear_translation(received)

    def _on_sound_started(self, received: upstream.SoundStarted, _now: float) -> None:
        sound = self._succession.live.hear_sound(received.event, received.channel)
        if sound is not None:
            label = events.label_of(received.channel)
            self.journal.publish(events.AudioEventStarted(self.spec.stream_id, sound, label))

    def _on_sound_ended(self, received: upstream.SoundEnded, _now: float) -> None:
        sound = self._succession.live.hear_sound(received.event, received.channel)
        if sound is not None:
            label = events.label_of(received.channel)
            self.journal.publish(events.AudioEventEnded(self.spec.stream_id, sound, label))

    def _on_transcript_ended(self, _received: upstream.TranscriptEnded, now: float) -> None:
        self._life.transcript_ended(now)

    def _on_info(self, _received: upstream.InfoReceived, _now: float) -> None:
        """Usage and quality notices change nothing for the stream."""

    def _on_warning(self, received: upstream.WarningReceived, now: float) -> None:
        self.journal.warn(received.type, received.reason)
        if received.is_about_translation:
            self.journal.doubt_translations(received.reason)
        if received.is_about_duration:
            self._life.prepare_rollover(now)

    def _on_unknown(self, received: upstream.UnknownReceived, _now: float) -> None:
        self.journal.publish(
            events.UpstreamMessage(self.spec.stream_id, received.message, received.body)
        )

    def _on_speakers(self, received: upstream.SpeakersReceived, _now: float) -> None:
        self._succession.learn(received.identifiers)

    def _on_error(self, received: upstream.ErrorReceived, now: float) -> None:
        self._lose(received.type, received.reason, now)

    # -- time ------------------------------------------------------------------------------------

    def _on_deadline(self, _received: inputs.DeadlinePassed, now: float) -> None:
        while timer := self._timers.take_due(now):
            match timer:
                case Timer.HOLE:
                    self._inlet.give_up_hole(now)
                    self._life.advance(now)
                case Timer.IDLE:
                    self._on_idle_timeout(now)
                case Timer.SWITCH:
                    self._life.switch("rollover", now)
                case Timer.PACE:
                    self._inlet.settle(now)
                case Timer.SPEAKERS:
                    self._ask_for_speakers(now)
                case _ if timer in DUE:
                    DUE[timer](self._life, now)
                case _:
                    self._life.lose(silence(timer, self.limits), now)

    def _ask_for_speakers(self, now: float) -> None:
        self._timers.set(Timer.SPEAKERS, now + self.limits.speakers_every)
        self._succession.ask_for_voices()

    def _on_idle_timeout(self, now: float) -> None:
        """A publisher whose audio is held back, or still on its way, has not vanished."""
        if self._sequencer.end is not None:
            return
        is_waited_for = self._sequencer.has_hole or self._placement.is_decoding
        if self._inlet.is_full or is_waited_for:
            self._timers.set(Timer.IDLE, now + self._idle_timeout)
            return
        self._life.end_reason = "idle"
        self.journal.warn("idle", f"no message came for {self._idle_timeout} s; the stream ends")
        self._placement.end_here()
        self._life.advance(now)

    @property
    def _idle_timeout(self) -> float:
        return self.spec.idle_timeout or self.limits.idle_timeout

    # -- small things ----------------------------------------------------------------------------

    def _drain_outputs(self) -> list[Output]:
        outputs = self._outputs.copy()
        self._outputs.clear()
        return outputs

    _RECEIVERS: ClassVar[dict[type[Input], Callable[[Stream, Any, float], None]]] = {
        inputs.ChunkDelivered: _on_delivered,
        inputs.CommandDelivered: _on_delivered,
        inputs.EndDelivered: _on_delivered,
        inputs.GarbageDelivered: _on_garbage,
        inputs.DeadLettered: _on_dead_lettered,
        inputs.Published: _on_published,
        inputs.BacklogExceeded: _on_backlog_exceeded,
        inputs.ConnectionOpened: _on_opened,
        inputs.ConnectionFailed: _on_failed,
        inputs.ConnectionLost: _on_lost,
        inputs.StandbyReady: _on_standby_ready,
        inputs.StandbyLost: _on_standby_lost,
        inputs.DeadlinePassed: _on_deadline,
        inputs.DrainRequested: _on_drain,
        upstream.RecognitionStarted: _on_recognition_started,
        upstream.AudioAdded: _on_audio_added,
        upstream.ChannelAudioAdded: _on_channel_audio_added,
        upstream.PartialReceived: _on_partial,
        upstream.FinalReceived: _on_final,
        upstream.UtteranceEnded: _on_utterance_ended,
        upstream.PartialTranslationReceived: _on_partial_translation,
        upstream.FinalTranslationReceived: _on_translation,
        upstream.SoundStarted: _on_sound_started,
        upstream.SoundEnded: _on_sound_ended,
        upstream.TranscriptEnded: _on_transcript_ended,
        upstream.InfoReceived: _on_info,
        upstream.WarningReceived: _on_warning,
        upstream.SpeakersReceived: _on_speakers,
        upstream.ErrorReceived: _on_error,
        upstream.UnknownReceived: _on_unknown,
    }
