"""Messages from the server, as the objects that go onto the wire."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from speechmq_emulator.protocol.errors import ErrorType, WarningType
from speechmq_emulator.protocol.languages import LANGUAGES
from speechmq_emulator.speech.events import Final, Mark, Partial, Result, Word

FORMAT = "2.9"

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a session wants its words: ``speaker`` is the label where voices are not told apart."""

    language: str
    speaker: str | None = None


def info(*, usage: int, quota: int, at: datetime) -> Message:
    return {
        "message": "Info",
        "type": "concurrent_session_usage",
        "reason": f"{usage} concurrent sessions active out of quota {quota}",
        "usage": usage,
        "quota": quota,
        "last_updated": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def recognition_started(session_id: str, language: str, version: str) -> Message:
    return {
        "message": "RecognitionStarted",
        "orchestrator_version": version,
        "id": session_id,
        "language_pack_info": {
            "adapted": False,
            "itn": False,
            "language_description": LANGUAGES[language],
            "word_delimiter": " ",
            "writing_direction": "left-to-right",
        },
    }


def audio_added(seq_no: int) -> Message:
    return {"message": "AudioAdded", "seq_no": seq_no}


def add_transcript(final: Final, rendering: Rendering) -> Message:
    text = plain_text(final.results)
    # A final's text ends with a delimiter, so that a client may just append it.
    return _transcript("AddTranscript", final, f"{text} " if text else "", rendering)


def add_partial_transcript(partial: Partial, rendering: Rendering) -> Message:
    return _transcript("AddPartialTranscript", partial, plain_text(partial.results), rendering)


def _transcript(name: str, spoken: Final | Partial, text: str, rendering: Rendering) -> Message:
    return {
        "message": name,
        "format": FORMAT,
        "results": [_result(result, rendering) for result in spoken.results],
        "metadata": {"end_time": spoken.end, "start_time": spoken.start, "transcript": text},
    }


def plain_text(results: Iterable[Result]) -> str:
    """Words with delimiters; a mark clings to the word before it."""
    text = "".join(r.content if isinstance(r, Mark) else f" {r.content}" for r in results)
    return text.removeprefix(" ")


def _result(result: Result, rendering: Rendering) -> Message:
    match result:
        case Word(content, start, end, confidence):
            alternative = _alternative(content, confidence, rendering)
            return {
                "alternatives": [alternative],
                "end_time": end,
                "start_time": start,
                "type": "word",
            }
        case Mark(content, at, ends_sentence):
            return {
                "alternatives": [_alternative(content, 1.0, rendering)],
                "attaches_to": "previous",
                "end_time": at,
                "is_eos": ends_sentence,
                "start_time": at,
                "type": "punctuation",
            }


def _alternative(content: str, confidence: float, rendering: Rendering) -> Message:
    alternative: dict[str, Any] = {
        "confidence": confidence,
        "content": content,
        "language": rendering.language,
    }
    if rendering.speaker is not None:
        alternative["speaker"] = rendering.speaker
    return alternative


def end_of_utterance(at: float) -> Message:
    metadata = {"end_time": at, "start_time": at}
    return {"message": "EndOfUtterance", "format": FORMAT, "metadata": metadata}


def end_of_transcript() -> Message:
    return {"message": "EndOfTranscript"}


def error(kind: ErrorType, reason: str) -> Message:
    return {"message": "Error", "type": kind.value, "reason": reason}


def warning(kind: WarningType, reason: str) -> Message:
    return {"message": "Warning", "type": kind.value, "reason": reason}
