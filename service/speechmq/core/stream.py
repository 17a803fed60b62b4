"""One stream, from claim to end: the state machine of ``states`` and its rules.

``receive`` takes an input and the time and returns what to do; ``deadline`` says when to call with
``DeadlinePassed``. Two rules hold everywhere: audio is acknowledged only when a confirmed final
covers it, and every final carries the checkpoint from which a successor resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, ClassVar

from ..errors import TransitionError
from ..speechmatics import messages as upstream
from ..speechmatics.messages import MalformedMessage
from .audio.placement import Placement
from .audio.rejections import Rejection
from .audio.sequencer import Place, Sequencer
from .lifecycle import Lifecycle
from .recognition.retry import Attempts
from .recognition.session import Session
from .recognition.session_handover import SessionHandover
from .record.acknowledgement import Acknowledgement
from .record.coverage import Coverage
from .record.speakers import Voices
from .snapshot import ChannelSnapshot, Snapshot
from .states import State, require_allowed
from .values import inputs
from .values.checkpoint import Checkpoint
from .values.events import StreamWarning, UpstreamMessage
from .values.inputs import Input, Sequenced
from .values.memo import Memo
from .values.outputs import Effect, Output
from .values.spec import Limits, StreamSpec
from .values.timers import Timers

Receiver = tuple[Callable[["Stream"], Any], Callable[..., Iterable[Effect]]]
"""Which part of a stream an input concerns, and its method that takes the input and the time."""


def _itself(stream: Stream) -> Stream:
    return stream


_LIFE, _HANDOVER, _SESSION, _ACKNOWLEDGEMENT = map(
    attrgetter, ("_life", "_handover", "_handover.live", "_acknowledgement")
)


class Stream:
    """Holds a stream's audio until it is covered, through as many sessions as it takes.

    ``checkpoint`` and ``memo`` are what a predecessor left, if there was one. ``regions`` is the
    number of addresses that the stream may use. ``jitter`` returns a number from [0, 1) whenever
    a delay is drawn.
    """

    def __init__(  # by name
        self,
        spec: StreamSpec,
        limits: Limits,
        *,
        now: float,
        jitter: Callable[[], float],
        checkpoint: Checkpoint | None = None,
        memo: Memo | None = None,
        regions: int = 1,
    ) -> None:
        self.spec = spec
        resumes = None if checkpoint is None else "take_over"
        checkpoint, memo = checkpoint or Checkpoint(), memo or Memo()
        voices = Voices.of(spec.transcription_config, told=memo.speakers, highest=checkpoint.voices)
        self._attempts = Attempts(limits, jitter, regions=regions)
        # One set of deadlines, for which the shell sets one alarm.
        timers = self._timers = Timers()
        sequencer = self._sequencer = Sequencer(limits, timers, checkpoint, now=now)
        placement = self._placement = Placement(
            spec, limits, sequencer, timers, checkpoint=checkpoint, memo=memo
        )
        coverage = self._coverage = Coverage(
            spec, limits, placement, sequencer, checkpoint=checkpoint, voices=voices
        )
        self._acknowledgement = Acknowledgement(
            spec, limits, placement, sequencer, coverage=coverage, timers=timers, now=now
        )
        self._handover = SessionHandover(
            spec,
            limits,
            placement,
            coverage=coverage,
            attempts=self._attempts,
            voices=voices,
            resumes=resumes,
        )
        self._life = Lifecycle(
            spec,
            limits,
            placement,
            sequencer,
            coverage=coverage,
            acknowledgement=self._acknowledgement,
            handover=self._handover,
            timers=timers,
        )

    # -- the interface ---------------------------------------------------------------------------

    def open(self, now: float) -> list[Output]:
        """The first outputs; call once, before any input."""
        self._life.await_next(now)
        return self._complete(self._life.connect(now))

    def receive(self, received: Input, now: float) -> list[Output]:
        """What to do about ``received``.

        An input of upstream's that the table does not allow ends its session like any other loss;
        one of our own raises ``TransitionError``, and nothing has changed.
        """
        state = self._life.state
        try:
            allowed = require_allowed(state, type(received))
        except TransitionError as error:
            if error.side == "local":
                raise
            return self._complete(self._life.protocol_error(error, now))
        part, method = self._RECEIVERS[type(received)]
        # What was returned before an error is done all the same: the state has changed by then.
        outputs: list[Output] = []
        try:
            self._complete(method(part(self), received, now), outputs)
        except MalformedMessage as error:
            self._complete(self._life.protocol_error(error, now), outputs)
        after = self._life.state
        if after is not state and after not in allowed:
            raise TransitionError("local", state.value, f"a move to {after.value}")
        return outputs

    def _complete(
        self, effects: Iterable[Effect], outputs: list[Output] | None = None
    ) -> list[Output]:
        outputs = [] if outputs is None else outputs
        # One by one: an event's checkpoint must not know of a gap that is published after it.
        for effect in effects:
            outputs.append(self._coverage.complete(effect))
        return outputs

    @property
    def state(self) -> State:
        return self._life.state

    @property
    def deadline(self) -> float | None:
        """When ``DeadlinePassed`` is due, on the clock of ``now``."""
        return self._timers.deadline

    def snapshot(self) -> Snapshot:
        """What telemetry and status may know."""
        timeline, spec = self._placement.timeline, self.spec
        pieces = timeline.pieces
        starts = timeline.starts(pieces)
        channels = {}
        for channel, progress in self._coverage.progress.items():
            track = spec.track_of(channel)
            extent = timeline.tracks[track]
            channels[channel] = ChannelSnapshot(
                extent.position, extent.sent, starts[track], progress.watermark
            )
        return Snapshot(
            self.state,
            channels,
            tuple(pieces),
            replayed=timeline.replayed,
            gap_samples=timeline.gap_samples,
            duplicates=self._sequencer.repeats,
            retries=self._attempts.retries,
        )

    def __repr__(self) -> str:
        return (
            f"<Stream {self.spec.stream_id} {self.state.value}"
            f" expected={self._sequencer.expected} watermark={self._coverage.watermark}"
            f" open={len(self._acknowledgement)}>"
        )

    # -- deliveries ------------------------------------------------------------------------------

    def _on_delivered(self, delivery: Sequenced, now: float) -> Iterator[Effect]:
        if self._life.state is State.CLOSING:
            return  # after the last event a delivery goes with its queue
        self._life.await_next(now)
        # Whatever becomes of it, it counts for the pace and has to be accounted for.
        self._acknowledgement.delivered(delivery, now)
        match self._sequencer.offer(delivery, now):
            case Place.IN_ORDER:
                yield from self._placement.place_ready(now)
            case Place.DUPLICATE:
                yield from self._acknowledgement.close([delivery.tag], now)
            case Place.LATE:
                reason = f"message {delivery.seq} came after its gap was declared"
                yield StreamWarning(self.spec.stream_id, "late_chunk", reason)
                yield from self._acknowledgement.close([delivery.tag], now)
            case Rejection() as rejection:
                yield from self._placement.reject(rejection)
        yield from self._life.advance(now)

    def _on_garbage(self, delivery: inputs.GarbageDelivered, now: float) -> Iterator[Effect]:
        if self._life.state is not State.CLOSING:
            self._acknowledgement.delivered(delivery, now)
            rejection = Rejection(delivery.tag, delivery.code, delivery.reason)
            yield from self._placement.reject(rejection)

    def _on_unknown(self, received: upstream.UnknownReceived, _now: float) -> Iterable[Effect]:
        return (UpstreamMessage(self.spec.stream_id, received.message, received.body),)

    def _ignore(self, _received: upstream.InfoReceived, _now: float) -> Iterable[Effect]:
        return ()  # usage and quality notices change nothing for the stream

    _RECEIVERS: ClassVar[Mapping[type[Input], Receiver]] = {
        inputs.ChunkDelivered: (_itself, _on_delivered),
        inputs.CommandDelivered: (_itself, _on_delivered),
        inputs.EndDelivered: (_itself, _on_delivered),
        inputs.GarbageDelivered: (_itself, _on_garbage),
        inputs.DeadLettered: (_ACKNOWLEDGEMENT, Acknowledgement.dead_lettered),
        inputs.Published: (_LIFE, Lifecycle.published),
        inputs.BacklogExceeded: (_LIFE, Lifecycle.backlog_exceeded),
        inputs.ConnectionOpened: (_LIFE, Lifecycle.introduce),
        inputs.ConnectionFailed: (_LIFE, Lifecycle.connection_failed),
        inputs.ConnectionLost: (_LIFE, Lifecycle.connection_lost),
        inputs.StandbyReady: (_LIFE, Lifecycle.standby_ready),
        inputs.StandbyLost: (_LIFE, Lifecycle.standby_lost),
        inputs.DeadlinePassed: (_LIFE, Lifecycle.deadline_passed),
        inputs.DrainRequested: (_LIFE, Lifecycle.detach),
        upstream.RecognitionStarted: (_LIFE, Lifecycle.begin),
        upstream.AudioAdded: (_LIFE, Lifecycle.audio_read),
        upstream.ChannelAudioAdded: (_LIFE, Lifecycle.audio_read),
        upstream.PartialReceived: (_SESSION, Session.hear_partial),
        upstream.FinalReceived: (_LIFE, Lifecycle.hear_final),
        upstream.UtteranceEnded: (_LIFE, Lifecycle.hear_end_of_utterance),
        upstream.PartialTranslationReceived: (_SESSION, Session.hear_partial_translation),
        upstream.FinalTranslationReceived: (_LIFE, Lifecycle.hear_translation),
        upstream.SoundStarted: (_SESSION, Session.hear_sound_start),
        upstream.SoundEnded: (_SESSION, Session.hear_sound_end),
        upstream.TranscriptEnded: (_LIFE, Lifecycle.transcript_ended),
        upstream.InfoReceived: (_itself, _ignore),
        upstream.WarningReceived: (_LIFE, Lifecycle.hear_warning),
        upstream.SpeakersReceived: (_HANDOVER, SessionHandover.learn),
        upstream.ErrorReceived: (_LIFE, Lifecycle.hear_error),
        upstream.UnknownReceived: (_itself, _on_unknown),
    }
