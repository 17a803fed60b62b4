"""Writes sessions down: one JSON object a line, which the replay engine can play.

``ts`` is seconds since the handshake, ``audio_ts`` seconds of audio received by then,
``payload`` a message of the server, or the two halves of the client's start.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from speechmq_emulator.protocol.config import StartRecognition


class Recorder:
    """Lines of one session. ``audio_ts`` of a file's audio, whose length no one knows, is
    the time by the clock."""

    def __init__(self, lines: TextIO, *, began: float) -> None:
        self._lines = lines
        self._began = began

    def started(self, start: StartRecognition, now: float) -> None:
        for name in ("TranscriptionConfig", "AudioFormat"):
            part = start.audio_format if name == "AudioFormat" else start.transcription_config
            fields = part.model_dump(mode="json", by_alias=True, exclude_unset=True)
            self.note({"message": name, **fields}, now, 0.0)

    def note(self, message: Mapping[str, Any], now: float, audio_seconds: float | None) -> None:
        elapsed = now - self._began
        audio = elapsed if audio_seconds is None else audio_seconds
        line = {"ts": round(elapsed, 6), "audio_ts": round(audio, 3), "payload": message}
        self._lines.write(json.dumps(line) + "\n")


@contextmanager
def recording(directory: Path | None, session_id: str, now: float) -> Iterator[Recorder | None]:
    """A recorder into ``directory/<session id>.jsonl``; None where there is no directory.

    Raises:
        OSError: the file can not be written.
    """
    if directory is None:
        yield None
        return
    with (directory / f"{session_id}.jsonl").open("w", encoding="utf-8") as lines:
        yield Recorder(lines, began=now)
