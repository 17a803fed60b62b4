"""Which upstream session serves the stream, and which is to follow it.

Owns where the next session connects, what it is told at its start, and how its voices are named.
Decides nothing about when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from ...errors import TransitionError
from ...speechmatics.messages import RecognitionStarted
from ..record.journal import Journal
from ..record.speakers import Identifiers, SessionLabels, Voices, introduce, tells_voices
from ..values import events
from ..values.commands import ChangeConfig, CloseChannel, Command, ForceUtterance, TellSpeakers
from ..values.outputs import (
    CloseStandby,
    OpenConnection,
    OpenStandby,
    Output,
    SendCommand,
    StartRecognition,
    SwitchToStandby,
)
from ..values.spec import Limits, StreamSpec
from .retry import Attempts, Failure
from .session import Session


class Succession:
    """``current`` is the session that hears the stream's audio now; nothing between two.

    ``resumes`` says why the next session is not the first; nothing where it is.
    """

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        *,
        journal: Journal,
        attempts: Attempts,
        emit: Callable[[Output], None],
        voices: Voices,
        resumes: str | None,
    ) -> None:
        self._spec = spec
        self._limits = limits
        self.journal = journal
        self._attempts = attempts
        self._emit = emit
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

    # -- one session behind the other ------------------------------------------------------------

    @property
    def live(self) -> Session:
        if self.current is None:
            raise TransitionError("local", "none", "a use of the session before it began")
        return self.current

    def connect(self) -> None:
        self._emit(OpenConnection(self._attempts.region))

    def introduce(self) -> None:
        """The session's first message."""
        self._emit(StartRecognition(self._config()))

    def _config(self) -> Mapping[str, Any]:
        """What was changed is in it, as far as the change will not be heard again; and the voices
        known so far in place of those that the publisher named."""
        self._has_introduced = bool(self._voices.known)
        self._introduced_with = self.journal.changes
        config = {**self._spec.transcription_config, **self._introduced_with}
        return introduce(config, self._voices)

    def begin(self, started: RecognitionStarted, now: float) -> None:
        """Recognition has started: this session hears everything that is not covered yet."""
        if tells_voices(self._spec.transcription_config):
            self._labels = SessionLabels(self._voices, introduced=self._has_introduced)
        self.current = Session(
            self._spec,
            self._limits,
            self.journal.timeline,
            journal=self.journal,
            delimiter=started.word_delimiter,
            now=now,
            relabel=self._labels,
        )
        self._questions.clear()
        self._announce(started, self.current.origin)
        changes = self.journal.changes
        if changes != self._introduced_with:
            # Covered by a final between the introduction and now, so this session will not hear it.
            self._emit(SendCommand(ChangeConfig(changes)))
        if self.journal.must_ask_for_speakers:
            self._emit(SendCommand(TellSpeakers(final=True)))
        for channel in sorted(self.journal.ended_channels):
            self._end_channel(channel)

    def obey(self, command: Command) -> None:
        """A command of the publisher has its turn."""
        match command:
            case ForceUtterance():
                self._force_utterance(command)
            case CloseChannel(channel):
                self._end_channel(channel)
            case TellSpeakers(final):
                if not final:
                    self._questions.append(True)
                self._emit(SendCommand(command))
            case _:
                self._emit(SendCommand(command))

    def _force_utterance(self, command: ForceUtterance) -> None:
        """Upstream wants a channel named, where there are some, and takes none that has ended."""
        for channel in self.live.open_channels:
            if command.channel in (None, channel):
                at = command.timestamp
                time = None if at is None else self.live.time_of(at, channel)
                self._emit(SendCommand(ForceUtterance(time, channel)))

    def _end_channel(self, channel: str) -> None:
        end = self.live.end_channel(channel)
        if end is not None:
            self._emit(end)

    def _announce(self, started: RecognitionStarted, origin: float) -> None:
        spec = self._spec
        if self.resumes is None:
            info = started.language_pack_info
            self.journal.publish(
                events.StreamStarted(
                    spec.stream_id, started.id, info, spec.labels, spec.channel_labels or UNSET
                )
            )
        else:
            self.journal.publish(
                events.StreamResumed(spec.stream_id, started.id, origin, self.resumes)
            )
        self.resumes = "upstream_lost"

    @property
    def retries(self) -> int:
        """Sessions that were tried because one had failed."""
        return self._attempts.retries

    def delay_after(self, failure: Failure, now: float) -> float | None:
        """The session is lost; seconds until the next try, or nothing if there is none."""
        return self._attempts.delay_after(failure, lived=self._lived(now))

    def rest(self, now: float) -> None:
        """The session is over as it was meant to be, and none follows for now."""
        self._outlive(now)
        self._attempts.return_to_first()

    def _outlive(self, now: float) -> None:
        """What failed before the session may be forgiven."""
        self._attempts.forgive(self._lived(now))

    def _lived(self, now: float) -> float:
        return now - self.current.since if self.current else 0.0

    def leave(self) -> None:
        """Nobody hears the stream any more."""
        self.current = None
        self._labels = None
        self.dismiss()

    # -- the next session, opened before this one closes -----------------------------------------

    @property
    def is_prepared(self) -> bool:
        return self._standby is not None

    def prepare(self) -> bool:
        """Whether there was none, and none on its way."""
        if self._is_preparing:
            return False
        self._is_preparing = True
        self._emit(OpenStandby(self._attempts.plan(), self._config()))
        return True

    def prepared(self, started: RecognitionStarted) -> None:
        """A standby that came too late to be wanted is sent away."""
        if self._is_preparing:
            self._standby = started
        else:
            self._emit(CloseStandby())

    def dismiss(self) -> None:
        if self._is_preparing:
            self._emit(CloseStandby())
        self.forget_standby()

    def put_off(self) -> None:
        """The next session did not come about in time; another is tried later."""
        self._attempts.plan_failed()

    def forget_standby(self) -> bool:
        """Whether there was one, or one on its way."""
        was_wanted, self._is_preparing = self._is_preparing, False
        self._standby = None
        return was_wanted

    def succeed(self, reason: str, now: float) -> None:
        """The session that stands by takes the place of the present one."""
        if self._standby is None:
            raise TransitionError("local", "none", "a switch to a session that is not ready")
        started = self._standby
        self._outlive(now)
        self._attempts.plan_succeeded()
        self.forget_standby()
        self._emit(SwitchToStandby())
        self.resumes = reason
        self.begin(started, now)

    # -- voices ----------------------------------------------------------------------------------

    def ask_for_voices(self) -> None:
        """So that the next session knows them; if something was said since the last time."""
        asked_at, self._finals_asked_at = self._finals_asked_at, self.journal.finals
        if self.journal.finals > asked_at:
            self._questions.append(False)
            self._emit(SendCommand(TellSpeakers()))

    def learn(self, told: Sequence[tuple[str, Identifiers]]) -> None:
        """What upstream tells of voices, under the session's labels.

        Answers come in the order of the questions; one without a question is that of the session's
        end, which need not be the stream's.
        """
        if self.current is None:
            return
        name = self._labels or str
        named = [(name(label), identifiers) for label, identifiers in told]
        if self._labels is not None and self._voices.learn(dict(named)):
            self.journal.save_memo()
        speakers = [
            {"label": label, "speaker_identifiers": list(identifiers)}
            for label, identifiers in named
        ]
        answer = events.SpeakersResult(self._spec.stream_id, speakers)
        if not self._questions:
            self._told_at_end = answer
        elif self._questions.popleft():
            self.journal.publish(answer)

    def answer_at_end(self) -> None:
        """The stream is over: what the last session told of its voices, if that was asked for."""
        if self._told_at_end is not None and self.journal.was_asked_for_speakers:
            self.journal.publish(self._told_at_end)
