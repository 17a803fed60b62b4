"""What was recognised -> ``results`` and their text, as the service writes them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from speechmq_emulator.speech.events import Entity, Mark, Result, Tag, Word

_UNKNOWN_SPEAKER = "UU"


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a session's words are shown; ``speakers`` tells whether its voices are told apart."""

    language: str
    delimiter: str = " "
    speakers: bool = False

    def speaker(self, label: str | None) -> str | None:
        """The label that goes onto the wire, None where none does."""
        return (label or _UNKNOWN_SPEAKER) if self.speakers else None


def text(results: Iterable[Result], delimiter: str) -> str:
    """Words with delimiters; a mark clings to the word before it."""
    parts = (r.content if isinstance(r, Mark) else f"{delimiter}{r.content}" for r in results)
    return "".join(parts).removeprefix(delimiter)


def result(spoken: Result, rendering: Rendering) -> Mapping[str, Any]:
    match spoken:
        case Word():
            return _word(spoken, rendering) | _volume(spoken)
        case Entity():
            return _entity(spoken, rendering) | _volume(spoken)
        case Mark(content, at, ends_sentence, speaker):
            return {
                "alternatives": [_alternative(content, 1.0, speaker, rendering)],
                "attaches_to": "previous",
                "end_time": at,
                "is_eos": ends_sentence,
                "start_time": at,
                "type": "punctuation",
            }


def _word(word: Word, rendering: Rendering) -> dict[str, Any]:
    content, confidence = word.content, word.confidence
    alternative = _alternative(content, confidence, word.speaker, rendering, word.tags)
    if word.language is not None:
        alternative["language"] = word.language
    return {
        "alternatives": [alternative],
        "end_time": word.end,
        "start_time": word.start,
        "type": "word",
    }


def _entity(entity: Entity, rendering: Rendering) -> dict[str, Any]:
    content, confidence = entity.content, entity.confidence
    return {
        "alternatives": [_alternative(content, confidence, entity.speaker, rendering)],
        "end_time": entity.end,
        "entity_class": entity.entity_class,
        "spoken_form": [_word(word, rendering) for word in entity.spoken],
        "start_time": entity.start,
        "type": "entity",
        "written_form": [_word(word, rendering) for word in entity.written],
    }


def _volume(spoken: Word | Entity) -> dict[str, Any]:
    return {} if spoken.volume is None else {"volume": spoken.volume}


def _alternative(
    content: str,
    confidence: float,
    speaker: str | None,
    rendering: Rendering,
    tags: Sequence[Tag] = (),
) -> dict[str, Any]:
    alternative: dict[str, Any] = {
        "confidence": confidence,
        "content": content,
        "language": rendering.language,
    }
    label = rendering.speaker(speaker)
    if label is not None:
        alternative["speaker"] = label
    if tags:
        alternative["tags"] = list(tags)
    return alternative
