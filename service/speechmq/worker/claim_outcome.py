"""What is to become of a claim, when nothing of its stream is held any more. Pure values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Acked:
    """The stream is over, or has another claim."""


@dataclass(frozen=True, slots=True)
class Requeued:
    """Another worker, or this one, goes on; ``after`` a pause in seconds, so as not to spin.

    ``error`` and ``reason`` are those of what went wrong, or nothing.
    """

    after: float = 0.0
    error: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DeadLettered:
    """The stream cannot go on in any worker."""

    code: str
    reason: str


ClaimOutcome = Acked | Requeued | DeadLettered
