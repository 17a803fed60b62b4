"""Audio without a container: frames that each begin with a mark and say how long they are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import UndecodableAudio
from .packets import Packet, Parsing
from .source import Source, Waiting

# In so many bytes there has to be a frame.
LONGEST_GARBAGE = 256 * 1024
_TAG_SIZE = 128


@dataclass(frozen=True, slots=True)
class Sync:
    """How frames are told from anything else.

    ``mark`` is how one may begin; ``measure`` gives the length of the frame with these first
    ``header`` bytes, or nothing if it is none; ``kind`` what must be the same in all frames of a
    file.
    """

    mark: re.Pattern[bytes]
    header: int
    measure: Callable[[bytes], int | None]
    kind: Callable[[bytes], bytes]


def read_frames(source: Source, sync: Sync, *, is_synced: bool) -> Parsing:
    """Each frame as a packet. A frame behind anything else counts when another follows it."""
    kind: bytes | None = None
    garbage = 0
    while True:
        source.here()
        header = yield from source.peek(sync.header)
        if len(header) < sync.header:
            source.discard(len(header))
            return
        length = sync.measure(header)
        is_frame = length is not None and kind in (None, sync.kind(header))
        if is_frame and not is_synced:
            is_frame = yield from _is_followed(source, sync, header, length or 0)
        if not is_frame:
            if (yield from _skip_tag(source, header)):
                continue
            garbage += _discard_to_mark(source, sync.mark)
            if garbage > LONGEST_GARBAGE:
                raise UndecodableAudio(f"there is no audio in {garbage} bytes of it")
            is_synced = False
            continue
        kind, is_synced, garbage = sync.kind(header), True, 0
        start = source.offset
        frame = yield from source.take(length or 0)
        if len(frame) == length:
            yield Packet(start, frame)


def _is_followed(source: Source, sync: Sync, header: bytes, length: int) -> Waiting[bool]:
    """Whether the next frame, or the end of the file, is where this one says."""
    both = yield from source.peek(length + sync.header)
    after = both[length:]
    if len(after) < sync.header:
        return len(both) >= length
    return sync.measure(after) is not None and sync.kind(after) == sync.kind(header)


def _discard_to_mark(source: Source, mark: re.Pattern[bytes]) -> int:
    at = source.search(mark, 1)
    size = max(1, source.available - 2) if at < 0 else at
    source.discard(size)
    return size


def _skip_tag(source: Source, header: bytes) -> Waiting[bool]:
    """Text about the recording, before or behind it; whether there was any."""
    if header.startswith(b"ID3"):
        yield from skip_id3(source)
    elif header.startswith(b"TAG"):
        yield from source.skip(_TAG_SIZE)
    else:
        return False
    source.here()
    return True


def skip_id3(source: Source) -> Waiting[None]:
    header = yield from source.take(10)
    size = 0
    for byte in header[6:]:
        size = size << 7 | byte & 0x7F
    yield from source.skip(size)
