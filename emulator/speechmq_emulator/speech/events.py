"""What an engine reports while it works through one stream, in the order of the audio.

Times are seconds since the first sample of the session.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """``confidence`` runs from 0 to 1."""

    content: str
    start: float
    end: float
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A punctuation mark behind the word before it; it takes no time."""

    content: str
    at: float
    ends_sentence: bool = True


Result = Word | Mark


@dataclass(frozen=True, slots=True)
class Partial:
    """What the engine hears now between the newest final and ``end``; may still change."""

    start: float
    end: float
    results: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True)
class Final:
    """Settled for good: everything from ``start`` to ``end``, be it silence."""

    start: float
    end: float
    results: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """The speaker has been silent for as long as the session asked."""

    at: float


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


Transcript = Partial | Final | UtteranceEnded
EngineEvent = Transcript | ChunkTaken | Ended | Failed
