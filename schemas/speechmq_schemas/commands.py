"""What publishers send to the exchange ``speechmq.in``."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from .base import ContractModel
from .config import (
    AudioEventsConfig,
    AudioFormat,
    ChannelLabel,
    Channels,
    FileAudioFormat,
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
SentChannel = Annotated[str, Field(description="A channel of the stream, as its start named it")]
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
    channels: Annotated[
        Channels | None,
        Field(description="For raw audio of several channels; without it, mono"),
    ] = None
    transcription_config: TranscriptionConfig
    translation_config: Annotated[
        TranslationConfig | None, Field(description="Not with `channels`")
    ] = None
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

    @field_validator("channels")
    @classmethod
    def _are_of_raw_audio(cls, channels: Channels | None, info: ValidationInfo) -> Channels | None:
        if channels is not None and isinstance(info.data.get("audio_format"), FileAudioFormat):
            raise PydanticCustomError(
                "channels_in_file",
                "A stream with `channels` takes raw audio; an `audio_format` of type 'file' is "
                "heard as one channel",
            )
        return channels

    @field_validator("transcription_config")
    @classmethod
    def _agrees_with_channels(
        cls, config: TranscriptionConfig, info: ValidationInfo
    ) -> TranscriptionConfig:
        if "channels" in info.data:  # else it has a fault of its own
            _require_agreement(config, info.data["channels"])
        return config

    @field_validator("translation_config")
    @classmethod
    def _is_of_mono(
        cls, config: TranslationConfig | None, info: ValidationInfo
    ) -> TranslationConfig | None:
        """Upstream's translations name no channel, so they could be given no place."""
        if config is not None and info.data.get("channels") is not None:
            raise PydanticCustomError(
                "channels_translated", "A stream with `channels` cannot be translated"
            )
        return config


def _require_agreement(config: TranscriptionConfig, channels: Channels | None) -> None:
    """`channels` says what the channels are; the API's own fields may say the same, not more."""
    wants_channels = config.diarization in {"channel", "channel_and_speaker"}
    labels = config.channel_diarization_labels
    if channels is None and (wants_channels or labels):
        raise PydanticCustomError(
            "channels_missing", "Diarization by channel needs `channels` in StartStream"
        )
    if channels is not None and config.diarization is not None and not wants_channels:
        raise PydanticCustomError(
            "channels_contradicted",
            "With `channels`, diarization should be 'channel' or 'channel_and_speaker'",
        )
    if channels is not None and labels is not None and labels != channels.labels:
        raise PydanticCustomError(
            "channels_contradicted",
            "channel_diarization_labels should be the labels of `channels`, or left out",
        )


class AudioChunk(Command):
    """The headers of a chunk; the body is the audio itself, raw bytes, never base64."""

    seq: Seq
    channel: Annotated[
        SentChannel | None, Field(description="Whose audio it is, where channels are `separate`")
    ] = None


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
    channel: Annotated[
        SentChannel | None, Field(description="Only of this channel; without it, of all")
    ] = None


class GetSpeakers(Command):
    """Asks for the voices told apart; `SpeakersResult` answers."""

    seq: Annotated[Seq, Field(description="Travels as a header")]
    final: Annotated[bool, Field(description="Answer at the end of the stream, once")] = False


class EndChannel(Command):
    """Says that no more audio of one channel comes; the others go on, and `EndStream` follows.

    For `separate` channels only.
    """

    seq: Annotated[Seq, Field(description="Travels as a header")]
    channel: ChannelLabel


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
    "EndChannel",
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
        EndChannel,
        EndStream,
        CreateTemporaryKey,
        GetStreamStatus,
    )
}
Request: TypeAlias = CreateTemporaryKey | GetStreamStatus
