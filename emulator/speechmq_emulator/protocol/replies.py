"""Messages from the server, as the objects that go onto the wire.

Fields come in the order in which recorded sessions of the service have them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from speechmq_emulator.protocol.errors import ErrorType, WarningType
from speechmq_emulator.protocol.languages import LanguagePack
from speechmq_emulator.protocol.results import Rendering, result, text
from speechmq_emulator.speech.events import (
    AudioEventEnded,
    AudioEventStarted,
    Final,
    Notice,
    Partial,
    Recorded,
    SpeakerVoices,
    TranslatedSentence,
    Translation,
    UtteranceEnded,
)

Message = Mapping[str, Any]
Report = (
    Final
    | Partial
    | UtteranceEnded
    | Translation
    | AudioEventStarted
    | AudioEventEnded
    | Notice
    | Recorded
)
"""What becomes one message as soon as it is reported."""

FORMAT = "2.9"
_BROADCAST_RATE = 12_000


def usage_info(*, usage: int, quota: int, at: datetime) -> Message:
    return {
        "message": "Info",
        "type": "concurrent_session_usage",
        "reason": f"{usage} concurrent sessions active out of quota {quota}",
        "usage": usage,
        "quota": quota,
        "last_updated": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def quality_info(sample_rate: int) -> Message:
    quality = "broadcast" if sample_rate >= _BROADCAST_RATE else "telephony"
    return {
        "message": "Info",
        "type": "recognition_quality",
        "reason": f"Running recognition using a {quality} model quality",
        "quality": quality,
    }


def recognition_started(
    session_id: str, pack: LanguagePack, version: str, channels: Sequence[str]
) -> Message:
    started: dict[str, Any] = {
        "message": "RecognitionStarted",
        "orchestrator_version": version,
        "id": session_id,
        "language_pack_info": {
            "adapted": False,
            "itn": pack.itn,
            "language_description": pack.description,
            "word_delimiter": pack.word_delimiter,
            "writing_direction": pack.writing_direction,
        },
    }
    return started | ({"channel_ids": list(channels)} if channels else {})


def report(  # noqa: PLR0911  # one for each kind
    heard: Report, rendering: Rendering, channel: str | None
) -> Message:
    """What an engine told of one channel."""
    match heard:
        case Final():
            return add_transcript(heard, rendering, channel)
        case Partial():
            return add_partial_transcript(heard, rendering, channel)
        case UtteranceEnded():
            return end_of_utterance(heard, channel)
        case Translation():
            return add_translation(heard, rendering)
        case AudioEventStarted():
            return audio_event_started(heard, channel)
        case AudioEventEnded():
            return audio_event_ended(heard, channel)
        case Notice(kind, reason):
            return warning(kind, reason)
        case Recorded(message):
            return message


def audio_added(seq_no: int, channel: str | None) -> Message:
    if channel is None:
        return {"message": "AudioAdded", "seq_no": seq_no}
    return {"message": "ChannelAudioAdded", "seq_no": seq_no, "channel": channel}


def add_transcript(final: Final, rendering: Rendering, channel: str | None) -> Message:
    spoken = text(final.results, rendering.delimiter)
    # A final's text ends with a delimiter, so that a client may just append it.
    shown = spoken + rendering.delimiter if spoken else ""
    return _transcript("AddTranscript", final, shown, rendering) | _origin(final.forced, channel)


def add_partial_transcript(partial: Partial, rendering: Rendering, channel: str | None) -> Message:
    shown = text(partial.results, rendering.delimiter)
    message = _transcript("AddPartialTranscript", partial, shown, rendering)
    return message | _origin(partial.forced, channel)


def _transcript(
    name: str, spoken: Final | Partial, shown: str, rendering: Rendering
) -> dict[str, Any]:
    return {
        "message": name,
        "format": FORMAT,
        "results": [result(one, rendering) for one in spoken.results],
        "metadata": {"end_time": spoken.end, "start_time": spoken.start, "transcript": shown},
    }


def _origin(forced: bool, channel: str | None) -> dict[str, Any]:
    """The fields that only forced messages and those of a named channel have."""
    return ({"forced": True} if forced else {}) | _of_channel(channel)


def _of_channel(channel: str | None) -> dict[str, Any]:
    return {} if channel is None else {"channel": channel}


def end_of_utterance(ended: UtteranceEnded, channel: str | None) -> Message:
    metadata = {"end_time": ended.at, "start_time": ended.at}
    message = {"message": "EndOfUtterance", "format": FORMAT, "metadata": metadata}
    return message | _origin(ended.forced, channel)


def add_translation(translation: Translation, rendering: Rendering) -> Message:
    """Translations name no channel. Only settled ones name their speakers."""
    final = translation.final
    return {
        "message": "AddTranslation" if final else "AddPartialTranslation",
        "format": FORMAT,
        "language": translation.language,
        "results": [_sentence(one, rendering, final=final) for one in translation.sentences],
    }


def _sentence(sentence: TranslatedSentence, rendering: Rendering, *, final: bool) -> Message:
    told = {
        "content": sentence.content,
        "start_time": sentence.start,
        "end_time": sentence.end,
    }
    label = rendering.speaker(sentence.speaker) if final else None
    return told if label is None else told | {"speaker": label}


def audio_event_started(event: AudioEventStarted, channel: str | None) -> Message:
    told = {"type": event.kind, "start_time": event.start, "confidence": event.confidence}
    return {"message": "AudioEventStarted", "event": told} | _of_channel(channel)


def audio_event_ended(event: AudioEventEnded, channel: str | None) -> Message:
    told = {"type": event.kind, "end_time": event.end}
    return {"message": "AudioEventEnded", "event": told} | _of_channel(channel)


def speakers_result(voices: Iterable[SpeakerVoices]) -> Message:
    """A voice without identifiers is left out: the protocol has none."""
    known = [
        {"label": voice.label, "speaker_identifiers": list(voice.identifiers)}
        for voice in voices
        if voice.identifiers
    ]
    return {"message": "SpeakersResult", "speakers": known}


def end_of_transcript() -> Message:
    return {"message": "EndOfTranscript"}


def error(kind: ErrorType, reason: str) -> Message:
    return {"message": "Error", "type": kind.value, "reason": reason}


def warning(kind: WarningType, reason: str, **fields: float) -> Message:
    return {"message": "Warning", "type": kind.value, "reason": reason, **fields}
