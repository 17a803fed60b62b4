"""What may happen to a stream, in the past tense.

What upstream says arrives as the structs of ``upstream.messages`` themselves. What comes with every
chunk is a struct, too: it is made in a fraction of the time that a frozen dataclass takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from ...speechmatics.messages import Received, RecognitionStarted, UnknownReceived
from .commands import Command


class ChunkDelivered(msgspec.Struct, frozen=True, gc=False):
    """Audio from the stream's queue. ``tag`` is the broker's delivery tag.

    ``is_early``: it was sent before its stream's queue was bound, and came by the early queue.
    ``channel`` is what its publisher says of it. ``excess`` is the size of audio that was too large
    to be kept: ``audio`` is empty then.
    """

    tag: int
    seq: int
    audio: bytes
    is_early: bool = False
    channel: str | None = None
    excess: int = 0

    @property
    def size(self) -> int:
        return self.excess or len(self.audio)


@dataclass(frozen=True, slots=True)
class CommandDelivered:
    """A publisher's wish, which takes effect at its place in the order."""

    tag: int
    seq: int
    command: Command
    is_early: bool = False
    # What it cost to bring, for the pace; it says nothing about the wish.
    size: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class EndDelivered:
    """The publisher's end of the stream, which has a place in the order like any chunk."""

    tag: int
    seq: int
    is_early: bool = False
    size: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class GarbageDelivered:
    """A message of the stream's queue that the contract does not know how to read."""

    tag: int
    code: str
    reason: str
    size: int = field(default=0, compare=False)


Sequenced: TypeAlias = ChunkDelivered | CommandDelivered | EndDelivered
Delivered: TypeAlias = Sequenced | GarbageDelivered


@dataclass(frozen=True, slots=True)
class DeadLettered:
    """The broker has confirmed the copy in the dead-letter queue."""

    tag: int


@dataclass(frozen=True, slots=True)
class Published:
    """The broker has confirmed the event with this ``seq`` and every earlier one."""

    seq: int


@dataclass(frozen=True, slots=True)
class BacklogExceeded:
    """More ``held`` bytes of events wait for the broker than one stream may have."""

    held: int


@dataclass(frozen=True, slots=True)
class ConnectionOpened:
    """The WebSocket handshake succeeded."""


@dataclass(frozen=True, slots=True)
class ConnectionFailed:
    """No connection came about. ``status`` is the HTTP status of a refusal.

    ``code`` is set where it was not even tried, as while the account is known to be full.
    """

    reason: str
    status: int | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """An open connection ended. ``code`` is the WebSocket close code; 1006 when there was none."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class StandbyReady:
    """Recognition has started in the connection that stands by."""

    started: RecognitionStarted


@dataclass(frozen=True, slots=True)
class StandbyLost:
    """The connection that stands by did not come about, or is gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """``Stream.deadline`` has come."""


@dataclass(frozen=True, slots=True)
class DrainRequested:
    """The worker is going to stop; the stream is to be left for another."""

    reason: str


Input: TypeAlias = (
    Delivered
    | DeadLettered
    | Published
    | BacklogExceeded
    | ConnectionOpened
    | ConnectionFailed
    | ConnectionLost
    | StandbyReady
    | StandbyLost
    | DeadlinePassed
    | DrainRequested
    | Received
    | UnknownReceived
)
