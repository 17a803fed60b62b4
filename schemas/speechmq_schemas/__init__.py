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
from .commands import (
    AudioChunk,
    Command,
    EndStream,
    ForceEndOfUtterance,
    GetSpeakers,
    StartStream,
    UpdateConfig,
)
from .config import (
    AudioEventsConfig,
    MidSessionConfig,
    RawAudioFormat,
    TranscriptionConfig,
    TranslationConfig,
)
from .errors import ContractError, FieldError
from .events import (
    AudioEventEnded,
    AudioEventStarted,
    AudioGap,
    EndOfUtterance,
    Event,
    FinalTranscript,
    FinalTranslation,
    PartialTranscript,
    PartialTranslation,
    SpeakersResult,
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
from .unknown import unknown_fields

__all__ = [
    "SCHEMA_VERSION",
    "AmqpMessage",
    "AudioChunk",
    "AudioEventEnded",
    "AudioEventStarted",
    "AudioEventsConfig",
    "AudioGap",
    "Command",
    "CommandMessage",
    "ContractError",
    "EndOfUtterance",
    "EndStream",
    "Event",
    "FieldError",
    "FinalTranscript",
    "FinalTranslation",
    "ForceEndOfUtterance",
    "GetSpeakers",
    "MidSessionConfig",
    "Names",
    "PartialTranscript",
    "PartialTranslation",
    "RawAudioFormat",
    "SpeakersResult",
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
    "TranslationConfig",
    "Turn",
    "UpdateConfig",
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
    "unknown_fields",
    "words_of",
]
