"""Makes the AMQP client survive properties that it cannot read.

AMQP carries any 64 bits as a timestamp and any bytes as a short string. pamqp raises on some of
them, and aiormq then drops the connection: one such message would cost every worker its connection,
one after another. What cannot be read is replaced, so that the message can be dead-lettered.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pamqp import decode

Decoder = Callable[[bytes], tuple[int, Any]]

# Nesting that exhausts the stack is as unreadable as a wrong byte.
UNREADABLE = (ValueError, OverflowError, RecursionError)
UNREADABLE_TIME = datetime.fromtimestamp(0, UTC)


def install() -> None:
    """Replaces the decoders of this process; to be called once, before any connection."""
    decode.METHODS["shortstr"] = short_string
    decode.METHODS["timestamp"] = timestamp
    decode.METHODS["table"] = table
    decode.TABLE_MAPPING[b"T"] = timestamp
    decode.TABLE_MAPPING[b"F"] = table
    decode.TABLE_MAPPING[b"A"] = array


def short_string(value: bytes) -> tuple[int, str]:
    end = value[0] + 1
    return end, value[1:end].decode("utf-8", "replace")


def timestamp(value: bytes) -> tuple[int, datetime]:
    """A time that no calendar has becomes the first second of 1970."""
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError, OSError):
        return 8, UNREADABLE_TIME


def table(value: bytes) -> tuple[int, dict[str, Any]]:
    """A table with a part that cannot be read counts as empty."""
    try:
        consumed, fields = decode.field_table(value)
    except UNREADABLE:
        return 4 + int.from_bytes(value[:4], "big"), {}
    return consumed, dict(fields)


def array(value: bytes) -> tuple[int, list[Any]]:
    """An array with a part that cannot be read counts as empty."""
    try:
        consumed, parts = decode.field_array(value)
    except UNREADABLE:
        return 4 + int.from_bytes(value[:4], "big"), []
    return consumed, list(parts)
