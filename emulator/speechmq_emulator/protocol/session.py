"""One session of the protocol, from the handshake to the close, as a state machine.

Inputs are what a client sent, what the engine reported, and the time; outputs are what to
send, what to ask of the engine, and the close. No sockets, no clock, no engine in here.

The rules that the table holds:

- The first message starts recognition; there is one start a session.
- Audio and the end of the stream come only while recognition runs. Audio behind the end of
  the stream is warned about and ignored.
- The engine reports only for a session that it serves, and ends it once.
- A closed session takes no input and gives no output: whatever comes late is dropped.

A pair that the table lacks is a ``protocol_error`` when a client caused it, and a
``RuntimeError`` (an emulator's bug) when the engine did.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from types import MappingProxyType
from typing import assert_never

from speechmq_emulator.protocol import replies
from speechmq_emulator.protocol.config import StartRecognition
from speechmq_emulator.protocol.errors import (
    CLOSE_NORMALLY,
    ErrorType,
    Refusal,
    WarningType,
    close_code,
)
from speechmq_emulator.protocol.replies import Message, Rendering
from speechmq_emulator.protocol.requests import EndOfStream, Request, Unsupported, parse
from speechmq_emulator.protocol.start import Offer, check_start
from speechmq_emulator.speech.events import (
    ChunkTaken,
    Ended,
    EngineEvent,
    Failed,
    Final,
    Partial,
    Transcript,
    UtteranceEnded,
)


class State(Enum):
    AWAITING_START = auto()
    STARTING = auto()
    RECOGNISING = auto()
    FINISHING = auto()
    CLOSED = auto()


class Input(Enum):
    START_RECOGNITION = "StartRecognition"
    ADD_AUDIO = "AddAudio"
    END_OF_STREAM = "EndOfStream"
    UNSUPPORTED = "a message that this version does not support"
    DEADLINE = "the deadline"
    ENGINE_STARTED = "the engine's start"
    CHUNK_TAKEN = "a chunk taken"
    TRANSCRIPT = "a transcript"
    ENGINE_ENDED = "the engine's end"
    ENGINE_FAILED = "the engine's failure"


TRANSITIONS: Mapping[tuple[State, Input], State] = MappingProxyType(
    {
        (State.AWAITING_START, Input.START_RECOGNITION): State.STARTING,
        (State.AWAITING_START, Input.DEADLINE): State.CLOSED,
        (State.STARTING, Input.ENGINE_STARTED): State.RECOGNISING,
        (State.STARTING, Input.ENGINE_FAILED): State.CLOSED,
        (State.RECOGNISING, Input.ADD_AUDIO): State.RECOGNISING,
        (State.RECOGNISING, Input.END_OF_STREAM): State.FINISHING,
        (State.RECOGNISING, Input.UNSUPPORTED): State.CLOSED,
        (State.RECOGNISING, Input.CHUNK_TAKEN): State.RECOGNISING,
        (State.RECOGNISING, Input.TRANSCRIPT): State.RECOGNISING,
        (State.RECOGNISING, Input.ENGINE_FAILED): State.CLOSED,
        (State.FINISHING, Input.ADD_AUDIO): State.FINISHING,
        (State.FINISHING, Input.UNSUPPORTED): State.CLOSED,
        (State.FINISHING, Input.CHUNK_TAKEN): State.FINISHING,
        (State.FINISHING, Input.TRANSCRIPT): State.FINISHING,
        (State.FINISHING, Input.ENGINE_ENDED): State.CLOSED,
        (State.FINISHING, Input.ENGINE_FAILED): State.CLOSED,
    }
)
_FROM_CLIENT = frozenset(
    {Input.START_RECOGNITION, Input.ADD_AUDIO, Input.END_OF_STREAM, Input.UNSUPPORTED}
)


@dataclass(frozen=True, slots=True)
class Send:
    message: Message


@dataclass(frozen=True, slots=True)
class OpenEngine:
    start: StartRecognition


@dataclass(frozen=True, slots=True)
class FeedEngine:
    audio: bytes


@dataclass(frozen=True, slots=True)
class FinishEngine:
    """All audio has been fed."""


@dataclass(frozen=True, slots=True)
class Close:
    code: int
    reason: str


Output = Send | OpenEngine | FeedEngine | FinishEngine | Close


class Session:
    """The server's side of one connection.

    ``deadline`` is the time (on the caller's clock, in seconds) at which
    ``deadline_passed`` is due, or None while nothing is waited for.
    """

    def __init__(self, session_id: str, offer: Offer, *, deadline: float | None = None) -> None:
        self.id = session_id
        self.state = State.AWAITING_START
        self.deadline = deadline
        self.chunks_received = 0
        self.chunks_taken = 0
        self.start: StartRecognition | None = None
        self._offer = offer
        self._rendering = Rendering(language="en")

    def connected(self, *, usage: int, quota: int, at: datetime) -> list[Output]:
        """The handshake is done: tell the client how much of its quota it uses."""
        return [Send(replies.info(usage=usage, quota=quota, at=at))]

    def receive(self, message: str | bytes) -> list[Output]:
        """Take one message from the client; text is a request, bytes are audio."""
        if self.state is State.CLOSED:
            return []
        try:
            return self._audio(message) if isinstance(message, bytes) else self._text(message)
        except Refusal as refusal:
            return self._refuse(refusal)

    def engine_started(self) -> list[Output]:
        """The engine is ready for this session's audio."""
        if self.state is State.CLOSED or self.start is None:
            return []
        self._move(Input.ENGINE_STARTED)
        language = self.start.transcription_config.language
        started = replies.recognition_started(self.id, language, self._offer.version)
        return [Send(started), *map(Send, self._translation_warnings(self.start))]

    def engine_refused(self, refusal: Refusal) -> list[Output]:
        """The engine does not take this session."""
        if self.state is State.CLOSED:
            return []
        return self._refuse(refusal)

    def recognised(self, event: EngineEvent) -> list[Output]:
        """Take one report of the engine."""
        if self.state is State.CLOSED:
            return []
        match event:
            case ChunkTaken():
                return self._chunk_taken()
            case Partial() | Final() | UtteranceEnded():
                self._move(Input.TRANSCRIPT)
                return [Send(self._transcript(event))]
            case Ended():
                self._move(Input.ENGINE_ENDED)
                return [Send(replies.end_of_transcript()), Close(CLOSE_NORMALLY, "")]
            case Failed(reason):
                self._move(Input.ENGINE_FAILED)
                return self._refuse(Refusal(ErrorType.JOB_ERROR, reason))
            case _:
                assert_never(event)

    def deadline_passed(self) -> list[Output]:
        """The time is ``deadline`` or later."""
        if (self.state, Input.DEADLINE) not in TRANSITIONS:
            return []
        reason = "No StartRecognition came; send it right behind the handshake"
        return self._refuse(Refusal(ErrorType.IDLE_TIMEOUT, reason))

    def _text(self, text: str) -> list[Output]:
        request: Request = parse(text)
        match request:
            case StartRecognition():
                return self._start(request)
            case EndOfStream(last_seq_no=last_seq_no):
                return self._end_of_stream(last_seq_no)
            case Unsupported(name):
                self._move(Input.UNSUPPORTED, name)
                reason = f"{name} is not supported by this version of the emulator"
                raise Refusal(ErrorType.NOT_ALLOWED, reason)
            case _:
                assert_never(request)

    def _start(self, start: StartRecognition) -> list[Output]:
        self._move(Input.START_RECOGNITION)
        check_start(start, self._offer)
        config = start.transcription_config
        self.start, self.deadline = start, None
        # "UU" is the service's own label for a voice that it can not tell.
        speaker = "UU" if config.diarization == "speaker" else None
        self._rendering = Rendering(config.language, speaker)
        return [OpenEngine(start)]

    def _audio(self, audio: bytes) -> list[Output]:
        self._move(Input.ADD_AUDIO)
        if self.state is State.FINISHING:
            reason = "AddAudio behind EndOfStream is ignored"
            return [Send(replies.warning(WarningType.ADD_AUDIO_AFTER_EOS, reason))]
        self.chunks_received += 1
        return [FeedEngine(audio)]

    def _end_of_stream(self, last_seq_no: int) -> list[Output]:
        self._move(Input.END_OF_STREAM)
        if last_seq_no != self.chunks_received:
            reason = (
                f"EndOfStream.last_seq_no is {last_seq_no}, but {self.chunks_received} chunks "
                "came; it must be the number of AddAudio messages sent"
            )
            raise Refusal(ErrorType.PROTOCOL_ERROR, reason)
        return [FinishEngine()]

    def _chunk_taken(self) -> list[Output]:
        self._move(Input.CHUNK_TAKEN)
        self.chunks_taken += 1
        return [Send(replies.audio_added(self.chunks_taken))]

    def _transcript(self, event: Transcript) -> Message:
        match event:
            case Final():
                return replies.add_transcript(event, self._rendering)
            case Partial():
                return replies.add_partial_transcript(event, self._rendering)
            case UtteranceEnded(at):
                return replies.end_of_utterance(at)

    def _translation_warnings(self, start: StartRecognition) -> list[Message]:
        if start.translation_config is None:
            return []
        source = start.transcription_config.language
        pairs = [f"{source} to {target}" for target in start.translation_config.target_languages]
        unsupported = WarningType.UNSUPPORTED_TRANSLATION_PAIR
        empty = WarningType.EMPTY_TRANSLATION_TARGET_LIST
        return [
            *(replies.warning(unsupported, f"Translation from {p} is not offered") for p in pairs),
            replies.warning(empty, "No supported target language is left: nothing is translated"),
        ]

    def _move(self, cause: Input, name: str | None = None) -> None:
        target = TRANSITIONS.get((self.state, cause))
        if target is not None:
            self.state = target
            return
        if cause not in _FROM_CLIENT:
            raise RuntimeError(f"{cause.value} came while {self.state.name}")
        reason = f"{name or cause.value} is out of place while {self.state.name}"
        if self.state is State.AWAITING_START:
            reason += "; StartRecognition comes first"
        raise Refusal(ErrorType.PROTOCOL_ERROR, reason)

    def _refuse(self, refusal: Refusal) -> list[Output]:
        self.state, self.deadline = State.CLOSED, None
        error = replies.error(refusal.type, refusal.reason)
        return [Send(error), Close(close_code(refusal.type), refusal.type.value)]
