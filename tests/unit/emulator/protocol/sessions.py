"""Sessions in every state, and what can be given to them."""

import json
from collections.abc import Callable
from typing import Any

from speechmq_emulator.protocol.limits import DEFAULTS, Limits
from speechmq_emulator.protocol.outputs import Close, Output, Send
from speechmq_emulator.protocol.session import Session
from speechmq_emulator.protocol.start import Offer
from speechmq_emulator.protocol.states import Input, State
from speechmq_emulator.speech.events import ChunkTaken, Ended, Failed, UtteranceEnded

CHUNK = b"\0\0" * 1600  # 0.1 s
CHUNK_BASE64 = "AAA="

Message = dict[str, Any]


def start_fields(**transcription_config: Any) -> Message:
    return {
        "message": "StartRecognition",
        "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 16000},
        "transcription_config": {"language": "en", **transcription_config},
    }


def start(**transcription_config: Any) -> str:
    return json.dumps(start_fields(**transcription_config))


def message(name: str, **fields: Any) -> str:
    return json.dumps({"message": name, **fields})


def end_of_stream(last_seq_no: int) -> str:
    return message("EndOfStream", last_seq_no=last_seq_no)


def add_channel_audio(channel: str, data: str = CHUNK_BASE64) -> str:
    return message("AddChannelAudio", channel=channel, data=data)


def end_of_channel(channel: str, last_seq_no: int) -> str:
    return message("EndOfChannel", channel=channel, last_seq_no=last_seq_no)


def new_session(
    path_language: str | None = None, limits: Limits = DEFAULTS, now: float = 0.0
) -> Session:
    offer = Offer(lambda language: language != "fi", "test 1", path_language)
    return Session("an-id", offer, limits, now=now)


def recognising_session(limits: Limits = DEFAULTS, **transcription_config: Any) -> Session:
    session = new_session(limits=limits)
    session.receive(start(**transcription_config))
    for channel in session.channels:
        session.engine_started(channel)
    return session


def session_with_channels(*labels: str, **transcription_config: Any) -> Session:
    config: Message = {"diarization": "channel", "channel_diarization_labels": list(labels)}
    return recognising_session(**config, **transcription_config)


def finishing_session(chunks: int = 0) -> Session:
    session = recognising_session()
    for _ in range(chunks):
        session.receive(CHUNK)
    session.receive(end_of_stream(chunks))
    return session


def exhausted_session(**transcription_config: Any) -> Session:
    session = recognising_session(Limits(duration=0.05), **transcription_config)
    session.receive(CHUNK)
    return session


def closed_session() -> Session:
    session = new_session()
    session.receive("{}")
    return session


def session_in(state: State) -> Session:
    starting = new_session()
    starting.receive(start())
    sessions = {
        State.AWAITING_START: new_session(),
        State.STARTING: starting,
        State.RECOGNISING: recognising_session(),
        State.EXHAUSTED: exhausted_session(),
        State.FINISHING: finishing_session(),
        State.CLOSED: closed_session(),
    }
    assert sessions[state].state is state
    return sessions[state]


def session_with_channels_in(state: State) -> Session:
    """As ``session_in``, with the channel "a" where a session has channels by then."""
    if state in {State.AWAITING_START, State.STARTING, State.CLOSED}:
        return session_in(state)
    limits = Limits(duration=0.05)
    config: Message = {"diarization": "channel", "channel_diarization_labels": ["a"]}
    session = recognising_session(limits, **config)
    if state is State.EXHAUSTED:
        long_audio = "AAAA" * 1000
        session.receive(add_channel_audio("a", long_audio))
    if state is State.FINISHING:
        session.receive(end_of_stream(0))
    assert session.state is state
    return session


OF_CHANNELS = frozenset({Input.ADD_CHANNEL_AUDIO, Input.END_OF_CHANNEL})


def session_for(state: State, cause: Input) -> Session:
    return session_with_channels_in(state) if cause in OF_CHANNELS else session_in(state)


def give(session: Session, cause: Input) -> list[Output]:
    """Give what causes this, as the session's counts have it."""
    only = next(iter(session.channels), None)
    causes: dict[Input, Callable[[], list[Output]]] = {
        Input.START_RECOGNITION: lambda: session.receive(start()),
        Input.ADD_AUDIO: lambda: session.receive(CHUNK),
        Input.ADD_CHANNEL_AUDIO: lambda: session.receive(add_channel_audio("a")),
        Input.END_OF_CHANNEL: lambda: session.receive(end_of_channel("a", session.channels.sent)),
        Input.END_OF_STREAM: lambda: session.receive(end_of_stream(session.channels.sent)),
        Input.FORCE_END_OF_UTTERANCE: lambda: session.receive(message("ForceEndOfUtterance")),
        Input.GET_SPEAKERS: lambda: session.receive(message("GetSpeakers")),
        Input.SET_RECOGNITION_CONFIG: lambda: session.receive(
            message("SetRecognitionConfig", transcription_config={})
        ),
        Input.AUDIO_LIMIT: lambda: session.receive(CHUNK * 11),
        Input.TIME_LIMIT: lambda: session.tick(1e9),
        Input.ENGINE_STARTED: lambda: session.engine_started(only),
        Input.CHUNK_TAKEN: lambda: session.recognised(ChunkTaken(), only),
        Input.REPORT: lambda: session.recognised(UtteranceEnded(1.0), only),
        Input.CHANNEL_ENDED: lambda: session.recognised(Ended(), only),
        Input.ENGINE_ENDED: lambda: session.recognised(Ended(), only),
        Input.ENGINE_FAILED: lambda: session.recognised(Failed("gone"), only),
    }
    return causes[cause]()


def refused(kind: str, code: int, reason: str) -> list[Output]:
    error = {"message": "Error", "type": kind, "reason": reason}
    return [Send(error), Close(code, kind)]


def warned(kind: str, reason: str, **fields: float) -> Send:
    return Send({"message": "Warning", "type": kind, "reason": reason, **fields})
