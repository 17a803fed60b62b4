"""Audio that says when it was sent. Pure.

The first bytes of each chunk's samples hold a stamp (the clock that all processes of a machine
share, in nanoseconds) and the chunk's length, so that it is found again in whatever piece of audio
the chunk went upstream. Words carry a stamp in the other direction.
"""

import re
import struct
from collections.abc import Iterator

_HEAD = struct.Struct("<qI")
_STAMPED_WORD = re.compile(rb'"at(\d+)"')


def stamped(audio: bytes, now: int) -> bytes:
    return _HEAD.pack(now, len(audio)) + audio[_HEAD.size :]


def stamps(audio: bytes | memoryview) -> Iterator[int]:
    """Of every chunk in ``audio``, which begins with one."""
    at = 0
    while at < len(audio):
        stamp, length = _HEAD.unpack_from(audio, at)
        yield stamp
        at += length


def stamped_word(now: int) -> str:
    return f"at{now}"


def word_stamp(event: bytes) -> int | None:
    """Of the last word in an event's text, if it has one."""
    found = _STAMPED_WORD.findall(event)
    return int(found[-1]) if found else None
