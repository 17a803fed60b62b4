"""AMR, narrow and wide: frames whose first byte says how long they are."""

from __future__ import annotations

from ..errors import UndecodableAudio
from .packets import Container, Head, Packet, Parsing
from .source import Source

_NARROW, _WIDE = b"#!AMR\n", b"#!AMR-WB\n"
_SIZES = {
    "amrnb": (12, 13, 15, 17, 19, 20, 26, 31, 5, 0, 0, 0, 0, 0, 0, 0),
    "amrwb": (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0),
}


def read(source: Source) -> Parsing:
    magic = yield from source.peek(len(_WIDE))
    is_wide = magic == _WIDE
    if not magic.startswith(_NARROW) and not is_wide:
        raise UndecodableAudio("AMR files of several channels are not decoded")
    yield from source.skip(len(_WIDE if is_wide else _NARROW))
    head = Head("amr", "amrwb" if is_wide else "amrnb", 16_000 if is_wide else 8_000, 1)
    source.here()
    yield head
    yield from resume(source, head, True)


def resume(source: Source, head: Head, _at_packet: bool) -> Parsing:
    """Two bits of each first byte are always 0, which is all that there is to find one by."""
    sizes = _SIZES[head.codec]
    while first := (yield from source.peek(1)):
        if first[0] & 0x83:
            source.discard(1)
            continue
        start = source.offset
        size = 1 + sizes[first[0] >> 3 & 15]
        frame = yield from source.take(size)
        source.here()
        if len(frame) == size:
            yield Packet(start, frame)


AMR = Container("amr", read, resume)
