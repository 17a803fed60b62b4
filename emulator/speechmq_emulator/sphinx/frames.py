"""The frames between the server and a session's worker process: a kind, a length, a payload.

To the worker: one ``CONFIG``, then the commands of ``engine.EngineStream``, then ``END``.
From the worker: ``READY``, ``TAKEN`` for each chunk, ``EVENT`` with a report, ``DONE`` at
last. Both ends are the same program, so a frame that does not fit is a bug and not an input.
"""

from enum import IntEnum
from struct import Struct
from types import UnionType
from typing import Any, get_args

from pydantic import TypeAdapter

from speechmq_emulator.speech.events import Failed, Heard

HEADER = Struct("!BI")


class Kind(IntEnum):
    CONFIG = 1
    AUDIO = 2
    END = 3
    TAKEN = 4
    EVENT = 5
    DONE = 6
    READY = 7
    END_UTTERANCE = 8
    CONFIGURE = 9
    TELL_SPEAKERS = 10


def frame(kind: Kind, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind, len(payload)) + payload


def _members(union: UnionType) -> tuple[type, ...]:
    return get_args(union)


_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    kind.__name__: TypeAdapter(kind) for kind in (*_members(Heard), Failed)
}


def dump_event(event: Heard | Failed) -> bytes:
    """The event's name, a line's end, its fields as JSON."""
    name = type(event).__name__
    return name.encode() + b"\n" + _ADAPTERS[name].dump_json(event)


def load_event(payload: bytes) -> Heard | Failed:
    name, _, fields = payload.partition(b"\n")
    event: Heard | Failed = _ADAPTERS[name.decode()].validate_json(fields)
    return event


def dump_time(at: float | None) -> bytes:
    return b"" if at is None else repr(at).encode()


def load_time(payload: bytes) -> float | None:
    return float(payload) if payload else None
