"""The states of a session and what leads from one to the next.

The rules that the table holds:

- The first message starts recognition; there is one start a session.
- Audio, commands and ends come only while recognition runs. Audio behind the end of the
  stream is warned about and ignored.
- The end of the last open channel is the end of the stream.
- A session that has had its audio limit is fed no more: it acknowledges and ignores what
  comes, and ends whether or not the client ends its stream.
- An engine may report while it starts; the client hears it when recognition has started.
- The engine reports only for a session that it serves, and ends each channel once.
- A closed session takes no input and gives no output: whatever comes late is dropped.

A pair that the table lacks is a ``protocol_error`` when a client caused it, and a
``RuntimeError`` (an emulator's bug) when the engine did.
"""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType


class State(Enum):
    AWAITING_START = auto()
    STARTING = auto()
    RECOGNISING = auto()
    EXHAUSTED = auto()
    FINISHING = auto()
    CLOSED = auto()


class Input(Enum):
    START_RECOGNITION = "StartRecognition"
    ADD_AUDIO = "AddAudio"
    ADD_CHANNEL_AUDIO = "AddChannelAudio"
    END_OF_CHANNEL = "EndOfChannel"
    END_OF_STREAM = "EndOfStream"
    FORCE_END_OF_UTTERANCE = "ForceEndOfUtterance"
    GET_SPEAKERS = "GetSpeakers"
    SET_RECOGNITION_CONFIG = "SetRecognitionConfig"
    AUDIO_LIMIT = "the audio limit"
    TIME_LIMIT = "the time limit"
    ENGINE_STARTED = "the engine's start"
    CHUNK_TAKEN = "a chunk taken"
    REPORT = "a report"
    CHANNEL_ENDED = "the end of a channel"
    ENGINE_ENDED = "the engine's end"
    ENGINE_FAILED = "the engine's failure"


FROM_CLIENT = frozenset(
    {
        Input.START_RECOGNITION,
        Input.ADD_AUDIO,
        Input.ADD_CHANNEL_AUDIO,
        Input.END_OF_CHANNEL,
        Input.END_OF_STREAM,
        Input.FORCE_END_OF_UTTERANCE,
        Input.GET_SPEAKERS,
        Input.SET_RECOGNITION_CONFIG,
    }
)

_STAYS = {
    State.STARTING: {Input.REPORT},
    State.RECOGNISING: {
        Input.ADD_AUDIO,
        Input.ADD_CHANNEL_AUDIO,
        Input.END_OF_CHANNEL,
        Input.FORCE_END_OF_UTTERANCE,
        Input.GET_SPEAKERS,
        Input.SET_RECOGNITION_CONFIG,
        Input.CHUNK_TAKEN,
        Input.REPORT,
        Input.CHANNEL_ENDED,
    },
    State.EXHAUSTED: {
        Input.ADD_AUDIO,
        Input.ADD_CHANNEL_AUDIO,
        Input.END_OF_CHANNEL,
        Input.FORCE_END_OF_UTTERANCE,
        Input.GET_SPEAKERS,
        Input.SET_RECOGNITION_CONFIG,
        Input.CHUNK_TAKEN,
        Input.REPORT,
        Input.CHANNEL_ENDED,
    },
    State.FINISHING: {
        Input.ADD_AUDIO,
        Input.ADD_CHANNEL_AUDIO,
        Input.CHUNK_TAKEN,
        Input.REPORT,
        Input.CHANNEL_ENDED,
    },
}

TRANSITIONS: Mapping[tuple[State, Input], State] = MappingProxyType(
    {(state, cause): state for state, causes in _STAYS.items() for cause in causes}
    | {
        (State.AWAITING_START, Input.START_RECOGNITION): State.STARTING,
        (State.AWAITING_START, Input.TIME_LIMIT): State.CLOSED,
        (State.STARTING, Input.ENGINE_STARTED): State.RECOGNISING,
        (State.STARTING, Input.ENGINE_FAILED): State.CLOSED,
        (State.RECOGNISING, Input.END_OF_STREAM): State.FINISHING,
        (State.RECOGNISING, Input.AUDIO_LIMIT): State.EXHAUSTED,
        (State.RECOGNISING, Input.TIME_LIMIT): State.CLOSED,
        (State.RECOGNISING, Input.ENGINE_FAILED): State.CLOSED,
        (State.EXHAUSTED, Input.END_OF_STREAM): State.FINISHING,
        (State.EXHAUSTED, Input.TIME_LIMIT): State.CLOSED,
        (State.EXHAUSTED, Input.ENGINE_ENDED): State.CLOSED,
        (State.EXHAUSTED, Input.ENGINE_FAILED): State.CLOSED,
        (State.FINISHING, Input.TIME_LIMIT): State.CLOSED,
        (State.FINISHING, Input.ENGINE_ENDED): State.CLOSED,
        (State.FINISHING, Input.ENGINE_FAILED): State.CLOSED,
    }
)
