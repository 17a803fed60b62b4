"""The configuration of a session as the published description has it: fields, types, ranges.

Models only. What a field does is the engine's affair; what an invalid one answers is
``requests``'.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

MAX_TRANSLATION_TARGETS = 5
MAX_SPEAKER_IDENTIFIERS = 50

NonEmpty = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
MaxDelay = Annotated[float, Field(ge=0.7, le=4, allow_inf_nan=False)]


class _Strict(BaseModel):
    # The service does not turn "1.0" into 1.0, and neither may a local stand-in.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class RawAudio(_Strict):
    type: Literal["raw"]
    encoding: Literal["pcm_f32le", "pcm_s16le", "mulaw"]
    sample_rate: Annotated[int, Field(ge=8000, le=48000)]

    @property
    def bytes_per_second(self) -> int:
        """Bytes of one second of one channel."""
        width = {"pcm_f32le": 4, "pcm_s16le": 2, "mulaw": 1}[self.encoding]
        return width * self.sample_rate


class FileAudio(_Strict):
    type: Literal["file"]


class AdditionalVocab(_Strict):
    content: NonEmpty
    sounds_like: Annotated[list[NonEmpty], Field(min_length=1)] | None = None


def _vocab_kind(entry: Any) -> str:
    return "<word>" if isinstance(entry, str) else "<entry>"


VocabWord = Annotated[
    Annotated[NonEmpty, Tag("<word>")] | Annotated[AdditionalVocab, Tag("<entry>")],
    Discriminator(_vocab_kind),
]


class SpeakerInput(_Strict):
    label: NonEmpty
    speaker_identifiers: Annotated[list[str], Field(min_length=1)]

    @field_validator("label")
    @classmethod
    def _is_no_internal_label(cls, label: str) -> str:
        if label != label.strip():
            raise ValueError("must not begin or end with white space")
        if label == "UU" or (label[0] == "S" and label[1:].isdecimal()):
            raise ValueError(f"{label!r} is a label that the service itself gives (S1, S2, UU)")
        return label

    @field_validator("speaker_identifiers")
    @classmethod
    def _are_unique(cls, identifiers: list[str]) -> list[str]:
        if len(set(identifiers)) < len(identifiers):
            raise ValueError("identifiers must be unique")
        return identifiers


class SpeakerDiarizationConfig(_Strict):
    max_speakers: Annotated[int, Field(ge=2, le=100)] | None = None
    prefer_current_speaker: bool = False
    speaker_sensitivity: Share = 0.5
    get_speakers: bool = False
    speakers: list[SpeakerInput] = []

    @model_validator(mode="after")
    def _has_few_identifiers(self) -> Self:
        if sum(len(s.speaker_identifiers) for s in self.speakers) > MAX_SPEAKER_IDENTIFIERS:
            raise ValueError(f"at most {MAX_SPEAKER_IDENTIFIERS} speaker identifiers a session")
        return self


class AudioFilteringConfig(_Strict):
    volume_threshold: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 0.0


class WordReplacement(_Strict):
    from_: Annotated[str, Field(alias="from")]
    to: str


class TranscriptFilteringConfig(_Strict):
    remove_disfluencies: bool = False
    replacements: list[WordReplacement] = []


class PunctuationOverrides(_Strict):
    permitted_marks: list[Annotated[str, Field(pattern=r"^(.|all)$")]] = ["all"]
    sensitivity: Share = 0.5


class ConversationConfig(_Strict):
    end_of_utterance_silence_trigger: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 0.0


Model = Literal["standard", "enhanced", "melia-1"]


class TranscriptionConfig(_Strict):
    """Times are in seconds of audio."""

    language: NonEmpty
    domain: NonEmpty | None = None
    output_locale: NonEmpty | None = None
    additional_vocab: list[VocabWord] = []
    diarization: Literal["none", "speaker", "channel", "channel_and_speaker"] = "none"
    max_delay: MaxDelay = 4.0
    max_delay_mode: Literal["flexible", "fixed"] = "flexible"
    speaker_diarization_config: SpeakerDiarizationConfig = SpeakerDiarizationConfig()
    audio_filtering_config: AudioFilteringConfig = AudioFilteringConfig()
    transcript_filtering_config: TranscriptFilteringConfig = TranscriptFilteringConfig()
    enable_partials: bool = False
    enable_entities: bool = True
    operating_point: Model | None = None
    model: Model | None = None
    punctuation_overrides: PunctuationOverrides = PunctuationOverrides()
    conversation_config: ConversationConfig = ConversationConfig()
    channel_diarization_labels: list[str] = []

    @property
    def in_channels(self) -> bool:
        """Whether the session's audio comes in named channels."""
        return self.diarization in {"channel", "channel_and_speaker"}

    @property
    def tells_speakers(self) -> bool:
        """Whether voices are told apart."""
        return self.diarization in {"speaker", "channel_and_speaker"}

    def changed(self, change: "MidSessionTranscriptionConfig") -> "TranscriptionConfig":
        """This configuration with the fields that ``change`` sets."""
        fields = {name: getattr(change, name) for name in change.model_fields_set}
        return self.model_copy(update=fields)


class MidSessionTranscriptionConfig(_Strict):
    """What ``SetRecognitionConfig`` may change; a field left out stays as it is.

    ``language`` may be repeated, not changed.
    """

    language: NonEmpty = ""
    max_delay: MaxDelay = 4.0
    max_delay_mode: Literal["flexible", "fixed"] = "flexible"
    audio_filtering_config: AudioFilteringConfig = AudioFilteringConfig()
    enable_partials: bool = False
    conversation_config: ConversationConfig = ConversationConfig()


class TranslationConfig(_Strict):
    target_languages: Annotated[list[str], Field(max_length=MAX_TRANSLATION_TARGETS)]
    enable_partials: bool = False


class AudioEventsConfig(_Strict):
    types: list[str] = []


class StartRecognition(_Strict):
    message: Literal["StartRecognition"]
    audio_format: Annotated[RawAudio | FileAudio, Field(discriminator="type")]
    transcription_config: TranscriptionConfig
    translation_config: TranslationConfig | None = None
    audio_events_config: AudioEventsConfig | None = None
