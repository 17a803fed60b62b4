"""WebM and Matroska: elements that each say what they are and how long, so that those which hold
the audio are found without a look at those around them."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from ..errors import UndecodableAudio
from .ogg import opus_head
from .packets import Container, Head, Packet, Parsing
from .source import Source, Waiting

_SEGMENT, _CLUSTER, _TRACKS = 0x18538067, 0x1F43B675, 0x1654AE6B
_BLOCK_GROUP, _SIMPLE_BLOCK, _BLOCK = 0xA0, 0xA3, 0xA1
_TRACK, _NUMBER, _TYPE, _CODEC, _PRIVATE = 0xAE, 0xD7, 0x83, 0x86, 0x63A2
_AUDIO, _RATE, _CHANNELS, _BITS, _ENCODINGS = 0xE1, 0xB5, 0x9F, 0x6264, 0x6D80
_ENTERED = (_SEGMENT, _CLUSTER, _BLOCK_GROUP)
_IN_CLUSTER = (_SIMPLE_BLOCK, _BLOCK_GROUP, _CLUSTER, 0xE7, 0xA7, 0xAB, 0xEC)
# Whatever else may lie in a segment or a cluster; anything not named here is damage.
_PASSED_OVER = (
    *(0xE7, 0xA7, 0xAB, 0xEC, 0xBF, 0x9B, 0xFB, 0xFA, 0xFD, 0xA4, 0x75A1, 0x75A2, 0x8E, 0x5854),
    *(0x1C53BB6B, 0x1254C367, 0x114D9B74, 0x1549A966, 0x1043A770, 0x1941A469, 0x1A45DFA3, _TRACKS),
)
_AUDIO_TYPE = 2
_LONGEST_BLOCK = 256 * 1024
_LONGEST_GARBAGE = 256 * 1024
_LARGEST_INDEX = 64 * 1024
_MOST_ELEMENTS = 2000
_BLOCK_BEGINS = re.compile(b"[\xa0\xa3\x1f]")
_CODECS = {
    "A_VORBIS": "vorbis",
    "A_FLAC": "flac",
    "A_AAC": "aac",
    "A_MPEG/L3": "mp3",
    "A_PCM/INT/LIT": "pcm_s16le",
    "A_PCM/FLOAT/IEEE": "pcm_f32le",
}


def _width(first: int) -> int:
    """Bytes of a number by its first one; 9 for what is none."""
    return 9 - first.bit_length()


def _id(seen: bytes, at: int = 0) -> tuple[int, int]:
    width = _width(seen[at])
    return int.from_bytes(seen[at : at + width], "big"), width


def _size(seen: bytes, at: int) -> tuple[int | None, int]:
    """Nothing for a size that is not known."""
    width = _width(seen[at])
    value = int.from_bytes(seen[at : at + width], "big") & ((1 << 7 * width) - 1)
    return (None if value == (1 << 7 * width) - 1 else value), width


def _elements(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _ in range(_MOST_ELEMENTS):
        if at >= len(body):
            return
        name, width = _id(body, at)
        at += width
        if width > 4 or at >= len(body):
            return
        size, width = _size(body, at)
        at += width
        end = len(body) if size is None else at + size
        yield name, body[at:end]
        at = end


def _header(source: Source) -> Waiting[tuple[int, int | None, int] | None]:
    """The next element's name, size, and the length of both; nothing at the end."""
    seen = yield from source.peek(12)
    if len(seen) < 2:
        return None
    name, width = _id(seen)
    if width > 4 or width >= len(seen):
        return 0, 0, 0
    size, more = _size(seen, width)
    return (0, 0, 0) if more > 8 else (name, size, width + more)


def read(source: Source) -> Parsing:
    head: Head | None = None
    while head is None:
        header = yield from _header(source)
        if header is None:
            raise UndecodableAudio("the WebM or Matroska file ends before its audio begins")
        name, size, length = header
        if not length or name == _CLUSTER or (size is None and name not in _ENTERED):
            raise UndecodableAudio("the WebM or Matroska file does not tell of its tracks")
        yield from source.skip(length)
        if name == _TRACKS:
            head = _find_track((yield from source.take(size or 0, _LARGEST_INDEX)))
        elif name not in _ENTERED:
            yield from source.skip(size or 0)
    source.here()
    yield head
    yield from resume(source, head, True)


def _find_track(body: bytes) -> Head:
    for name, entry in _elements(body):
        fields = dict(_elements(entry)) if name == _TRACK else {}
        if int.from_bytes(fields.get(_TYPE, b""), "big") == _AUDIO_TYPE:
            return _head_of(fields)
    raise UndecodableAudio("there is no audio in the WebM or Matroska file")


