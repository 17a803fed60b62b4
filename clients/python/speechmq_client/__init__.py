"""Publish audio to speechmq and receive its transcripts, over RabbitMQ.

``Publisher`` starts streams and keeps their audio until RabbitMQ has it; ``Subscriber`` brings the
events of streams, each once. ``speechmq_client.threads`` has both for programs without asyncio.
"""

from speechmq_schemas import (
    AudioGap,
    Channels,
    EndOfUtterance,
    Event,
    FileAudioFormat,
    FinalTranscript,
    FinalTranslation,
    MidSessionConfig,
    PartialTranscript,
    PartialTranslation,
    RawAudioFormat,
    StartStream,
    StreamEnded,
    StreamFailed,
    StreamStatus,
    StreamWarning,
    TemporaryKey,
    Transcript,
    TranscriptionConfig,
    TranslationConfig,
)

from .errors import (
    AccessRefused,
    ArgumentsDiffer,
    BrokerRefused,
    BrokerUnavailable,
    ClientError,
    ExchangeMissing,
    NoAnswer,
    RequestRefused,
    StartRefused,
    StreamError,
    StreamFailure,
    StreamOver,
)
from .inbox import Position
from .publisher import Publisher, new_stream_id
from .sender import Pressure
from .states import StreamState
from .stream import StreamHandle
from .subscriber import Delivery, Subscriber

__version__ = "0.1.0"

__all__ = [
    "AccessRefused",
    "ArgumentsDiffer",
    "AudioGap",
    "BrokerRefused",
    "BrokerUnavailable",
    "Channels",
    "ClientError",
    "Delivery",
    "EndOfUtterance",
    "Event",
    "ExchangeMissing",
    "FileAudioFormat",
    "FinalTranscript",
    "FinalTranslation",
    "MidSessionConfig",
    "NoAnswer",
    "PartialTranscript",
    "PartialTranslation",
    "Position",
    "Pressure",
    "Publisher",
    "RawAudioFormat",
    "RequestRefused",
    "StartRefused",
    "StartStream",
    "StreamEnded",
    "StreamError",
    "StreamFailed",
    "StreamFailure",
    "StreamHandle",
    "StreamOver",
    "StreamState",
    "StreamStatus",
    "StreamWarning",
    "Subscriber",
    "TemporaryKey",
    "Transcript",
    "TranscriptionConfig",
    "TranslationConfig",
    "new_stream_id",
]
