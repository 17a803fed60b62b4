"""Which upstream session serves the stream, and which is to follow it.

Owns where the next session connects, what it hears at its start, and how its voices are named.
Decides nothing about when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import UNSET

from ...errors import TransitionError
from ...speechmatics.messages import RecognitionStarted, SpeakersReceived
from ..audio.placement import Placement
from ..record.coverage import Coverage
from ..record.speakers import SessionLabels, Voices, introduce, tells_voices
from ..values import events
from ..values.commands import ChangeConfig, CloseChannel, Command, ForceUtterance, TellSpeakers
from ..values.outputs import (
    CloseStandby,
    Effect,
    OpenConnection,
    OpenStandby,
    Save,
    SendCommand,
    StartRecognition,
    SwitchToStandby,
)
from ..values.spec import Limits, StreamSpec
from .retry import Attempts, Failure
from .session import Session


class SessionHandover:
    """``current`` is the session that hears the stream's audio now; nothing between two.

    ``resumes`` says why the next session is not the first; nothing where it is.
    """

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        placement: Placement,
        *,
        coverage: Coverage,
        attempts: Attempts,
        voices: Voices,
        resumes: str | None,
    ) -> None:
        self._spec = spec
        self._limits = limits
        self._placement = placement
        self._coverage = coverage
        self._attempts = attempts
        self.current: Session | None = None
        self.resumes = resumes
        self._is_preparing = False
        self._standby: RecognitionStarted | None = None
        self._has_introduced = False
        self._finals_asked_at = 0
        self._voices = voices
        self._labels: SessionLabels | None = None
        self._introduced_with: Mapping[str, Any] = {}
        # Whether the publisher asked, of each question for speakers that is not answered yet.
        self._questions: deque[bool] = deque()
        self._told_at_end: events.SpeakersResult | None = None

    # -- one session after another ---------------------------------------------------------------

    @property
    def live(self) -> Session:
        if self.current is None:
            raise TransitionError("local", "none", "a use of the session before it began")
        return self.current

    def connect(self) -> OpenConnection:
        return OpenConnection(self._attempts.region)

    def introduce(self) -> StartRecognition:
        """The session's first message."""
        return StartRecognition(self._config())

    def _config(self) -> Mapping[str, Any]:
        """The start's, with the voices known so far in place of those that the publisher named."""
        self._has_introduced = bool(self._voices.known)
        # A change that the session will hear in its place in the audio is not in it.
        self._introduced_with = self._placement.changes
        config = {**self._spec.transcription_config, **self._introduced_with}
        return introduce(config, self._voices)

    def begin(self, started: RecognitionStarted, now: float) -> Iterator[Effect]:
        """Recognition has started: this session hears everything that is not covered yet."""
        if tells_voices(self._spec.transcription_config):
            self._labels = SessionLabels(self._voices, introduced=self._has_introduced)
        self.current = Session(
            self._spec,
            self._limits,
            self._placement.timeline,
            coverage=self._coverage,
            delimiter=started.word_delimiter,
            now=now,
            relabel=self._labels,
        )
        # Upstream answers in the session that was asked, or not at all.
        self._questions.clear()
        yield self._announcement(started, self.current.origin)
        changes = self._placement.changes
        if changes != self._introduced_with:
            # Covered by a final between the introduction and now, so this session will not hear it.
            yield SendCommand(ChangeConfig(changes))
        if self._placement.must_ask_for_speakers:
            yield SendCommand(TellSpeakers(final=True))
        for channel in self._placement.ended_channels:
            yield from self.current.end_channel(channel)

    def _announcement(self, started: RecognitionStarted, origin: float) -> events.Event:
        spec = self._spec
        resumes, self.resumes = self.resumes, "upstream_lost"
        if resumes is not None:
            return events.StreamResumed(spec.stream_id, started.id, origin, resumes)
        return events.StreamStarted(
            spec.stream_id,
            started.id,
            started.language_pack_info,
            spec.labels,
            spec.channel_labels or UNSET,
        )

    def obey(self, command: Command) -> Iterator[Effect]:
        """A command of the publisher has its turn."""
        match command:
            case ForceUtterance():
                yield from self._force_utterance(command)
            case CloseChannel(channel):
                yield from self.live.end_channel(channel)
            case _:
                if command == TellSpeakers(final=False):
                    self._questions.append(True)
                yield SendCommand(command)

    def _force_utterance(self, command: ForceUtterance) -> Iterator[Effect]:
        # Upstream wants a channel named, where there are some, and takes none that has ended.
        for channel in self.live.open_channels:
            if command.channel in (None, channel):
                at = command.timestamp
                time = None if at is None else self.live.time_of(at, channel)
                yield SendCommand(ForceUtterance(time, channel))

    def delay_after(self, failure: Failure, now: float) -> float | None:
        """The session is lost; seconds until the next try, or nothing if there is none."""
        return self._attempts.delay_after(failure, lived=self._lived(now))

    def rest(self, now: float) -> None:
        """The session is over as it was meant to be, and none follows for now."""
        self._attempts.forgive(self._lived(now))
        self._attempts.return_to_first()

    def _lived(self, now: float) -> float:
        return now - self.current.since if self.current else 0.0

    def leave(self) -> Iterable[Effect]:
        """No session hears the stream any more."""
        self.current = None
        self._labels = None
        return self.dismiss()

    # -- the next session, opened before this one closes -----------------------------------------

    @property
    def is_prepared(self) -> bool:
        return self._standby is not None

    def prepare(self) -> Iterable[Effect]:
        """Nothing if a next session is there or on its way."""
        if self._is_preparing:
            return ()
        self._is_preparing = True
        return (OpenStandby(self._attempts.plan(), self._config()),)

    def prepared(self, started: RecognitionStarted) -> Iterable[Effect]:
        if self._is_preparing:
            self._standby = started
            return ()
        return (CloseStandby(),)  # it came too late to be wanted

    def dismiss(self) -> Iterable[Effect]:
        return (CloseStandby(),) if self.forget_standby() else ()

    def put_off(self) -> None:
        """The next session did not come about in time; another is tried later."""
        self._attempts.plan_failed()

    def forget_standby(self) -> bool:
        """Whether there was one, or one on its way."""
        was_wanted, self._is_preparing = self._is_preparing, False
        self._standby = None
        return was_wanted

    def succeed(self, reason: str, now: float) -> Iterator[Effect]:
        """The session that stands by takes the place of the present one."""
        if self._standby is None:
            raise TransitionError("local", "none", "a switch to a session that is not ready")
        started = self._standby
        # What failed before the session that ends may be forgiven.
        self._attempts.forgive(self._lived(now))
        self._attempts.plan_succeeded()
        self.forget_standby()
        # The one that ends is closed first: so two sessions never speak for the stream, and there
        # is no ending of the first to wait for. What it had not said is heard again.
        yield SwitchToStandby()
        self.resumes = reason
        yield from self.begin(started, now)

    # -- voices ----------------------------------------------------------------------------------

    def ask_for_voices(self) -> Iterable[Effect]:
        """So that the next session knows them; if something was said since the last time."""
        asked_at, self._finals_asked_at = self._finals_asked_at, self._coverage.finals
        if self._finals_asked_at <= asked_at:
            return ()
        self._questions.append(False)
        return (SendCommand(TellSpeakers()),)

    def learn(self, received: SpeakersReceived, _now: float) -> Iterator[Effect]:
        """What upstream knows of voices, under the session's labels."""
        if self.current is None:
            return
        name = self._labels or str
        named = [(name(label), identifiers) for label, identifiers in received.identifiers]
        if self._labels is not None and self._voices.learn(dict(named)):
            yield Save.ATTRIBUTES
        speakers = [
            {"label": label, "speaker_identifiers": list(identifiers)}
            for label, identifiers in named
        ]
        answer = events.SpeakersResult(self._spec.stream_id, speakers)
        # Answers come in the order of the questions; one without a question is that of the
        # session's end, which need not be the stream's.
        if not self._questions:
            self._told_at_end = answer
        elif self._questions.popleft():
            yield answer

    def answer_at_end(self) -> Iterable[Effect]:
        """The stream is over: what the last session knew of its voices, if that was asked for."""
        if self._told_at_end is None or not self._placement.was_asked_for_speakers:
            return ()
        return (self._told_at_end,)