def _head_of(fields: dict[int, bytes]) -> Head:
    if _ENCODINGS in fields:
        raise UndecodableAudio("the Matroska file's audio is compressed or encrypted once more")
    audio = dict(_elements(fields.get(_AUDIO, b"")))
    name = fields.get(_CODEC, b"").rstrip(b"\0").decode("ascii", "replace")
    track = int.from_bytes(fields.get(_NUMBER, b""), "big")
    private = fields.get(_PRIVATE, b"")
    if name == "A_OPUS":
        return opus_head(private, "webm", track)
    codec = _CODECS.get(name.removesuffix("/LC") if name.startswith("A_AAC") else name)
    bits = int.from_bytes(audio.get(_BITS, b"\x10"), "big")
    if codec is None or (codec.startswith("pcm") and bits != {"i": 16, "f": 32}.get(codec[4], 16)):
        raise UndecodableAudio(f"audio of the kind {name!r} is not decoded")
    rate, channels = (
        _float(audio.get(_RATE, b"")),
        int.from_bytes(audio.get(_CHANNELS, b"\1"), "big"),
    )
    if codec == "flac":
        private = private[8:42] if private.startswith(b"fLaC") else private
    return Head("webm", codec, round(rate), channels, extradata=private, track=track)


def _float(coded: bytes) -> float:
    if len(coded) not in (4, 8):
        return 8000.0
    value: float = struct.unpack(">f" if len(coded) == 4 else ">d", coded)[0]
    return value if 0 < value < 1e6 else 8000.0


def resume(source: Source, head: Head, at_packet: bool) -> Parsing:
    is_synced = at_packet
    while True:
        if not is_synced and not (yield from _find_block(source, head.track)):
            return
        header = yield from _header(source)
        if header is None:
            return
        name, size, length = header
        is_block = name in (_SIMPLE_BLOCK, _BLOCK)
        is_synced = name in _ENTERED or (
            size is not None and (size <= _LONGEST_BLOCK if is_block else name in _PASSED_OVER)
        )
        if not is_synced:
            source.discard(1)
            continue
        start = source.offset
        if name in _ENTERED:
            yield from source.skip(length)
        elif not is_block:
            yield from source.skip(length + (size or 0))
        else:
            whole = yield from source.take(length + (size or 0))
            for frame in _frames_of(whole[length:], head.track):
                yield Packet(start, frame)
        source.here()


def _find_block(source: Source, track: int) -> Waiting[bool]:
    """Behind a loss: where an element begins that another follows, and this one a third."""
    garbage = 0
    while True:
        at, is_enough = 0, True
        for _ in range(3):
            seen = source.seen(at, 16)
            if len(seen) < 16:
                is_enough = False
                break
            name, width = _id(seen)
            size, more = _size(seen, width) if width < 5 else (None, 9)
            if name not in _IN_CLUSTER or more > 8 or (size or 0) > _LONGEST_BLOCK:
                break
            if name == _SIMPLE_BLOCK and seen[width + more] != 0x80 | track:
                break
            at += width + more + (0 if name in _ENTERED else size or 0)
        else:
            return True
        if is_enough:
            at = source.search(_BLOCK_BEGINS, 1)
            size = source.available if at < 0 else at
            source.discard(size)
            garbage += size
            if garbage > _LONGEST_GARBAGE:
                raise UndecodableAudio(f"there is no audio in {garbage} bytes of the WebM file")
        elif source.has_ended:
            return False
        else:
            yield


def _frames_of(block: bytes, track: int) -> list[bytes]:
    """A block has a frame, or several laced together; those of other tracks are passed over."""
    if len(block) < 5:
        return []
    number, width = _size(block, 0)
    if number != track:
        return []
    lacing, body = block[width + 2] >> 1 & 3, block[width + 3 :]
    if not lacing:
        return [body]
    count, at = body[0] + 1, 1
    if lacing == 2:
        size = (len(body) - 1) // count
        return [body[1 + n * size : 1 + (n + 1) * size] for n in range(count)]
    sizes, at = _xiph_sizes(body, count) if lacing == 1 else _ebml_sizes(body, count)
    frames = []
    for size in sizes:
        frames.append(body[at : at + size])
        at += size
    return [*frames, body[at:]]


def _xiph_sizes(body: bytes, count: int) -> tuple[list[int], int]:
    sizes, at = [], 1
    for _ in range(count - 1):
        size = 0
        while at < len(body) and body[at] == 255:
            size, at = size + 255, at + 1
        sizes.append(size + (body[at] if at < len(body) else 0))
        at += 1
    return sizes, at


def _ebml_sizes(body: bytes, count: int) -> tuple[list[int], int]:
    sizes: list[int] = []
    at = 1
    for n in range(count - 1):
        if at >= len(body):
            break
        value, width = _size(body, at)
        bias = (1 << 7 * width - 1) - 1 if n else 0
        sizes.append(max(0, (value or 0) - bias + (sizes[-1] if n else 0)))
        at += width
    return sizes, at


WEBM = Container("webm", read, resume)
