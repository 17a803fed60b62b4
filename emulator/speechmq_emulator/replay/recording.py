"""A recorded session's file: one JSON object a line, in the order of their arrival.

``ts`` is the seconds since the start by the clock, ``audio_ts`` the seconds of audio that had
been sent by then, ``payload`` the message. Only ``audio_ts`` and ``payload`` count here.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OF_THE_SESSION = frozenset(
    {
        # What a new session says of itself.
        "Info",
        "RecognitionStarted",
        "AudioAdded",
        "ChannelAudioAdded",
        "EndOfTranscript",
        "Error",
        # What a recorder notes about its client.
        "TranscriptionConfig",
        "AudioFormat",
        "StartRecognition",
        "SetRecognitionConfig",
        "ForceEndOfUtterance",
        "GetSpeakers",
        "AddChannelAudio",
        "EndOfChannel",
        "EndOfStream",
    }
)
"""Messages that belong to the recorded session, not to its audio."""


class RecordingError(Exception):
    """The file at ``path`` is no recorded session; ``line`` is counted from 1."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}, line {line}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """``audio_seconds`` had been sent when the message came; they never go back."""

    audio_seconds: float
    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recording:
    """What a session said of its audio, of which ``duration`` seconds were sent at least."""

    messages: tuple[RecordedMessage, ...]
    duration: float


def read_recording(path: Path) -> Recording:
    """Read a whole file.

    Raises:
        OSError: the file can not be read.
        RecordingError: a line is no message of a session, or no line can be replayed.
    """
    messages: list[RecordedMessage] = []
    duration, number = 0.0, 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            at, message = _parse(line, path, number)
            # Channels may run ahead of each other; the order of the messages counts.
            duration = max(duration, at)
            if message["message"] not in OF_THE_SESSION:
                messages.append(RecordedMessage(duration, message))
    if not messages:
        reason = "the recording ends without a message about its audio; was it cut off?"
        raise RecordingError(path, max(number, 1), reason)
    return Recording(tuple(messages), duration)


def _parse(line: bytes, path: Path, number: int) -> tuple[float, Mapping[str, Any]]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordingError(path, number, f"no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise RecordingError(path, number, "no JSON object")
    audio_seconds: Any = fields.get("audio_ts")
    message: Any = fields.get("payload")
    if not _is_time(audio_seconds):
        raise RecordingError(path, number, "audio_ts is missing, or no number from 0 up")
    if not isinstance(message, dict) or not isinstance(message.get("message"), str):
        raise RecordingError(path, number, "payload is missing, or no object with a 'message'")
    return float(audio_seconds), message


def _is_time(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value >= 0
    )
