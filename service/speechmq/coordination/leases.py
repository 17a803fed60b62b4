"""Starts, leases, and what the queue ``leases`` holds: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# The low bits of a lease's number count the leases of one term of one coordinator.
TERM_BITS = 20

StartKey = tuple[str, bytes, str | None]


@dataclass(frozen=True, slots=True)
class Start:
    """A valid start. ``user`` is AMQP's ``user_id``; ``headers`` carry the trace context."""

    stream_id: str
    body: bytes
    message_id: str | None = None
    user: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> StartKey:
        """Of one start, however often it is delivered, or published by one publisher."""
        return self.stream_id, self.body, self.message_id


@dataclass(frozen=True, slots=True)
class Lease:
    """One stream's right to one slot. ``number`` is never used again; ``since`` is in seconds
    since 1970."""

    number: int
    slot: int
    start: Start
    since: float


@dataclass(frozen=True, slots=True)
class Token:
    """One stays in the queue, so that an election has something to deliver.

    A candidate publishes one of term 0. A coordinator's bears its term, which no later coordinator
    falls below.
    """

    term: int


@dataclass(frozen=True, slots=True)
class Probe:
    """What comes back to its publisher after all that the queue held before."""

    id: str


@dataclass(frozen=True, slots=True)
class LeaseEnded:
    """Its owner has ended the stream and emptied the slot."""

    number: int


@dataclass(frozen=True, slots=True)
class StateMissing:
    """The holder of a claim found no state of this lease in the slot."""

    number: int


@dataclass(frozen=True, slots=True)
class Garbage:
    """What no worker of ours wrote."""


Record = Token | Probe | Lease | LeaseEnded | StateMissing | Garbage
