"""The states of a stream, as its publisher sees them. Pure.

A stream is STARTING from the call of ``start`` until a worker accepts it, and takes audio at once.
Its end can be asked for at any time before it is over. ENDED and FAILED are final: what comes
later, such as an answer to a start that was sent twice, changes nothing. A stream may end without
being asked to: it was idle for too long. Admission of another start under the same id speaks in
epoch 0; once a stream is accepted, that does not concern it.
"""

from __future__ import annotations

from enum import Enum, auto

from speechmq_schemas import (
    Event,
    StreamAccepted,
    StreamEnded,
    StreamFailed,
    StreamResumed,
    StreamStarted,
    StreamWarning,
)

ADMISSION = 0
"""The epoch of what admission says: workers that own the stream count from 1."""

UNKNOWN_FIELD = "unknown_field"
"""A warning of admission that refuses nothing."""


class StreamState(Enum):
    STARTING = auto()
    OPEN = auto()
    ENDING = auto()
    ENDED = auto()
    FAILED = auto()


class StreamInput(Enum):
    ACCEPTED = auto()
    REFUSED = auto()
    END_ASKED = auto()
    END_HEARD = auto()
    FAILURE_HEARD = auto()


_S, _I = StreamState, StreamInput

TRANSITIONS: dict[tuple[StreamState, StreamInput], StreamState] = {
    (_S.STARTING, _I.ACCEPTED): _S.OPEN,
    (_S.STARTING, _I.REFUSED): _S.FAILED,
    (_S.STARTING, _I.END_ASKED): _S.ENDING,
    (_S.STARTING, _I.END_HEARD): _S.ENDED,
    (_S.STARTING, _I.FAILURE_HEARD): _S.FAILED,
    (_S.OPEN, _I.END_ASKED): _S.ENDING,
    (_S.OPEN, _I.END_HEARD): _S.ENDED,
    (_S.OPEN, _I.FAILURE_HEARD): _S.FAILED,
    (_S.ENDING, _I.REFUSED): _S.FAILED,
    (_S.ENDING, _I.END_HEARD): _S.ENDED,
    (_S.ENDING, _I.FAILURE_HEARD): _S.FAILED,
}
"""What is not listed leaves the state as it is."""

IS_OVER = frozenset({StreamState.ENDED, StreamState.FAILED})


def next_state(state: StreamState, heard: StreamInput) -> StreamState:
    return TRANSITIONS.get((state, heard), state)


def input_of(event: Event, epoch: int, *, is_accepted: bool) -> StreamInput | None:
    """What an event means to a publisher whose start ``is_accepted`` or not; None for nothing."""
    match event:
        case StreamAccepted() | StreamStarted() | StreamResumed():
            return StreamInput.ACCEPTED
        case StreamEnded():
            return StreamInput.END_HEARD
        case StreamFailed() if epoch != ADMISSION:
            return StreamInput.FAILURE_HEARD
        case StreamFailed() if not is_accepted:
            return StreamInput.REFUSED
        case StreamWarning(code=code) if epoch == ADMISSION and not is_accepted:
            return None if code == UNKNOWN_FIELD else StreamInput.REFUSED
    return None
