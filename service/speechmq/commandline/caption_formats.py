"""Writes a transcript as text, subtitles or JSON. Pure.

A document is a header and blocks. As blocks are only ever added behind those that are settled, a
document can be written while the stream goes on, and is valid at every moment.
"""

from __future__ import annotations

import html
import json
import unicodedata
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from speechmq.errors import RequestError
from speechmq_schemas import Transcript, join_words

from .cues import Cue, cues_of, passages, settled, voice_of


class Format(StrEnum):
    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Document:
    """No later word changes the first ``settled`` blocks."""

    header: str
    blocks: tuple[str, ...]
    settled: int

    @property
    def text(self) -> str:
        return self.header + "".join(self.blocks)


def format_of(path: Path) -> Format:
    """By the file's ending; raises ``RequestError`` if it is none of ours."""
    try:
        return Format(path.suffix.lower().removeprefix("."))
    except ValueError as error:
        known = ", ".join(Format)
        raise RequestError(f"{path} does not tell its format: give --format ({known})") from error


def render(transcript: Transcript, style: Format) -> Document:
    return RENDERERS[style](transcript)


def _txt(transcript: Transcript) -> Document:
    """One line a passage, with its speaker's name if it has one."""
    parts = passages(transcript)
    lines = []
    for words in parts:
        text = clean(join_words(words, transcript.word_delimiter))
        speaker = voice_of(words[0])
        lines.append(f"{text}\n" if speaker is None else f"{clean(speaker)}: {text}\n")
    spans = [(one[0].channel, one[0].start_time, one[-1].end_time) for one in parts]
    return Document("", tuple(lines), settled(transcript, spans))


def _srt(transcript: Transcript) -> Document:
    def block(number: int, cue: Cue) -> str:
        times = f"{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}"
        return f"{number}\n{times}\n{_text(cue)}\n\n"

    return _subtitles(transcript, "", block)


def _vtt(transcript: Transcript) -> Document:
    def block(_: int, cue: Cue) -> str:
        times = f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}"
        voice = "" if cue.speaker is None else f"<v {_escape(clean(cue.speaker))}>"
        return f"{times}\n{voice}{_escape(_text(cue))}\n\n"

    return _subtitles(transcript, "WEBVTT\n\n", block)


def _subtitles(transcript: Transcript, header: str, block: Callable[[int, Cue], str]) -> Document:
    cues = cues_of(transcript)
    blocks = tuple(block(number, cue) for number, cue in enumerate(cues, 1))
    spans = [(cue.channel, cue.start / 1000, cue.end / 1000) for cue in cues]
    return Document(header, blocks, settled(transcript, spans))


def _json(transcript: Transcript) -> Document:
    """The whole of it as one object, so nothing is settled before the end."""
    missing = [{"first": first, "last": last} for first, last in transcript.missing]
    content: dict[str, Any] = {
        "stream_id": transcript.stream_id,
        "state": transcript.state,
        "end_time": transcript.end_time,
        "text": transcript.text,
        "turns": [_without_words(asdict(turn)) for turn in transcript.turns],
        "words": [asdict(word) for word in transcript.words],
        "segments": [one.model_dump(mode="json", exclude_unset=True) for one in transcript.finals],
        "utterance_ends": transcript.utterance_ends,
        "gaps": [one.model_dump(mode="json", exclude_unset=True) for one in transcript.gaps],
        "missing_segments": missing,
    }
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    return Document("", (text,), 1 if transcript.state != "live" else 0)


def _without_words(turn: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in turn.items() if name != "words"}


RENDERERS: dict[Format, Callable[[Transcript], Document]] = {
    Format.TXT: _txt,
    Format.SRT: _srt,
    Format.VTT: _vtt,
    Format.JSON: _json,
}


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, hours = seconds // 60 % 60, seconds // 3600
    return f"{hours:02}:{minutes:02}:{seconds % 60:02}{point}{rest:03}"


def _text(cue: Cue) -> str:
    return "\n".join(clean(line) for line in cue.lines)


def clean(text: str) -> str:
    """One line: an empty one would end the cue, and control characters have no place in a file."""
    spaced = " ".join(text.split())
    if spaced.isprintable() and spaced:  # as nearly all text is, and soon told
        return spaced
    return "".join("\ufffd" if unicodedata.category(c) == "Cc" else c for c in spaced) or "\ufffd"


def _escape(text: str) -> str:
    return html.escape(text, quote=False)
