"""What is wrong with deliveries, and the end after which all are wrong."""

from __future__ import annotations

from dataclasses import dataclass

from ..values.checkpoint import Gap
from ..values.inputs import Sequenced


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message that cannot be used; silence stands in the place of a chunk that had a length.

    ``had_its_turn``: it will not come again, and a successor must not wait for it.
    """

    tag: int
    code: str
    reason: str
    gap: Gap | None = None
    had_its_turn: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """``last_seq`` is the last message that counts; a successor begins with ``resume_seq``."""

    last_seq: int
    resume_seq: int


def after_end(delivery: Sequenced, end: End) -> Rejection:
    reason = f"message {delivery.seq} came behind the stream's end, message {end.last_seq}"
    return Rejection(delivery.tag, "after_end", reason)


def too_far(delivery: Sequenced, expected: int) -> Rejection:
    reason = f"message {delivery.seq} is too far ahead: {expected} is the next"
    return Rejection(delivery.tag, "seq_too_far", reason)
