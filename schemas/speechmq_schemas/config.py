"""Recognition settings, with the field names and ranges of Speechmatics' ``StartRecognition``.

Unknown fields are kept and passed on with a warning, because the upstream API grows faster than
this contract; known fields with a wrong value are refused. What is read here instead of being
passed on, the audio's format above all, has no unknown fields. A list is read up to its first
wrong item: one with a hundred thousand of them would take longer to complain about than to read.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from .base import ContractModel, NonEmpty, OpenModel
from .errors import MAX_PATH, excerpt

Encoding = Literal["pcm_s16le", "pcm_f32le", "mulaw", "alaw"]

BYTES_PER_SAMPLE: dict[Encoding, int] = {
    "pcm_s16le": 2,
    "pcm_f32le": 4,
    "mulaw": 1,
    "alaw": 1,
}

MAX_SPEAKER_IDENTIFIERS = 50
OWN_LABEL = r"^(S[0-9]+|UU|\s+.*|\S+.*\s+)$"


class RawAudioFormat(ContractModel):
    """Headerless samples; mono, or frames of all channels where those are interleaved."""

    type: Literal["raw"] = "raw"
    encoding: Encoding
    sample_rate: Annotated[int, Field(ge=8_000, le=48_000, description="Samples per second")]


class FileAudioFormat(ContractModel):
    """The bytes of an audio file, cut anywhere: WAV, MP3, AAC (ADTS), Ogg, WebM, FLAC, AMR, or MP4
    in fragments."""

    type: Literal["file"]


def _raw_or_file(value: object) -> str | None:
    kind = value.get("type", "raw") if isinstance(value, dict) else getattr(value, "type", None)
    return f"({kind})" if kind in ("raw", "file") else None


AudioFormat = Annotated[
    Annotated[RawAudioFormat, Tag("(raw)")] | Annotated[FileAudioFormat, Tag("(file)")],
    Discriminator(
        _raw_or_file,
        custom_error_type="audio_type",
        custom_error_message="An audio format has the type 'raw' or 'file'",
    ),
]


ChannelLabel = Annotated[
    str,
    Field(
        pattern=r"^[^\s\x00-\x1f\x7f-\x9f]+( [^\s\x00-\x1f\x7f-\x9f]+)*$",
        max_length=64,
        description="What the publisher calls a channel: words, one space between two",
    ),
]

MAX_CHANNELS = 8
"""Upstream's own limit is the account's and lower (2); it refuses more at the start."""


def _unique_labels(labels: list[str]) -> list[str]:
    if len(set(labels)) < len(labels):
        raise PydanticCustomError("not_unique", "Labels of channels should be unique")
    return labels


class Channels(ContractModel):
    """Several channels of one conversation, each with words of its own.

    `separate`: each chunk holds the audio of one channel, which its header `channel` names.
    `interleaved`: each chunk holds whole frames, a sample of every channel in the order of the
    labels, as a WAV file does.
    """

    layout: Literal["separate", "interleaved"]
    labels: Annotated[
        list[ChannelLabel],
        Field(
            min_length=2,
            max_length=MAX_CHANNELS,
            fail_fast=True,
            json_schema_extra={"uniqueItems": True},
            description="Speechmatics takes two of them",
        ),
        AfterValidator(_unique_labels),
    ]


class AdditionalVocab(OpenModel):
    content: NonEmpty
    sounds_like: Annotated[list[NonEmpty], Field(min_length=1, fail_fast=True)] | None = None


def _word_or_entry(value: object) -> str:
    return "(word)" if isinstance(value, str) else "(entry)"


VocabEntry = Annotated[
    Annotated[NonEmpty, Tag("(word)")] | Annotated[AdditionalVocab, Tag("(entry)")],
    Discriminator(_word_or_entry),
]


def _not_own_label(label: str) -> str:
    if re.fullmatch(OWN_LABEL, label):
        raise PydanticCustomError(
            "speaker_label",
            "A label must not look like one that recognition gives itself (S1, S2, UU), "
            "nor begin or end with white space",
        )
    return label


def _unique(identifiers: list[str]) -> list[str]:
    if len(set(identifiers)) < len(identifiers):
        raise PydanticCustomError("not_unique", "Speaker identifiers should be unique")
    return identifiers


class KnownSpeaker(OpenModel):
    label: Annotated[
        NonEmpty,
        AfterValidator(_not_own_label),
        Field(
            description="Must not look like a label that recognition gives itself: S1, S2, UU",
            json_schema_extra={"not": {"pattern": OWN_LABEL}},
        ),
    ]
    speaker_identifiers: Annotated[
        list[NonEmpty],
        Field(min_length=1, fail_fast=True, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_unique),
    ]


def _few_identifiers(speakers: list[KnownSpeaker]) -> list[KnownSpeaker]:
    total = sum(len(speaker.speaker_identifiers) for speaker in speakers)
    if total > MAX_SPEAKER_IDENTIFIERS:
        raise PydanticCustomError(
            "too_many_identifiers",
            "At most {limit} speaker identifiers over all speakers, here are {total}",
            {"limit": MAX_SPEAKER_IDENTIFIERS, "total": total},
        )
    return speakers


class SpeakerDiarizationConfig(OpenModel):
    max_speakers: Annotated[int, Field(ge=2)] | None = None
    prefer_current_speaker: bool | None = None
    speaker_sensitivity: Annotated[float, Field(ge=0, le=1)] | None = None
    get_speakers: bool | None = None
    speakers: (
        Annotated[
            list[KnownSpeaker],
            Field(
                max_length=MAX_SPEAKER_IDENTIFIERS,
                fail_fast=True,
                description="At most 50 identifiers over all speakers",
            ),
            AfterValidator(_few_identifiers),
        ]
        | None
    ) = None


class AudioFilteringConfig(OpenModel):
    volume_threshold: Annotated[float, Field(ge=0, le=100)] | None = None


class WordReplacement(OpenModel):
    from_: Annotated[str, Field(alias="from")]
    to: str


class TranscriptFilteringConfig(OpenModel):
    remove_disfluencies: bool | None = None
    replacements: Annotated[list[WordReplacement], Field(fail_fast=True)] | None = None


class PunctuationOverrides(OpenModel):
    permitted_marks: (
        Annotated[
            list[Annotated[str, Field(pattern=r"^(.|all)$", description="A character, or `all`")]],
            Field(fail_fast=True),
        ]
        | None
    ) = None
    sensitivity: Annotated[float, Field(ge=0, le=1)] | None = None


class ConversationConfig(OpenModel):
    end_of_utterance_silence_trigger: (
        Annotated[float, Field(ge=0, le=2, description="Seconds of silence; 0 switches it off")]
        | None
    ) = None


Language = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_-]{1,63}$",
        description="ISO code, as in `en`, or the name of a language pack, as in `cmn_en`",
    ),
]


def _known_altogether(config: OpenModel) -> OpenModel:
    if config.model_extra:
        raise PydanticCustomError(
            "unknown_field",
            "Upstream would end the session over a field that it does not know: {name}",
            {"name": excerpt(next(iter(config.model_extra)), MAX_PATH)},
        )
    return config


_KNOWN_ALTOGETHER = AfterValidator(_known_altogether)


class MidSessionConfig(ContractModel):
    """What may be changed while a stream runs; absent fields stay as they are.

    Others are refused here: upstream would end the session over one.
    """

    language: (
        Annotated[Language, Field(description="Only the one that the stream was started with")]
        | None
    ) = None
    max_delay: Annotated[float, Field(ge=0.7, le=4)] | None = None
    max_delay_mode: Literal["flexible", "fixed"] | None = None
    audio_filtering_config: Annotated[AudioFilteringConfig, _KNOWN_ALTOGETHER] | None = None
    enable_partials: bool | None = None
    conversation_config: Annotated[ConversationConfig, _KNOWN_ALTOGETHER] | None = None


class TranslationConfig(OpenModel):
    """Translation of what is recognised; upstream has at most five targets."""

    target_languages: Annotated[list[Language], Field(max_length=5, fail_fast=True)]
    enable_partials: bool | None = None


class AudioEventsConfig(OpenModel):
    """Sounds to be told of, `applause` and `music` for two; without `types`, all that there are."""

    types: Annotated[list[NonEmpty], Field(fail_fast=True)] | None = None


class TranscriptionConfig(OpenModel):
    """What is recognised and how; absent fields take the upstream's defaults."""

    language: Language
    domain: NonEmpty | None = None
    output_locale: NonEmpty | None = None
    additional_vocab: Annotated[list[VocabEntry], Field(fail_fast=True)] | None = None
    diarization: Literal["none", "speaker", "channel", "channel_and_speaker"] | None = None
    channel_diarization_labels: (
        Annotated[
            list[str],
            Field(
                max_length=MAX_CHANNELS,
                fail_fast=True,
                description="May be left out: `StartStream.channels` has the labels",
            ),
        ]
        | None
    ) = None
    max_delay: (
        Annotated[float, Field(ge=0.7, le=4, description="Seconds from a word's end to its final")]
        | None
    ) = None
    max_delay_mode: Literal["flexible", "fixed"] | None = None
    speaker_diarization_config: SpeakerDiarizationConfig | None = None
    audio_filtering_config: AudioFilteringConfig | None = None
    transcript_filtering_config: TranscriptFilteringConfig | None = None
    enable_partials: bool | None = None
    enable_entities: bool | None = None
    operating_point: Literal["standard", "enhanced", "melia-1"] | None = None
    model: Literal["standard", "enhanced", "melia-1"] | None = None
    punctuation_overrides: PunctuationOverrides | None = None
    conversation_config: ConversationConfig | None = None
