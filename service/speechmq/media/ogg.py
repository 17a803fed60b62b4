"""Ogg: pages that hold packets of one or more streams; Opus, Vorbis, FLAC and Speex in them.

A page may begin in the midst of a packet. Whoever begins to read there passes over the rest of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UndecodableAudio
from .flac import head_of
from .packets import Container, Head, Packet, Parsing
from .source import Source, Waiting

_CAPTURE = b"OggS"
_CONTINUED, _FIRST = 1, 2
_LONGEST_GARBAGE = 256 * 1024
_LARGEST_PACKET = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    start: int
    flags: int
    serial: int
    segments: bytes
    body: bytes


def _read_page(source: Source) -> Waiting[Page | None]:
    """The next page, behind what is none; nothing at the end."""
    garbage = 0
    while True:
        header = yield from source.peek(27)
        if len(header) < 27:
            return None
        if header.startswith(_CAPTURE) and header[4] == 0:
            whole = yield from _peek_page(source, header[26])
            if whole is None:
                return None
            page, size = whole
            yield from source.skip(size)
            return page
        at = source.find(_CAPTURE, 1)
        size = max(1, source.available - 3) if at < 0 else at
        source.discard(size)
        garbage += size
        if garbage > _LONGEST_GARBAGE:
            raise UndecodableAudio(f"there is no Ogg page in {garbage} bytes of it")


def _peek_page(source: Source, count: int) -> Waiting[tuple[Page, int] | None]:
    header = yield from source.peek(27 + count)
    segments = header[27:]
    size = 27 + count + sum(segments)
    whole = yield from source.peek(size)
    if len(whole) < size:
        return None
    serial = int.from_bytes(header[14:18], "little")
    return Page(source.offset, header[5], serial, segments, whole[27 + count :]), size


def _packets(page: Page) -> tuple[list[bytes], bytes | None]:
    """The packets that end in the page, and what it has of one that does not."""
    packets, at, size = [], 0, 0
    for lace in page.segments:
        size += lace
        if lace < 255:
            packets.append(page.body[at : at + size])
            at, size = at + size, 0
    is_cut = bool(page.segments) and page.segments[-1] == 255
    return packets, page.body[at:] if is_cut else None


class _Assembly:
    """Packets of one stream; ``start`` is the page in which the unfinished one began."""

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self._begun: bytes | None = None
        self._start = 0

    @property
    def start(self) -> int | None:
        return None if self._begun is None else self._start

    def add(self, page: Page) -> list[Packet]:
        packets, rest = _packets(page)
        complete = [Packet(page.start, payload) for payload in packets]
        if page.flags & _CONTINUED:
            complete = self._join(complete, rest)
            if not packets:
                return []
        if rest is not None:
            self._begun, self._start = rest, page.start
        else:
            self._begun = None
        return complete

    def _join(self, complete: list[Packet], rest: bytes | None) -> list[Packet]:
        """What a page before began; unknown is what came before the first page read."""
        if not complete:
            if self._begun is not None:
                self._begun += rest or b""
                if len(self._begun) > _LARGEST_PACKET:
                    raise UndecodableAudio("a packet in the Ogg file has no end")
            return []
        first, *others = complete
        if self._begun is None:
            return others
        return [Packet(self._start, self._begun + first.payload), *others]


def read(source: Source) -> Parsing:
    """Files one behind the other, as radio stations send them, are read as one."""
    yield from _read_on(source, _Stream())


def resume(source: Source, head: Head, _at_packet: bool) -> Parsing:
    yield from _read_on(source, _Stream(_Assembly(head.track)))


class _Stream:
    """The one stream of the file that is heard; ``headers`` are its packets before the audio, as
    far as they have been read, and nothing when they all have been."""

    def __init__(self, assembly: _Assembly | None = None) -> None:
        self.assembly = assembly
        self.headers: list[bytes] | None = None if assembly else []

    def add(self, page: Page) -> list[Packet]:
        if page.flags & _FIRST and not self.headers:
            packets, _ = _packets(page)
            if packets and _headers_of(packets[0]):
                self.assembly, self.headers = _Assembly(page.serial), []
        if self.assembly is None:
            if not page.flags & _FIRST:
                raise UndecodableAudio("there is no Opus, Vorbis, FLAC or Speex in the Ogg file")
            return []
        return self.assembly.add(page) if page.serial == self.assembly.serial else []

    def read(self, packet: Packet) -> Head | Packet | None:
        if self.headers is None or self.assembly is None:
            return packet
        self.headers.append(packet.payload)
        if len(self.headers) < _headers_of(self.headers[0]):
            return None
        headers, self.headers = self.headers, None
        return _head(headers, self.assembly.serial)


def _read_on(source: Source, stream: _Stream) -> Parsing:
    while (page := (yield from _read_page(source))) is not None:
        for packet in stream.add(page):
            read = stream.read(packet)
            if read is not None:
                yield read
        if stream.headers is None and stream.assembly is not None:
            begun = stream.assembly.start
            source.mark = source.offset if begun is None else begun


def _headers_of(first: bytes) -> int:
    """How many packets tell of the stream before its audio; 0 for one that is not decoded here."""
    if first.startswith(b"OpusHead"):
        return 2
    if first.startswith(b"\x01vorbis"):
        return 3
    if first.startswith(b"\x7fFLAC") and len(first) >= 51:
        return 1 + int.from_bytes(first[7:9], "big")
    return 2 if first.startswith(b"Speex   ") and len(first) >= 80 else 0


def _head(headers: list[bytes], serial: int) -> Head:
    first = headers[0]
    if first.startswith(b"OpusHead"):
        return opus_head(first, "ogg", serial)
    if first.startswith(b"\x01vorbis"):
        rate = int.from_bytes(first[12:16], "little")
        return Head("ogg", "vorbis", rate, first[11], extradata=_laced(headers), track=serial)
    if first.startswith(b"\x7fFLAC"):
        head = head_of(first[17:51], "ogg")
        return Head("ogg", "flac", head.sample_rate, head.channels, first[17:51], track=serial)
    rate, channels = (int.from_bytes(first[at : at + 4], "little") for at in (36, 48))
    return Head("ogg", "speex", rate, channels, extradata=first, track=serial)


def opus_head(first: bytes, container: str, track: int) -> Head:
    """The decoder is not told of the priming: it would drop as much wherever it begins."""
    if len(first) < 19:
        raise UndecodableAudio("the head of the Opus stream is cut short")
    priming = int.from_bytes(first[10:12], "little")
    extradata = first[:10] + b"\0\0" + first[12:]
    return Head(container, "libopus", 48_000, first[9], extradata, priming=priming, track=track)


def _laced(headers: list[bytes]) -> bytes:
    """The three headers of Vorbis as the codec wants them."""
    sizes = b""
    for header in headers[:2]:
        sizes += b"\xff" * (len(header) // 255) + bytes([len(header) % 255])
    return b"\x02" + sizes + b"".join(headers)


OGG = Container("ogg", read, resume)
