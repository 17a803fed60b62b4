"""What the protocol core asks for: messages and the close of a client, work of an engine.

``channel`` is None in a session without named channels.
"""

from dataclasses import dataclass

from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.protocol.replies import Message

Channel = str | None


@dataclass(frozen=True, slots=True)
class Send:
    message: Message


@dataclass(frozen=True, slots=True)
class Close:
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class OpenEngine:
    start: StartRecognition
    channel: Channel = None


@dataclass(frozen=True, slots=True)
class FeedEngine:
    audio: bytes
    channel: Channel = None


@dataclass(frozen=True, slots=True)
class EndUtterance:
    """``at`` is in seconds of the channel's audio, None for all of it that has been fed."""

    at: float | None
    channel: Channel = None


@dataclass(frozen=True, slots=True)
class ConfigureEngine:
    config: TranscriptionConfig
    channel: Channel = None


@dataclass(frozen=True, slots=True)
class TellSpeakers:
    channel: Channel = None


@dataclass(frozen=True, slots=True)
class FinishEngine:
    """All audio of the channel has been fed."""

    channel: Channel = None


ToClient = Send | Close
ToStream = FeedEngine | EndUtterance | ConfigureEngine | TellSpeakers | FinishEngine
Output = ToClient | OpenEngine | ToStream
