"""How far a session has come, and which of its faults are due there. Pure: no socket, no clock."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from speechmq_emulator.faults.fault import (
    AfterReceived,
    AfterSent,
    AtAudio,
    Before,
    Behind,
    Moment,
    Trigger,
)
from speechmq_emulator.faults.plan import Drawn

_BYTES_PER_SAMPLE = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1}
_NAME = re.compile(r'\{"message":\s?"(\w+)"')


class Course:
    """One session's way from handshake to close, as its socket sees it.

    Every method that takes a step returns the faults that are due at it, each once.
    """

    def __init__(self, index: int, faults: Iterable[Drawn] = (), *, language: str | None) -> None:
        self.index = index
        self.language = language
        """Of the path, later of ``StartRecognition``."""
        self.started = False
        """Whether ``StartRecognition`` has come."""
        self._ahead = list(faults)
        self._audio = AudioPosition()
        self._received = 0
        self._sent = 0

    @property
    def audio_seconds(self) -> float:
        return self._audio.seconds

    def arm(self, drawn: Drawn) -> None:
        """Meet one more fault."""
        self._ahead.append(drawn)

    def handshake(self) -> list[Drawn]:
        return self._due(lambda trigger, _: trigger is Moment.HANDSHAKE)

    def start(self) -> list[Drawn]:
        return self._due(lambda trigger, _: trigger is Moment.START)

    def receive(self, message: str | bytes) -> list[Drawn]:
        """A message has come, and has not been acted upon."""
        self._received += 1
        starting = self._note(message)
        return self._due(
            lambda trigger, position: (
                (starting and trigger is Moment.RECOGNITION)
                or (isinstance(trigger, AfterReceived) and self._received >= position)
                or self._heard(trigger, position)
            )
        )

    def sending(self, text: str) -> list[Drawn]:
        """A message is about to be sent."""
        name = name_of(text)
        if self._audio.encoded and name == "AddTranscript":
            self._audio.cover(json.loads(text)["metadata"]["end_time"])
        return self._due(
            lambda trigger, position: trigger == Before(name) or self._heard(trigger, position)
        )

    def sent(self, text: str) -> list[Drawn]:
        """A message has been sent."""
        self._sent += 1
        name = name_of(text)
        return self._due(
            lambda trigger, position: (
                trigger == Behind(name)
                or (isinstance(trigger, AfterSent) and self._sent >= position)
            )
        )

    def _heard(self, trigger: Trigger, position: float) -> bool:
        return isinstance(trigger, AtAudio) and self.audio_seconds >= position

    def _note(self, message: str | bytes) -> bool:
        """Count audio; True for a ``StartRecognition``."""
        if isinstance(message, bytes):
            self._audio.add(len(message))
            return False
        request = _fields(message)
        if request.get("message") == "AddChannelAudio":
            self._audio.add_base64(request.get("channel"), request.get("data"))
        if request.get("message") != "StartRecognition":
            return False
        language = _inner(request, "transcription_config").get("language")
        self.language = language if isinstance(language, str) else self.language
        self._audio = AudioPosition(_inner(request, "audio_format"))
        self.started = True
        return True

    def _due(self, reached: Callable[[Trigger, float], bool]) -> list[Drawn]:
        if not self._ahead:
            return []
        due = [
            drawn
            for drawn in self._ahead
            if drawn.fault.selection.language in (None, self.language)
            and reached(drawn.fault.trigger, drawn.position or 0)
        ]
        if due:
            self._ahead = [drawn for drawn in self._ahead if drawn not in due]
        return due


class AudioPosition:
    """Seconds of audio that a session has received.

    Several channels run side by side: the longest counts. Encoded audio has no rate, so
    there it is the end of the newest final.
    """

    def __init__(self, audio_format: dict[str, Any] | None = None) -> None:
        given = audio_format or {}
        rate = given.get("sample_rate")
        width = _BYTES_PER_SAMPLE.get(str(given.get("encoding")), 0)
        self._bytes_per_second = width * rate if isinstance(rate, int) and rate > 0 else 0
        self.encoded = given.get("type") == "file"
        self._covered = 0.0
        self._bytes: dict[str, int] = {}

    @property
    def seconds(self) -> float:
        if not self._bytes_per_second:
            return self._covered
        return max(self._bytes.values(), default=0) / self._bytes_per_second

    def add(self, size: int, channel: str = "") -> None:
        self._bytes[channel] = self._bytes.get(channel, 0) + size

    def add_base64(self, channel: object, data: object) -> None:
        if isinstance(channel, str) and isinstance(data, str):
            self.add(len(data) // 4 * 3 - data[-2:].count("="), channel)

    def cover(self, end: float) -> None:
        self._covered = max(self._covered, end)


def name_of(text: str) -> str:
    """The name of a message of the server; empty where it has none."""
    # Every message of the server begins with its name; parsing all of it would cost more.
    found = _NAME.match(text)
    return found[1] if found is not None else str(_fields(text).get("message", ""))


def _fields(text: str) -> dict[str, Any]:
    """What a JSON object holds; nothing where the text is none: a session refuses it."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _inner(request: dict[str, Any], key: str) -> dict[str, Any]:
    value = request.get(key)
    return value if isinstance(value, dict) else {}
