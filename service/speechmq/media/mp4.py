"""MP4 in fragments: an index in front, then pieces with an index of their own.

A file whose one index is behind its audio cannot be decoded before it is whole; one whose index is
in front can, but not from its middle on without all of that index.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from ..errors import UndecodableAudio
from .packets import Container, Head, Packet, Parsing
from .source import Source, Waiting

_CURE = "write it in fragments (ffmpeg -movflags frag_keyframe+empty_moov)"
_LONGEST_GARBAGE = 256 * 1024
_LARGEST_INDEX = 64 * 1024
_MOST_BOXES = 500
_MOST_SAMPLES = 20_000
_ESCAPE = 1
_BASE, _DESCRIPTION, _DURATION, _SIZE = 0x1, 0x2, 0x8, 0x10
_RUN_OFFSET, _RUN_FLAGS, _RUN_DURATION, _RUN_SIZE, _RUN_SAMPLE_FLAGS, _RUN_TIME = (
    0x1,
    0x4,
    0x100,
    0x200,
    0x400,
    0x800,
)


def _boxes(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > len(body):
            return
        size, name = int.from_bytes(body[at : at + 4], "big"), body[at + 4 : at + 8]
        head = 8
        if size == _ESCAPE:
            size, head = int.from_bytes(body[at + 8 : at + 16], "big"), 16
        if size < head:
            size = len(body) - at
        yield name, body[at + head : at + size]
        at += size


def _inside(body: bytes, *path: bytes) -> bytes:
    """The body of the first box at ``path``; empty where there is none."""
    for name in path:
        body = next((inner for found, inner in _boxes(body) if found == name), b"")
    return body


def _header(source: Source) -> Waiting[tuple[bytes, int, int] | None]:
    """Name, size and size of the header of the next box; a size of 0 goes to the end."""
    seen = yield from source.peek(8)
    if len(seen) < 8:
        return None
    size, name = int.from_bytes(seen[:4], "big"), seen[4:8]
    if size != _ESCAPE:
        return name, size, 8
    seen = yield from source.peek(16)
    return (name, int.from_bytes(seen[8:], "big"), 16) if len(seen) == 16 else None


def read(source: Source) -> Parsing:
    while True:
        header = yield from _header(source)
        if header is None:
            raise UndecodableAudio("the MP4 file ends before its audio begins")
        name, size, _ = header
        if name == b"mdat":
            raise UndecodableAudio(f"the MP4 file has its index behind its audio; {_CURE}")
        if size < 8:
            raise UndecodableAudio("the MP4 file is damaged")
        if name == b"moov":
            head = _find_track((yield from source.take(size))[8:])
            break
        yield from source.skip(size)
    source.here()
    yield head
    yield from resume(source, head, True)


def _find_track(index: bytes) -> Head:
    for name, track in _boxes(index):
        if name == b"trak" and _inside(track, b"mdia", b"hdlr")[8:12] == b"soun":
            if not _inside(index, b"mvex"):
                raise UndecodableAudio(f"the MP4 file is not in fragments; {_CURE}")
            return _head_of(index, track)
    raise UndecodableAudio("there is no audio in the MP4 file")


def _head_of(index: bytes, track: bytes) -> Head:
    number = _number_of(_inside(track, b"tkhd"))
    described = _inside(track, b"mdia", b"minf", b"stbl", b"stsd")[8:]
    kind, entry = next(_boxes(described), (b"", b""))
    rate = int.from_bytes(entry[24:26], "big")
    channels = int.from_bytes(entry[16:18], "big")
    codec, extradata = _codec(kind, entry[28:])
    priming = _priming(track) or _opus_priming(kind, entry[28:])
    size = _default_size(index, number)
    return Head("mp4", codec, rate, channels, extradata, priming, track=number, sample_size=size)


def _number_of(header: bytes) -> int:
    at = 20 if header[:1] == b"\1" else 12
    return int.from_bytes(header[at : at + 4], "big")


def _codec(kind: bytes, boxes: bytes) -> tuple[str, bytes]:
    match kind:
        case b"mp4a":
            return "aac", _specific(_inside(boxes, b"esds")[4:])
        case b"Opus":
            told = _inside(boxes, b"dOps")
            if len(told) >= 11:
                gain = struct.pack("<H", int.from_bytes(told[8:10], "big"))
                rate = struct.pack("<I", int.from_bytes(told[4:8], "big"))
                return "libopus", b"OpusHead\1" + told[1:2] + b"\0\0" + rate + gain + told[10:]
        case b"fLaC":
            return "flac", _inside(boxes, b"dfLa")[8:42]
        case b"alac":
            return "alac", b"\0\0\0\x24alac" + _inside(boxes, b"alac")
    raise UndecodableAudio(f"audio of the kind {kind.decode('latin-1')!r} is not decoded")


def _specific(descriptors: bytes) -> bytes:
    """What the codec has to know, three descriptors deep."""
    at = 0
    for tag, skipped in ((3, 3), (4, 13), (5, 0)):
        if descriptors[at : at + 1] != bytes([tag]):
            break
        at += 1
        size = 0
        while at < len(descriptors):
            byte = descriptors[at]
            size, at = size << 7 | byte & 0x7F, at + 1
            if not byte & 0x80:
                break
        if tag == 5:
            return descriptors[at : at + size]
        at += skipped
    raise UndecodableAudio("the MP4 file does not describe its AAC")


def _priming(track: bytes) -> int:
    """Where the sound begins, by the first edit that is not empty."""
    edits = _inside(track, b"edts", b"elst")
    form = struct.Struct(">QqI" if edits[:1] == b"\1" else ">IiI")
    for at in range(8, len(edits) - form.size + 1, form.size):
        begins = int(form.unpack_from(edits, at)[1])
        if begins >= 0:
            return min(begins, 48_000)
    return 0


def _opus_priming(kind: bytes, boxes: bytes) -> int:
    return int.from_bytes(_inside(boxes, b"dOps")[2:4], "big") if kind == b"Opus" else 0


def _default_size(index: bytes, track: int) -> int:
    for name, defaults in _boxes(_inside(index, b"mvex")):
        if name == b"trex" and int.from_bytes(defaults[4:8], "big") == track:
            return int.from_bytes(defaults[16:20], "big")
    return 0


def resume(source: Source, head: Head, at_packet: bool) -> Parsing:
    """A fragment begins with its index; a parser can begin again only there."""
    is_synced = at_packet
    start, samples = source.offset, list[_Sample]()
    while is_synced or (yield from _find_fragment(source)):
        header = yield from _header(source)
        if header is None:
            return
        name, size, length = header
        is_synced = name.isascii() and (size >= length or (name == b"mdat" and not size))
        if name == b"moof" and is_synced:
            start = source.offset
            index = (yield from source.take(size, _LARGEST_INDEX))[length:]
            samples = list(islice(_samples(index, head, start), _MOST_SAMPLES))
        elif is_synced:
            end = source.offset + size if size else 2**62
            if name == b"mdat":
                yield from _read_samples(source, start, samples, end)
            yield from source.skip(end - source.offset)
        if name != b"moof":
            source.here()


def _find_fragment(source: Source) -> Waiting[bool]:
    garbage = 0
    while True:
        at = source.find(b"moof")
        if at >= 4:
            source.discard(at - 4)
            return True
        size = at + 1 if at >= 0 else max(0, source.available - 7)
        source.discard(size)
        garbage += size
        if garbage > _LONGEST_GARBAGE:
            raise UndecodableAudio(f"there is no fragment in {garbage} bytes of the MP4 file")
        if source.has_ended:
            return False
        yield


@dataclass(frozen=True, slots=True)
class _Sample:
    offset: int
    size: int


def _samples(index: bytes, head: Head, start: int) -> Iterator[_Sample]:
    for name, track in _boxes(index):
        told = _inside(track, b"tfhd") if name == b"traf" else b""
        if len(told) < 8 or int.from_bytes(told[4:8], "big") != head.track:
            continue
        flags = int.from_bytes(told[1:4], "big")
        at, base, size = 8, start, head.sample_size
        if flags & _BASE:
            base, at = int.from_bytes(told[at : at + 8], "big"), at + 8
        at += 4 * bool(flags & _DESCRIPTION) + 4 * bool(flags & _DURATION)
        if flags & _SIZE:
            size = int.from_bytes(told[at : at + 4], "big")
        next_offset = base
        for kind, run in _boxes(track):
            if kind == b"trun":
                for sample in _run(run, base, next_offset, size):
                    yield sample
                    next_offset = sample.offset + sample.size


def _run(run: bytes, base: int, offset: int, size: int) -> Iterator[_Sample]:
    flags, count = int.from_bytes(run[1:4], "big"), int.from_bytes(run[4:8], "big")
    at = 8
    if flags & _RUN_OFFSET:
        offset, at = base + struct.unpack_from(">i", run.ljust(at + 4, b"\0"), at)[0], at + 4
    at += 4 * bool(flags & _RUN_FLAGS)
    fields = [
        one for one in (_RUN_DURATION, _RUN_SIZE, _RUN_SAMPLE_FLAGS, _RUN_TIME) if flags & one
    ]
    size_at = 4 * fields.index(_RUN_SIZE) if _RUN_SIZE in fields else None
    for n in range(count):
        entry = at + n * 4 * len(fields)
        if entry + 4 * len(fields) > len(run):
            return
        if size_at is not None:
            size = int.from_bytes(run[entry + size_at : entry + size_at + 4], "big")
        yield _Sample(offset, size)
        offset += size


def _read_samples(source: Source, start: int, samples: list[_Sample], end: int) -> Parsing:
    for sample in samples:
        if sample.size and source.offset <= sample.offset <= end - sample.size:
            yield from source.skip(sample.offset - source.offset)
            payload = yield from source.take(sample.size)
            if len(payload) == sample.size:
                yield Packet(start, payload)


MP4 = Container("mp4", read, resume)
