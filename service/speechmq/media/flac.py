"""FLAC: frames that begin with a number and a checksum, and do not say how long they are.

Read here and not by libav: its parser holds ten frames back, up to 2.6 s of live speech, and states
wrong positions for the frames after a loss.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UndecodableAudio
from .packets import Head, Packet, Parsing
from .source import LARGEST, Source, Waiting

_STREAMINFO = 0
_LONGEST_HEADER = 16
_SMALLEST_FRAME = 9
_MOST_DAMAGED = 1000


def _table() -> bytes:
    """CRC-8 with the polynomial x^8 + x^2 + x + 1."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte << 1 ^ 0x07 if byte & 0x80 else byte << 1) & 0xFF  # noqa: PLW2901
        table.append(byte)
    return bytes(table)


_CRC8 = _table()


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """``number`` counts frames of one size, or samples where sizes differ; ``form`` is rate and
    size of the samples, which mostly stay the same."""

    is_variable: bool
    number: int
    samples: int
    form: tuple[int, int]

    def time(self, size: int) -> int:
        """The frame's first sample; ``size`` is that of all frames where these are counted."""
        return self.number if self.is_variable else self.number * size

    def precedes(self, other: FrameHeader) -> bool:
        """Whether ``other`` is the next, or a later one that follows on damage."""
        if other.is_variable != self.is_variable:
            return False
        step = self.samples if self.is_variable else 1
        is_next = other.number == self.number + step
        is_later = self.number < other.number <= self.number + step * _MOST_DAMAGED
        return is_next or (is_later and other.form == self.form)

    def missing_before(self, other: FrameHeader) -> int:
        """Samples of the frames that should lie between the two."""
        frames = other.number - self.number
        return max(0, frames - self.samples if self.is_variable else (frames - 1) * self.samples)


def frame_header(seen: bytes) -> FrameHeader | None:
    """What a frame's first bytes say, if they are a frame's."""
    if len(seen) < 6 or seen[0] != 0xFF or seen[1] & 0xFE != 0xF8:
        return None
    size, rate = seen[2] >> 4, seen[2] & 15
    if size == 0 or rate == 15 or seen[3] >> 4 > 10 or seen[3] & 1:
        return None
    width = _number_width(seen[4])
    size_at = 4 + width
    rate_at = size_at + {6: 1, 7: 2}.get(size, 0)
    end = rate_at + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if not width or len(seen) <= end or _crc8(seen[:end]) != seen[end]:
        return None
    samples = _samples(size, seen[size_at:rate_at])
    form = seen[2] & 15, seen[3] & 14
    return FrameHeader(bool(seen[1] & 1), _number(seen[4:size_at]), samples, form)


def _number_width(first: int) -> int:
    """Numbers are written like characters in UTF-8; 0 for what is none."""
    ones = 8 - (first ^ 0xFF).bit_length()
    return 1 if ones == 0 else ones if 2 <= ones <= 7 else 0


def _number(coded: bytes) -> int:
    number = coded[0] if len(coded) == 1 else coded[0] & (0x7F >> len(coded))
    for byte in coded[1:]:
        number = number << 6 | byte & 0x3F
    return number


def _samples(size: int, told: bytes) -> int:
    if told:
        return int.from_bytes(told, "big") + 1
    return 192 if size == 1 else 576 << size - 2 if size < 6 else 256 << size - 8


def _crc8(seen: bytes) -> int:
    crc = 0
    for byte in seen:
        crc = _CRC8[crc ^ byte]
    return crc


def read(source: Source) -> Parsing:
    yield from source.skip(4)
    info = b""
    is_last = False
    while not is_last:
        header = yield from source.take(4)
        if len(header) < 4:
            raise UndecodableAudio("the FLAC file ends before its audio begins")
        is_last, kind = bool(header[0] & 0x80), header[0] & 0x7F
        size = int.from_bytes(header[1:], "big")
        if kind == _STREAMINFO:
            info = yield from source.take(size)
        else:
            yield from source.skip(size)
    head = _head(info)
    source.here()
    yield head
    yield from resume(source, head)


def _head(info: bytes) -> Head:
    if len(info) != 34:
        raise UndecodableAudio("the FLAC file does not describe its stream")
    rate = int.from_bytes(info[10:13], "big") >> 4
    return Head("flac", "flac", rate, (info[12] >> 1 & 7) + 1, extradata=info)


def resume(source: Source, head: Head) -> Parsing:
    """A frame ends where one begins that has the next number."""
    longest = int.from_bytes(head.extradata[2:4], "big")
    missing = 0
    while True:
        source.here()
        header = yield from _find_frame(source)
        if header is None:
            return
        start = source.offset
        length = yield from _length(source, header)
        if length is None:  # never ended: it was none
            source.discard(1)
            continue
        frame = yield from source.take(length)
        source.here()
        yield Packet(start, frame, missing, time=header.time(longest), duration=header.samples)
        following = frame_header(source.seen(0, _LONGEST_HEADER))
        missing = header.missing_before(following) if following else 0


def _find_frame(source: Source) -> Waiting[FrameHeader | None]:
    while True:
        seen = yield from source.peek(_LONGEST_HEADER)
        header = frame_header(seen)
        if header is not None or len(seen) < 6:
            return header
        at = source.find(b"\xff", 1)
        source.discard(source.available if at < 0 else at)


def _length(source: Source, header: FrameHeader) -> Waiting[int | None]:
    at = _SMALLEST_FRAME
    while at < LARGEST:
        at = source.find(b"\xff", at)
        if at < 0 or source.available < at + _LONGEST_HEADER:
            if source.has_ended:
                return _length_at_end(source, header, at)
            at = at if at >= 0 else max(_SMALLEST_FRAME, source.available)
            yield
            continue
        following = frame_header(source.seen(at, _LONGEST_HEADER))
        if following is not None and header.precedes(following):
            return at
        at += 1
    return None


def _length_at_end(source: Source, header: FrameHeader, at: int) -> int:
    """No more than one short frame can be behind the last mark."""
    following = frame_header(source.seen(at, _LONGEST_HEADER)) if at >= 0 else None
    if following is not None and header.precedes(following):
        return at
    return source.available
