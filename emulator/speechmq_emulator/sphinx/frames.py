"""The frames between the server and a session's worker process: a kind, a length, a payload.

To the worker: one ``CONFIG``, then ``AUDIO`` chunks, then ``END``. From the worker:
``READY``, ``TAKEN`` for each chunk, ``EVENT`` with a transcript, ``DONE`` at last. Both
ends are the same program, so a frame that does not fit is a bug and not an input.
"""

import json
from dataclasses import asdict
from enum import IntEnum
from struct import Struct
from typing import Any

from speechmq_emulator.speech.events import (
    Final,
    Mark,
    Partial,
    Result,
    Transcript,
    UtteranceEnded,
    Word,
)

HEADER = Struct("!BI")


class Kind(IntEnum):
    CONFIG = 1
    AUDIO = 2
    END = 3
    TAKEN = 4
    EVENT = 5
    DONE = 6
    READY = 7


def frame(kind: Kind, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind, len(payload)) + payload


def dump_event(event: Transcript) -> bytes:
    return json.dumps([type(event).__name__, asdict(event)]).encode()


def load_event(payload: bytes) -> Transcript:
    kind, fields = json.loads(payload)
    match kind:
        case "UtteranceEnded":
            return UtteranceEnded(**fields)
        case "Partial":
            return Partial(fields["start"], fields["end"], _results(fields))
        case _:
            return Final(fields["start"], fields["end"], _results(fields))


def _results(fields: dict[str, Any]) -> tuple[Result, ...]:
    return tuple(Mark(**r) if "at" in r else Word(**r) for r in fields["results"])
