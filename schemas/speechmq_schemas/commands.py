"""What publishers send to the exchange ``speechmq.in``."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from .base import ContractModel
from .config import (
    AudioEventsConfig,
    AudioFormat,
    MidSessionConfig,
    TranscriptionConfig,
    TranslationConfig,
)
from .routing import STREAM_ID

StreamId = Annotated[
    str, Field(pattern=STREAM_ID, description="What the publisher calls one stream")
]
Seq = Annotated[
    int,
    Field(ge=1, lt=2**63, description="From 1, one step per message of the stream"),
]
CredentialName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="One of the accounts in the workers' settings; without it their default one",
    ),
]
LabelName = Annotated[str, Field(min_length=1, max_length=64)]
LabelText = Annotated[str, Field(max_length=512)]


class Command(ContractModel):
    """A message from a publisher. ``type`` travels as the AMQP property of that name."""


class StartStream(Command):
    """Opens a stream. Audio may follow at once, without waiting for an answer."""

    stream_id: StreamId
    audio_format: AudioFormat
    transcription_config: TranscriptionConfig
    translation_config: TranslationConfig | None = None
    audio_events_config: AudioEventsConfig | None = None
    credential: CredentialName | None = None
    region: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=2048,
            description="Where it is to stay: `eu`, `us`, `global` or a URL, one of those that "
            "the workers' settings allow; without it all of them, in their order",
        ),
    ] = None
    idle_timeout: Annotated[
        float | None,
        Field(gt=0, le=86_400, description="Seconds without a message after which it ends itself"),
    ] = None
    labels: dict[LabelName, LabelText] = Field(
        default_factory=dict, max_length=32, description="Yours; `StreamStarted` repeats them"
    )


class AudioChunk(Command):
    """The headers of a chunk; the body is the audio itself, raw bytes, never base64."""

    seq: Seq


class UpdateConfig(Command):
    """Changes the recognition from its place in the audio on, also in sessions that follow."""

    seq: Annotated[Seq, Field(description="Travels as a header")]
    transcription_config: MidSessionConfig


class ForceEndOfUtterance(Command):
    """Asks for the final of everything up to its place in the audio, or up to ``timestamp``."""

    seq: Annotated[Seq, Field(description="Travels as a header")]
    timestamp: Annotated[float, Field(ge=0, description="Seconds on the stream's clock")] | None = (
        None
    )


class GetSpeakers(Command):
    """Asks for the voices told apart; `SpeakersResult` answers."""

    seq: Annotated[Seq, Field(description="Travels as a header")]
    final: Annotated[bool, Field(description="Answer at the end of the stream, once")] = False


class EndStream(Command):
    """Ends a stream: its ``seq`` is the stream's last."""

    seq: Annotated[Seq, Field(description="Travels as a header")]


class CreateTemporaryKey(Command):
    """Asks for a key with which a browser can reach the recogniser; `TemporaryKey` answers."""

    ttl: Annotated[int, Field(ge=60, le=86_400, description="Seconds for which it opens sessions")]
    client_ref: Annotated[
        str | None,
        Field(min_length=1, max_length=256, description="Yours, for the account's own records"),
    ] = None
    credential: CredentialName | None = None


class GetStreamStatus(Command):
    """Asks how a stream is doing; `StreamStatus` answers at once, not behind queued audio."""

    stream_id: Annotated[StreamId, Field(description="Travels in the routing key")]


CommandName = Literal[
    "StartStream",
    "AudioChunk",
    "UpdateConfig",
    "ForceEndOfUtterance",
    "GetSpeakers",
    "EndStream",
    "CreateTemporaryKey",
    "GetStreamStatus",
]
COMMANDS: dict[str, type[Command]] = {
    model.__name__: model
    for model in (
        StartStream,
        AudioChunk,
        UpdateConfig,
        ForceEndOfUtterance,
        GetSpeakers,
        EndStream,
        CreateTemporaryKey,
        GetStreamStatus,
    )
}
Request: TypeAlias = CreateTemporaryKey | GetStreamStatus
