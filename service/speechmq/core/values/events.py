"""The events of one stream as the core makes them; the contract's models describe the same bodies.

Results stay undecoded bytes while they need no change, which the contract's models cannot express.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

# Absent unless it is true, as upstream has it.
Forced: TypeAlias = bool | UnsetType
Results: TypeAlias = msgspec.Raw | list[dict[str, Any]]
Label: TypeAlias = str | UnsetType
"""A channel's label; absent in a mono stream."""


def label_of(channel: str | None) -> Label:
    return UNSET if channel is None else channel


@dataclass(frozen=True, slots=True)
class StreamStarted:
    stream_id: str
    session_id: str
    language_pack_info: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[str, ...] | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class StreamResumed:
    stream_id: str
    session_id: str
    origin: float
    reason: str


@dataclass(frozen=True, slots=True)
class StreamDetached:
    stream_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class StreamWarning:
    stream_id: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class StreamInfo:
    stream_id: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class StreamEnded:
    stream_id: str
    reason: Literal["end", "idle"]
    received_seconds: float
    finalised_seconds: float
    gap_seconds: float
    chunks: int
    duplicates: int
    finals: int


@dataclass(frozen=True, slots=True)
class StreamFailed:
    stream_id: str
    code: str
    reason: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class PartialTranscript:
    stream_id: str
    segment_id: int
    start_time: float
    end_time: float
    transcript: str
    results: Results
    forced: Forced = UNSET
    channel: Label = UNSET


@dataclass(frozen=True, slots=True)
class FinalTranscript:
    stream_id: str
    segment_id: int
    start_time: float
    end_time: float
    transcript: str
    results: Results
    forced: Forced = UNSET
    channel: Label = UNSET


@dataclass(frozen=True, slots=True)
class EndOfUtterance:
    stream_id: str
    start_time: float
    end_time: float
    forced: Forced = UNSET
    channel: Label = UNSET


@dataclass(frozen=True, slots=True)
class PartialTranslation:
    stream_id: str
    language: str
    results: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class FinalTranslation:
    stream_id: str
    language: str
    results: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SpeakersResult:
    stream_id: str
    speakers: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class AudioEventStarted:
    stream_id: str
    event: Mapping[str, Any]
    channel: Label = UNSET


@dataclass(frozen=True, slots=True)
class AudioEventEnded:
    stream_id: str
    event: Mapping[str, Any]
    channel: Label = UNSET


@dataclass(frozen=True, slots=True)
class AudioGap:
    stream_id: str
    start_time: float
    end_time: float
    first_seq: int
    last_seq: int
    channel: Label = UNSET


@dataclass(frozen=True, slots=True)
class UpstreamMessage:
    """``body`` is published as it is."""

    stream_id: str
    message: str
    body: bytes


Event: TypeAlias = (
    StreamStarted
    | StreamResumed
    | StreamDetached
    | StreamWarning
    | StreamInfo
    | StreamEnded
    | StreamFailed
    | PartialTranscript
    | FinalTranscript
    | EndOfUtterance
    | PartialTranslation
    | FinalTranslation
    | SpeakersResult
    | AudioEventStarted
    | AudioEventEnded
    | AudioGap
    | UpstreamMessage
)


def encode(event: Event) -> bytes:
    """The event's body."""
    # A message that this version does not know goes on as it came.
    return event.body if isinstance(event, UpstreamMessage) else msgspec.json.encode(event)
