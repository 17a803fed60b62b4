"""Makes the AMQP client survive properties that it cannot read, or only at a great cost.

AMQP carries any 64 bits as a timestamp and any bytes as a short string. pamqp raises on some of
them, and aiormq then drops the connection: one such message would cost every worker its connection,
one after another. What cannot be read is replaced, so that the message can be dead-lettered.

pamqp copies the rest of a table for each of its fields: headers of a whole frame, 128 KiB, that
hold the smallest fields there are would stop all streams of a worker for 0.2 s a message. Here a
table is read once, and only so far.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pamqp import decode

UNREADABLE = (ValueError, OverflowError, LookupError)
UNREADABLE_TIME = datetime.fromtimestamp(0, UTC)
# What a message may have in its headers, however nested: far more than anybody needs.
MAX_PARTS = 1000
MAX_DEPTH = 16
# Kinds of fields that begin with their length, in four bytes; no other is longer than eight bytes.
SIZED = (b"S", b"x", b"F", b"A")
LONGEST_FIXED = 8


def install() -> None:
    """Replaces the decoders of this process; to be called once, before any connection."""
    decode.METHODS["shortstr"] = short_string
    decode.METHODS["timestamp"] = timestamp
    decode.METHODS["table"] = table
    decode.TABLE_MAPPING[b"T"] = timestamp
    # It has a line of log for each long name in a header, and a stranger can send any number.
    logging.getLogger("pamqp").setLevel(logging.ERROR)


def short_string(value: bytes) -> tuple[int, str]:
    """Never longer than it was: what is copied to the dead letters has to fit 255 bytes again."""
    end = value[0] + 1
    try:
        return end, value[1:end].decode("utf-8")
    except UnicodeDecodeError:
        return end, value[1:end].decode("utf-8", "replace").replace("\ufffd", "?")


def timestamp(value: bytes) -> tuple[int, datetime]:
    """A time that no calendar has becomes the first second of 1970."""
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError, OSError):
        return 8, UNREADABLE_TIME


def table(value: bytes) -> tuple[int, dict[str, Any]]:
    """A table with a part that cannot be read counts as empty, and so does one of too many."""
    end = _end(value, 0)
    try:
        return end, _Reading().table(value[:end], 0)
    except _TooManyParts:
        return end, {}


def _end(value: bytes, at: int) -> int:
    """Of what begins with its length."""
    return at + 4 + int.from_bytes(value[at : at + 4], "big")


class _TooManyParts(Exception):
    """Of one table, with all that is nested in it."""


class _Reading:
    """Reads one table, and counts its parts."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_PARTS

    def table(self, value: bytes, depth: int) -> dict[str, Any]:
        try:
            return dict(self._fields(value, depth))
        except UNREADABLE:
            return {}

    def array(self, value: bytes, depth: int) -> list[Any]:
        try:
            return list(self._parts(value, depth))
        except UNREADABLE:
            return []

    def _fields(self, value: bytes, depth: int) -> Iterator[tuple[str, Any]]:
        at = 4
        while at < len(value):
            begin = at + 1 + value[at]
            name = value[at + 1 : begin].decode("utf-8")
            at, part = self._part(value, begin, depth)
            yield name, part

    def _parts(self, value: bytes, depth: int) -> Iterator[Any]:
        at = 4
        while at < len(value):
            at, part = self._part(value, at, depth)
            yield part

    def _part(self, value: bytes, at: int, depth: int) -> tuple[int, Any]:
        """Where the next one begins, and this one."""
        if not self._left:
            raise _TooManyParts
        self._left -= 1
        kind, begin = value[at : at + 1], at + 1
        if kind not in SIZED:
            consumed, part = decode.TABLE_MAPPING[kind](value[begin : begin + LONGEST_FIXED])
            return _within(value, begin + consumed), part
        end = _within(value, _end(value, begin))
        return end, self._sized(kind, value[begin:end], depth + 1)

    def _sized(self, kind: bytes, value: bytes, depth: int) -> Any:
        if kind in (b"F", b"A") and depth >= MAX_DEPTH:
            raise ValueError("nested too deep")
        match kind:
            case b"F":
                return self.table(value, depth)
            case b"A":
                return self.array(value, depth)
            case _:
                return decode.TABLE_MAPPING[kind](value)[1]


def _within(value: bytes, end: int) -> int:
    if end > len(value):
        raise ValueError("a part is longer than what holds it")
    return end
