"""Wire messages of the Speechmatics Realtime API. Pure.

The vendor's names stand in this module alone: each struct bears our name and the vendor's as its
tag. ``results`` stay undecoded bytes, because most of them pass through unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

import msgspec

from ..errors import UpstreamError


class MalformedMessage(UpstreamError):
    """Upstream sent text that is not a message of the protocol."""


LONGEST = 1e9
Time = Annotated[float, msgspec.Meta(ge=0, le=LONGEST)]
"""Seconds since the first sample of the session, which ends long before the bound."""


class Metadata(msgspec.Struct, frozen=True):
    start_time: Time
    end_time: Time
    transcript: str = ""


class ServerMessage(msgspec.Struct, frozen=True, tag_field="message"):
    """Anything that upstream sends."""


class RecognitionStarted(ServerMessage, frozen=True, tag="RecognitionStarted"):
    id: str = ""
    language_pack_info: dict[str, Any] = {}

    @property
    def word_delimiter(self) -> str:
        delimiter = self.language_pack_info.get("word_delimiter")
        return delimiter if isinstance(delimiter, str) else " "


class AudioAdded(ServerMessage, frozen=True, tag="AudioAdded"):
    """Upstream has read the chunk: ``seq_no`` counts the chunks of the session from 1."""

    seq_no: int


class ChannelAudioAdded(ServerMessage, frozen=True, tag="ChannelAudioAdded"):
    """As ``AudioAdded``, of one channel's chunks."""

    seq_no: int
    channel: str


class PartialReceived(ServerMessage, frozen=True, tag="AddPartialTranscript"):
    metadata: Metadata
    results: msgspec.Raw
    forced: bool = False
    channel: str | None = None


class FinalReceived(ServerMessage, frozen=True, tag="AddTranscript"):
    metadata: Metadata
    results: msgspec.Raw
    forced: bool = False
    channel: str | None = None

    @property
    def is_silent(self) -> bool:
        """Whether it says that nothing was said."""
        return not self.metadata.transcript and bytes(self.results) == b"[]"


class UtteranceEnded(ServerMessage, frozen=True, tag="EndOfUtterance"):
    metadata: Metadata
    forced: bool = False
    channel: str | None = None


class PartialTranslationReceived(ServerMessage, frozen=True, tag="AddPartialTranslation"):
    language: str
    results: msgspec.Raw


class FinalTranslationReceived(ServerMessage, frozen=True, tag="AddTranslation"):
    language: str
    results: msgspec.Raw


class SoundStarted(ServerMessage, frozen=True, tag="AudioEventStarted"):
    event: dict[str, Any]
    channel: str | None = None


class SoundEnded(ServerMessage, frozen=True, tag="AudioEventEnded"):
    event: dict[str, Any]
    channel: str | None = None


class TranscriptEnded(ServerMessage, frozen=True, tag="EndOfTranscript"):
    """Everything that was sent has been finalised."""


class InfoReceived(ServerMessage, frozen=True, tag="Info"):
    """``usage`` and ``quota`` count the account's sessions; upstream tells them at the start."""

    type: str
    reason: str = ""
    usage: float | None = None
    quota: float | None = None


class WarningReceived(ServerMessage, frozen=True, tag="Warning"):
    type: str
    reason: str = ""

    @property
    def is_about_duration(self) -> bool:
        """Whether the session is going to be ended because it has lasted for so long."""
        return self.type == "session_timeout"

    @property
    def is_about_translation(self) -> bool:
        """Whether a target language is not to be had, or none is."""
        return self.type in ("unsupported_translation_pair", "empty_translation_target_list")


class Speaker(msgspec.Struct, frozen=True):
    label: str
    speaker_identifiers: list[str] = []


class SpeakersReceived(ServerMessage, frozen=True, tag="SpeakersResult"):
    """The voices that upstream has told apart in this session."""

    speakers: list[Speaker] = []

    @property
    def identifiers(self) -> list[tuple[str, tuple[str, ...]]]:
        """By label. Two channels may have a voice each under one label."""
        return [(one.label, tuple(one.speaker_identifiers)) for one in self.speakers]


class ErrorReceived(ServerMessage, frozen=True, tag="Error"):
    """The session is over; upstream closes the connection behind it."""

    type: str
    reason: str = ""


class UnknownReceived(msgspec.Struct, frozen=True):
    """A message that this version does not know, as it came."""

    message: str
    body: bytes


Received: TypeAlias = (
    RecognitionStarted
    | AudioAdded
    | ChannelAudioAdded
    | PartialReceived
    | FinalReceived
    | UtteranceEnded
    | PartialTranslationReceived
    | FinalTranslationReceived
    | SoundStarted
    | SoundEnded
    | TranscriptEnded
    | InfoReceived
    | WarningReceived
    | SpeakersReceived
    | ErrorReceived
)

_known = msgspec.json.Decoder(Received)


class _Tag(msgspec.Struct):
    message: str


# Nesting that exhausts the stack, and text that is not Unicode, are as malformed as a lost brace.
_UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeError)

_tag = msgspec.json.Decoder(_Tag)
_TAGS = frozenset(str(struct.__struct_config__.tag) for struct in ServerMessage.__subclasses__())


def decode(text: str | bytes) -> Received | UnknownReceived:
    """Reads one text frame; raises ``MalformedMessage`` for anything but a protocol message."""
    try:
        known: Received = _known.decode(text)
        return known
    except _UNREADABLE as error:
        return _decode_unknown(text, error)


def _decode_unknown(text: str | bytes, error: Exception) -> UnknownReceived:
    try:
        name = _tag.decode(text).message
    except _UNREADABLE:
        name = ""
    if not name or name in _TAGS:
        raise MalformedMessage(f"upstream sent a message that cannot be read: {error}") from error
    return UnknownReceived(name, text.encode() if isinstance(text, str) else text)


def start_recognition(
    audio_format: dict[str, Any],
    transcription_config: dict[str, Any],
    **others: Mapping[str, Any] | None,
) -> str:
    """The first message of a session; ``others`` are its further parts, as far as they are set."""
    return _written(
        "StartRecognition",
        audio_format=audio_format,
        transcription_config=transcription_config,
        **{name: part for name, part in others.items() if part is not None},
    )


def _written(name: str, **fields: Any) -> str:
    return msgspec.json.encode({"message": name, **fields}).decode()


def end_of_stream(chunks_sent: int) -> str:
    """Says that no audio follows. ``last_seq_no`` is the number of chunks sent, not confirmed."""
    return _written("EndOfStream", last_seq_no=chunks_sent)


def add_channel_audio(channel: str, audio: bytes) -> str:
    """``audio`` travels in base64."""
    return _written("AddChannelAudio", channel=channel, data=audio)


def end_of_channel(channel: str, chunks_sent: int) -> str:
    """Says that no audio of ``channel`` follows; the last channel's end is the stream's."""
    return _written("EndOfChannel", channel=channel, last_seq_no=chunks_sent)


def get_speakers(*, final: bool) -> str:
    return _written("GetSpeakers", final=final)


def set_recognition_config(transcription_config: Mapping[str, Any]) -> str:
    return _written("SetRecognitionConfig", transcription_config=transcription_config)


def force_end_of_utterance(timestamp: float | None, channel: str | None) -> str:
    """``timestamp`` in seconds of the session's audio, of ``channel`` where there are several."""
    at = {} if timestamp is None else {"timestamp": timestamp}
    where = {} if channel is None else {"channel": channel}
    return _written("ForceEndOfUtterance", **at, **where)
