"""What is reported while a channel's audio is worked through, in the order of the audio.

Times are seconds since the first sample of the session. A recogniser makes the first half
of these; ``speech.channel`` adds what can be told from its words (entities, translations)
and engines add the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from speechmq_emulator.protocol.errors import ErrorType, WarningType

Tag = Literal["disfluency", "profanity"]


@dataclass(frozen=True, slots=True)
class Word:
    """``confidence`` runs from 0 to 1, ``volume`` from 0 to 100.

    ``speaker`` is None where voices are not told apart, ``volume`` where it is not measured,
    ``language`` where it is the session's.
    """

    content: str
    start: float
    end: float
    confidence: float = 1.0
    speaker: str | None = None
    volume: float | None = None
    tags: tuple[Tag, ...] = ()
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A punctuation mark behind the word before it; it takes no time."""

    content: str
    at: float
    ends_sentence: bool = True
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """Words that were said as a number, a date or an amount, and how that is written.

    ``written`` has the words of ``content``, spread over the entity's time.
    """

    content: str
    start: float
    end: float
    entity_class: str
    spoken: tuple[Word, ...]
    written: tuple[Word, ...]
    confidence: float = 1.0
    speaker: str | None = None
    volume: float | None = None


Result = Word | Mark | Entity


@dataclass(frozen=True, slots=True)
class Partial:
    """What is heard now between the newest final and ``end``; may still change."""

    start: float
    end: float
    results: tuple[Result, ...] = ()
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Final:
    """Settled for good: everything from ``start`` to ``end``, be it silence."""

    start: float
    end: float
    results: tuple[Result, ...] = ()
    forced: bool = False


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """The speaker has been silent for as long as the session asked, or the client forced it."""

    at: float
    forced: bool = False


@dataclass(frozen=True, slots=True)
class TranslatedSentence:
    """Times are those of the words that were translated."""

    content: str
    start: float
    end: float
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Translation:
    """One target language's; ``final`` tells whether it is settled."""

    language: str
    sentences: tuple[TranslatedSentence, ...]
    final: bool


@dataclass(frozen=True, slots=True)
class AudioEventStarted:
    kind: str
    start: float
    confidence: float


@dataclass(frozen=True, slots=True)
class AudioEventEnded:
    kind: str
    end: float


@dataclass(frozen=True, slots=True)
class SpeakerVoices:
    """A label and the identifiers by which a later session knows the voice again."""

    label: str
    identifiers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Speakers:
    """The answer to a question about voices; ``final`` comes unasked, before ``Ended``."""

    speakers: tuple[SpeakerVoices, ...]
    final: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the client must be warned of; recognition goes on."""

    type: WarningType
    reason: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """A message as an earlier session had it on the wire."""

    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChunkTaken:
    """The engine has read one more chunk, the oldest not yet reported."""


@dataclass(frozen=True, slots=True)
class Ended:
    """All audio up to the end of the stream is final; nothing follows."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The engine cannot go on with this stream; nothing follows."""

    reason: str
    type: ErrorType = ErrorType.JOB_ERROR


Transcript = Partial | Final | UtteranceEnded
Heard = (
    Transcript | Translation | AudioEventStarted | AudioEventEnded | Speakers | Notice | Recorded
)
EngineEvent = Heard | ChunkTaken | Ended | Failed
