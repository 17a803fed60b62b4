"""The states of a stream and the one table of its transitions.

A stream connects (CONNECTING), introduces itself (STARTING), sends audio and receives transcripts
(STREAMING), says that there is no more (ENDING), publishes its last word and waits until the
broker has it (CLOSING), and is FINISHED. A connection that is lost on the way is tried again
(WAITING), or succeeded at once by one that stands by. A stream without audio ends its session
(ENDING) and waits for more without one (SUSPENDED). Audio, confirms, deadlines, news of a
connection that stands by, and a request to drain may come in every state but FINISHED.

The table says which states an input may lead to. A key that is missing is a protocol error of the
side that the input belongs to; a state that is missing is a defect of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from ..errors import TransitionError
from ..speechmatics import messages as upstream
from .values import inputs
from .values.inputs import Input


class State(Enum):
    __hash__ = object.__hash__  # by identity, as they compare; that of Enum takes its time

    CONNECTING = "connecting"
    STARTING = "starting"
    STREAMING = "streaming"
    ENDING = "ending"
    WAITING = "waiting"
    SUSPENDED = "suspended"
    CLOSING = "closing"
    FINISHED = "finished"


S = State
STAYS: frozenset[State] = frozenset()
GIVES_UP = frozenset({S.CLOSING})
LOSES = frozenset({S.WAITING, S.CLOSING})
# A session that stands by takes over, and may have heard all that there is at once.
IS_SUCCEEDED = frozenset({S.STREAMING, S.ENDING})
WAKES = frozenset({S.CONNECTING, S.CLOSING})

_LIVE = (
    S.CONNECTING,
    S.STARTING,
    S.STREAMING,
    S.ENDING,
    S.WAITING,
    S.SUSPENDED,
    S.CLOSING,
)

# What a session may say while it hears, and the ways in which it may be lost then.
_HEARD = (
    inputs.ConnectionLost,
    upstream.ErrorReceived,
    upstream.AudioAdded,
    upstream.ChannelAudioAdded,
    upstream.PartialReceived,
    upstream.FinalReceived,
    upstream.UtteranceEnded,
    upstream.PartialTranslationReceived,
    upstream.FinalTranslationReceived,
    upstream.SoundStarted,
    upstream.SoundEnded,
)

# All of them may lose the session: what upstream says may be malformed.
_CONNECTION: dict[tuple[State, type[Input]], frozenset[State]] = {
    (S.CONNECTING, inputs.ConnectionOpened): frozenset({S.STARTING}),
    (S.CONNECTING, inputs.ConnectionFailed): LOSES,
    (S.STARTING, inputs.ConnectionLost): LOSES,
    # A short stream has its end at once, and one that cannot be decoded fails.
    (S.STARTING, upstream.RecognitionStarted): GIVES_UP | {S.STREAMING, S.ENDING},
    (S.STARTING, upstream.ErrorReceived): LOSES,
    # A lost session is succeeded at once where another stands by.
    **{(S.STREAMING, heard): LOSES | IS_SUCCEEDED for heard in _HEARD},
    # None stands by for a session that ends: there is nothing left to hear.
    **{(S.ENDING, heard): LOSES for heard in _HEARD},
    (S.ENDING, upstream.TranscriptEnded): WAKES | {S.SUSPENDED},
}

# They change nothing for the stream. A session may say them before it has begun.
_NOTICES: dict[tuple[State, type[Input]], frozenset[State]] = {
    (state, notice): STAYS
    for state in (S.STARTING, S.STREAMING, S.ENDING)
    for notice in (
        upstream.InfoReceived,
        upstream.WarningReceived,
        upstream.SpeakersReceived,
        upstream.UnknownReceived,
    )
}

# Audio comes in every state: the broker brings it, whatever upstream does. What cannot be decoded
# is noticed as it comes, or a little later, and ends the stream.
_ON_DELIVERY = {S.STREAMING: GIVES_UP | {S.ENDING}, S.SUSPENDED: WAKES, S.CLOSING: STAYS}

_DELIVERIES: dict[tuple[State, type[Input]], frozenset[State]] = {
    (state, delivery): _ON_DELIVERY.get(state, GIVES_UP)
    for state in _LIVE
    for delivery in (
        inputs.ChunkDelivered,
        inputs.CommandDelivered,
        inputs.EndDelivered,
        inputs.GarbageDelivered,
    )
}

# What the broker, the standby and the worker say does not wait for a state of the session.
_ALWAYS: dict[tuple[State, type[Input]], frozenset[State]] = {
    **{(state, inputs.DeadLettered): STAYS for state in _LIVE},
    **{(state, inputs.Published): STAYS for state in _LIVE},
    **{(state, inputs.StandbyReady): STAYS for state in _LIVE},
    **{(state, inputs.StandbyLost): STAYS for state in _LIVE},
    **{(state, inputs.DrainRequested): GIVES_UP for state in _LIVE if state is not S.CLOSING},
    # There is room in the prefetch for the end, or for what cannot be decoded.
    (S.STREAMING, inputs.Published): GIVES_UP | {S.ENDING},
    # The last event is with the broker; before that, the stream is not over here.
    (S.CLOSING, inputs.Published): frozenset({S.FINISHED}),
    (S.CLOSING, inputs.DrainRequested): STAYS,
    **{(state, inputs.BacklogExceeded): GIVES_UP for state in _LIVE if state is not S.CLOSING},
    (S.CLOSING, inputs.BacklogExceeded): STAYS,
}

_DEADLINES: dict[tuple[State, type[Input]], frozenset[State]] = {
    (S.CONNECTING, inputs.DeadlinePassed): LOSES,
    (S.STARTING, inputs.DeadlinePassed): LOSES | {S.CONNECTING},  # elsewhere, at once
    (S.STREAMING, inputs.DeadlinePassed): LOSES | IS_SUCCEEDED,
    (S.ENDING, inputs.DeadlinePassed): LOSES,
    (S.WAITING, inputs.DeadlinePassed): WAKES,
    (S.SUSPENDED, inputs.DeadlinePassed): WAKES,
    (S.CLOSING, inputs.DeadlinePassed): STAYS,
}

TRANSITIONS: Mapping[tuple[State, type[Input]], frozenset[State]] = {
    **_CONNECTION,
    **_NOTICES,
    **_DELIVERIES,
    **_ALWAYS,
    **_DEADLINES,
}


def side_of(received: type[Input]) -> str:
    """Who is at fault when ``received`` comes at the wrong time."""
    return "upstream" if received.__module__ == upstream.__name__ else "local"


def require_allowed(state: State, received: type[Input]) -> frozenset[State]:
    """The other states that the input may lead to; ``TransitionError`` if it may not come."""
    try:
        return TRANSITIONS[state, received]
    except KeyError:
        raise TransitionError(side_of(received), state.value, received.__name__) from None
