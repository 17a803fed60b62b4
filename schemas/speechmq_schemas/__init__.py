"""The message contract of speechmq: commands that publishers send, events that leave.

Owns the models, their routing keys and their mapping to AMQP messages. Knows no AMQP client: the
mapping speaks of properties, headers and a body, and works with any of them.
"""

from .amqp import (
    AmqpMessage,
    CommandMessage,
    from_command,
    from_event,
    message_id,
    to_command,
    to_event,
)
from .commands import AudioChunk, Command, EndStream, StartStream
from .config import RawAudioFormat, TranscriptionConfig
from .errors import ContractError, FieldError
from .events import (
    AudioGap,
    EndOfUtterance,
    Event,
    FinalTranscript,
    PartialTranscript,
    StreamAccepted,
    StreamDetached,
    StreamEnded,
    StreamFailed,
    StreamInfo,
    StreamResumed,
    StreamStarted,
    StreamWarning,
    UpstreamMessage,
)
from .routing import SCHEMA_VERSION, Names, event_routing_key, stream_routing_key
from .transcript import Transcript, Turn, Word, join_words, words_of

__all__ = [
    "SCHEMA_VERSION",
    "AmqpMessage",
    "AudioChunk",
    "AudioGap",
    "Command",
    "CommandMessage",
    "ContractError",
    "EndOfUtterance",
    "EndStream",
    "Event",
    "FieldError",
    "FinalTranscript",
    "Names",
    "PartialTranscript",
    "RawAudioFormat",
    "StartStream",
    "StreamAccepted",
    "StreamDetached",
    "StreamEnded",
    "StreamFailed",
    "StreamInfo",
    "StreamResumed",
    "StreamStarted",
    "StreamWarning",
    "Transcript",
    "TranscriptionConfig",
    "Turn",
    "UpstreamMessage",
    "Word",
    "event_routing_key",
    "from_command",
    "from_event",
    "join_words",
    "message_id",
    "stream_routing_key",
    "to_command",
    "to_event",
    "words_of",
]
