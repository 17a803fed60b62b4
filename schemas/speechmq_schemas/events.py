"""What leaves on the topic exchange ``speechmq.events``.

Times are seconds on the stream's own clock: 0 is the first sample of the stream, whatever happened
to connections and workers since. Bodies of transcripts keep Speechmatics' field names.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Json, NonEmpty, OpenModel
from .commands import StreamId

Channel = Annotated[
    str | None, Field(description="The channel that it is about; absent where there is one")
]
Seconds = Annotated[float, Field(ge=0, description="Seconds on the stream's clock")]


class Event(OpenModel):
    """A message to consumers. Fields that a later version adds are kept, never refused."""

    stream_id: StreamId


class StreamAccepted(Event):
    """The start is valid and the stream's queues exist; it waits for a worker with room."""


class StreamStarted(Event):
    """Recognition has started."""

    session_id: Annotated[str, Field(description="The upstream's name of the session")]
    language_pack_info: dict[str, Json] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    channels: list[str] = Field(
        default_factory=list, description="Labels of its channels; none where it is mono"
    )


class StreamResumed(Event):
    """Recognition goes on in a new session, after a loss or on another worker."""

    session_id: str
    origin: Annotated[float, Field(ge=0, description="Where on the stream's clock it begins")]
    reason: str


class StreamDetached(Event):
    """A worker has let go of the stream cleanly; another will resume it."""

    reason: str


class StreamWarning(Event):
    """Something needs attention; the stream goes on."""

    code: str
    reason: str
    fields: list[dict[str, str]] = Field(
        default_factory=list, description="Of a start: `path` and `reason` of each field meant"
    )


class StreamInfo(Event):
    """Something that an operator may want to know; nothing is wrong."""

    code: str
    reason: str


class StreamEnded(Event):
    """The last event of a stream that ended well.

    Totals are in seconds of audio, over all channels.
    ``received_seconds`` equals ``finalised_seconds`` plus ``gap_seconds``.
    """

    reason: Literal["end", "idle"]
    received_seconds: float
    finalised_seconds: float
    gap_seconds: float
    chunks: int
    duplicates: int
    finals: int


class StreamFailed(Event):
    """The last event of a stream that did not end well, or of a start that was refused."""

    stream_id: Annotated[str, Field(description="As sent; may be empty where the start had none")]
    code: str
    reason: str
    retryable: bool
    fields: list[dict[str, str]] = Field(
        default_factory=list, description="For a refused start: `path` and `reason` of each"
    )


class RecognitionAlternative(OpenModel):
    content: str
    confidence: float
    language: str | None = None
    speaker: str | None = None
    tags: list[str] | None = None


class RecognitionResult(OpenModel):
    """A word, a punctuation mark or an entity, as Speechmatics describes it."""

    type: str
    start_time: Seconds
    end_time: Seconds
    alternatives: list[RecognitionAlternative] = Field(default_factory=list)
    attaches_to: str | None = None
    is_eos: bool | None = None


class Transcript(Event):
    segment_id: Annotated[
        int,
        Field(ge=1, description="A partial bears the id of its final; unique over all channels"),
    ]
    start_time: Seconds
    end_time: Seconds
    transcript: str
    results: list[RecognitionResult]
    channel: Channel = None
    forced: Annotated[bool, Field(description="`ForceEndOfUtterance` asked for it")] = False


class PartialTranscript(Transcript):
    """What has been heard so far of a segment; replaced by its next partial or its final."""


class FinalTranscript(Transcript):
    """A segment that will not change. Finals tile the stream's timeline: silence has empty ones."""


class EndOfUtterance(Event):
    """The speaker has stopped for the configured time. It has no duration."""

    start_time: Seconds
    end_time: Seconds
    channel: Channel = None
    forced: Annotated[bool, Field(description="`ForceEndOfUtterance` asked for it")] = False


class TranslatedSentence(OpenModel):
    """Times are those of the words that were translated."""

    content: str
    start_time: Seconds
    end_time: Seconds
    speaker: str | None = None


class Translation(Event):
    language: str
    results: list[TranslatedSentence]


class PartialTranslation(Translation):
    """What a sentence may mean so far; replaced by the next one of its language."""


class FinalTranslation(Translation):
    """A translation that will not change."""


class Speaker(OpenModel):
    label: str
    speaker_identifiers: Annotated[
        list[str], Field(description="By them a later stream knows the voice again")
    ]


class SpeakersResult(Event):
    """The voices told apart so far; answers `GetSpeakers`."""

    speakers: list[Speaker]


class AudioEventStart(OpenModel):
    type: str
    start_time: Seconds
    confidence: float


class AudioEventEnd(OpenModel):
    type: str
    end_time: Seconds


class AudioEventStarted(Event):
    """A sound that was asked for begins: music, applause, …"""

    event: AudioEventStart
    channel: Channel = None


class AudioEventEnded(Event):
    """It is over."""

    event: AudioEventEnd
    channel: Channel = None


class AudioGap(Event):
    """Audio that never came; silence stands in its place so that the clock stays true."""

    start_time: Seconds
    end_time: Seconds
    first_seq: int
    last_seq: int
    channel: Channel = None


class UpstreamMessage(Event):
    """Something upstream sent that this version does not know; its body is as it came.

    ``stream_id`` is not in the body: it travels as the correlation id.
    """

    message: Annotated[NonEmpty, Field(description="The upstream's name of this kind of message")]


EVENTS: dict[str, type[Event]] = {
    model.__name__: model
    for model in (
        StreamAccepted,
        StreamStarted,
        StreamResumed,
        StreamDetached,
        StreamWarning,
        StreamInfo,
        StreamEnded,
        StreamFailed,
        PartialTranscript,
        FinalTranscript,
        EndOfUtterance,
        PartialTranslation,
        FinalTranslation,
        SpeakersResult,
        AudioEventStarted,
        AudioEventEnded,
        AudioGap,
        UpstreamMessage,
    )
}
