"""What the shell is to do, in the imperative, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

import msgspec

from .checkpoint import Checkpoint
from .commands import ChangeConfig, ForceUtterance, TellSpeakers
from .events import Event
from .memo import Memo


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """Answer with ``ConnectionOpened`` or ``ConnectionFailed``.

    ``region`` is a place in the list of addresses that the stream may use.
    """

    region: int = 0


@dataclass(frozen=True, slots=True)
class StartRecognition:
    """Send the stream's settings as the session's first message.

    ``transcription_config`` is that of the start with all that was changed since.
    """

    transcription_config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OpenStandby:
    """Open a second connection and start recognition in it, beside the present one.

    Answer with ``StandbyReady`` or ``StandbyLost``; nothing else of it may come back.
    """

    region: int
    transcription_config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SwitchToStandby:
    """Close the present connection; the one that stands by takes its place.

    Nothing that the closed one still sends may come back as an input.
    """


@dataclass(frozen=True, slots=True)
class CloseStandby:
    """Close the connection that stands by, if it is still there; nothing of it may come back."""


@dataclass(frozen=True, slots=True)
class SendCommand:
    """Ask upstream for something; times are on the session's clock."""

    command: ChangeConfig | ForceUtterance | TellSpeakers


class SendAudio(msgspec.Struct, frozen=True, gc=False):
    audio: bytes
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class EndAudio:
    """Tell upstream that no audio follows the ``chunks`` sent in this session."""

    chunks: int


@dataclass(frozen=True, slots=True)
class EndChannelAudio:
    """Tell upstream that no audio of ``channel`` follows the ``chunks`` sent of it in this session.

    With the last channel's the session's audio has ended.
    """

    channel: str
    chunks: int


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Close without a word more; nothing that it still sends may come back as an input."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish behind every earlier event.

    With ``confirm`` the broker's confirm comes back as ``Published(seq)``. ``checkpoint`` is where
    the stream resumes once this event is confirmed.
    """

    event: Event
    seq: int
    confirm: bool = True
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class SaveCheckpoint:
    """Write the checkpoint without an event; the confirm comes back as ``Published(seq)``."""

    seq: int
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class SaveMemo:
    """Replace the stream's memo."""

    memo: Memo


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Acknowledge every delivery up to and including ``tag``."""

    tag: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Copy the delivery to the dead-letter queue; answer with ``DeadLettered``."""

    tag: int
    code: str
    reason: str


class Outcome(Enum):
    ENDED = "ended"
    FAILED = "failed"
    DETACHED = "detached"


@dataclass(frozen=True, slots=True)
class Finish:
    """The stream is over here. ``DETACHED`` leaves queues and claim to another worker."""

    outcome: Outcome


class Save(Enum):
    """What a successor needs has changed; ``Coverage`` makes the output of it."""

    CHECKPOINT = "checkpoint"
    ATTRIBUTES = "attributes"


Output: TypeAlias = (
    OpenConnection
    | StartRecognition
    | OpenStandby
    | SwitchToStandby
    | CloseStandby
    | SendCommand
    | SendAudio
    | EndAudio
    | EndChannelAudio
    | CloseConnection
    | Publish
    | SaveCheckpoint
    | SaveMemo
    | Acknowledge
    | DeadLetter
    | Finish
)

Effect: TypeAlias = Output | Event | Save
"""What a part of the core returns: an output, or what ``Coverage`` completes to one."""
