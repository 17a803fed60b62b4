"""What may be made to go wrong: when (a trigger), what (an action), for whom (a selection).

Only values, no behaviour: ``grammar`` writes them as text, ``plan`` draws them for a session,
``FaultySocket`` carries them out.
"""

from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus

from websockets.frames import EXTERNAL_CLOSE_CODES

from speechmq_emulator.protocol.errors import ErrorType, WarningType

SERVER_MESSAGES = (
    "AddPartialTranscript",
    "AddPartialTranslation",
    "AddTranscript",
    "AddTranslation",
    "AudioAdded",
    "AudioEventEnded",
    "AudioEventStarted",
    "ChannelAudioAdded",
    "EndOfTranscript",
    "EndOfUtterance",
    "Error",
    "Info",
    "RecognitionStarted",
    "SpeakersResult",
    "Warning",
)
_LARGEST_MESSAGE = 256 * 2**20
_LONGEST_CLOSE_REASON = 123  # RFC 6455, 5.5: a control frame has at most 125 bytes


class FaultError(ValueError):
    """A fault that can not be; says which word is wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class Span:
    """From ``low`` to ``high``, both included; one value where they are equal."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise FaultError(f"{self.low:g}..{self.high:g} does not go up from 0 or more")


class Moment(Enum):
    """Points of a session that need no number."""

    HANDSHAKE = "handshake"
    """The request has come and is in order; in place of the answer."""
    START = "start"
    """The handshake is done; before the first message."""
    RECOGNITION = "recognition"
    """``StartRecognition`` has come; in place of what it would do."""
    NOW = "now"
    """At once, in every session that is open; never in later ones."""


@dataclass(frozen=True, slots=True)
class AtAudio:
    """So many seconds of audio have come in this session."""

    seconds: Span


@dataclass(frozen=True, slots=True)
class AfterReceived:
    """So many messages have come, audio or not; before the last of them is acted upon."""

    messages: Span


@dataclass(frozen=True, slots=True)
class AfterSent:
    """So many messages have gone out."""

    messages: Span


@dataclass(frozen=True, slots=True)
class Before:
    """The first message of this name is about to be sent."""

    message: str


@dataclass(frozen=True, slots=True)
class Behind:
    """The first message of this name has been sent."""

    message: str


Trigger = Moment | AtAudio | AfterReceived | AfterSent | Before | Behind


@dataclass(frozen=True, slots=True)
class Drop:
    """Reset the TCP connection, without a close frame."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close in good form."""

    code: int = 1011
    reason: str = ""

    def __post_init__(self) -> None:
        if self.code not in EXTERNAL_CLOSE_CODES and not 3000 <= self.code <= 4999:
            raise FaultError(f"code={self.code} is no close code that may be sent")
        if len(self.reason.encode()) > _LONGEST_CLOSE_REASON:
            raise FaultError(f"reason has more than {_LONGEST_CLOSE_REASON} bytes")


@dataclass(frozen=True, slots=True)
class Silence:
    """Neither read nor write nor answer pings; the socket stays open.

    After ``lasting`` seconds all goes on where it stopped; None: until the client goes.
    """

    lasting: float | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer the handshake with this status."""

    status: int = 503
    retry_after: int | None = None
    """Seconds, for the header ``Retry-After``."""

    def __post_init__(self) -> None:
        if self.status not in {status.value for status in HTTPStatus} or self.status < 400:
            raise FaultError(f"status={self.status} is no HTTP status from 400 to 599")


@dataclass(frozen=True, slots=True)
class Hang:
    """Answer the handshake only after ``lasting`` seconds; None: never."""

    lasting: float | None = None


@dataclass(frozen=True, slots=True)
class SendError:
    """An ``Error`` of this type, and the close that belongs to it."""

    type: ErrorType
    reason: str = "A fault was asked for"


@dataclass(frozen=True, slots=True)
class SendWarning:
    type: WarningType
    reason: str = "A fault was asked for"


@dataclass(frozen=True, slots=True)
class Quota:
    """Refuse a ``StartRecognition`` while this many sessions are recognising."""

    sessions: int


@dataclass(frozen=True, slots=True)
class Delay:
    """Send messages of these names ``by`` seconds late, in their order, others at once.

    ``EndOfTranscript`` and a normal close wait for what is late. After ``lasting`` seconds
    messages are in time again; None: never.
    """

    messages: tuple[str, ...]
    by: float
    lasting: float | None = None


@dataclass(frozen=True, slots=True)
class Withhold:
    """Keep messages of these names back for ``lasting`` seconds; None: for ever.

    The close behind a withheld ``EndOfTranscript`` is withheld with it.
    """

    messages: tuple[str, ...]
    lasting: float | None = None


@dataclass(frozen=True, slots=True)
class Garbage:
    """A text message that is no JSON: one cut off in the middle."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A JSON message of a name that the protocol does not have."""

    name: str = "TeaIsServed"


@dataclass(frozen=True, slots=True)
class Oversize:
    """One ``Info`` message of about ``size`` bytes."""

    size: int = 50 * 2**20

    def __post_init__(self) -> None:
        if not 1000 <= self.size <= _LARGEST_MESSAGE:
            raise FaultError(f"size={self.size} is not within 1k and 256M")


@dataclass(frozen=True, slots=True)
class Slow:
    """Read no more than ``rate`` bytes a second."""

    rate: int
    lasting: float | None = None


Action = (
    Drop
    | Close
    | Silence
    | Refuse
    | Hang
    | SendError
    | SendWarning
    | Quota
    | Delay
    | Withhold
    | Garbage
    | Unknown
    | Oversize
    | Slow
)
_ONLY_AT: dict[type[Action], Moment] = {
    Refuse: Moment.HANDSHAKE,
    Hang: Moment.HANDSHAKE,
    Quota: Moment.RECOGNITION,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Of the sessions in question, each with ``probability``; ``times`` in all at most.

    ``language`` is the one of the path or of ``StartRecognition``.
    """

    probability: float = 1.0
    times: int | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Acts at most once in a session (a quota: at most once a ``StartRecognition``)."""

    action: Action
    trigger: Trigger
    selection: Selection = field(default=Selection())

    def __post_init__(self) -> None:
        only = _ONLY_AT.get(type(self.action))
        name = type(self.action).__name__
        if only is not None and self.trigger is not only:
            raise FaultError(f"{name} happens at '{only.value}' only; leave the trigger out")
        at_handshake = isinstance(self.action, Refuse | Hang | Drop)
        if self.trigger is Moment.HANDSHAKE and not at_handshake:
            raise FaultError(f"{name} can not happen at 'handshake'; use 'start'")


def usual_trigger(action: type[Action]) -> Trigger:
    """When a fault happens that does not say when."""
    return _ONLY_AT.get(action, Moment.START)
