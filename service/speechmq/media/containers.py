"""The kinds of files, and how each is read: from its first byte, and on from its middle."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UndecodableAudio
from . import flac, resync, wav
from .boxes import Boxes
from .demuxer import Demuxed, Demuxer, Track
from .packets import Head, Packet, Parsing, Pause
from .source import Source, Waiting

KNOWN = "WAV, MP3, AAC (ADTS), Ogg, WebM or Matroska, FLAC, AMR, and MP4 in fragments"

# In so many bytes of frames without a container there has to be one.
_LONGEST_GARBAGE = 256 * 1024
# And in so many of any file, where pictures may be large.
_LONGEST_SILENT = 32 * 1024 * 1024
# A successor is handed all that comes before the first packet.
_LARGEST_OPENING = 4 * 1024 * 1024
_WINDOW = 256 * 1024
# The heads of a block and of the group around it are shorter.
_BEFORE_BLOCK = 32

_DECODERS = {"opus": "libopus", "amr_nb": "amrnb", "amr_wb": "amrwb"}


@dataclass(frozen=True, slots=True)
class Container:
    """A kind of file that libav's demuxer ``format`` reads.

    ``is_framed``: frames without a container, where a gap between two is no audio. ``has_clock``:
    the file says when a packet is heard.
    """

    name: str
    title: str
    format: str
    codecs: frozenset[str]
    is_framed: bool = False
    has_clock: bool = False


MP3 = Container("mp3", "MP3", "mp3", frozenset({"mp1", "mp2", "mp3"}), is_framed=True)
AAC = Container("aac", "AAC", "aac", frozenset({"aac"}), is_framed=True)
AMR = Container("amr", "AMR", "amr", frozenset({"amr_nb", "amr_wb"}), is_framed=True)
OGG = Container("ogg", "Ogg", "ogg", frozenset({"opus", "vorbis", "flac", "speex"}), has_clock=True)
WEBM = Container(
    "webm",
    "WebM or Matroska",
    "matroska",
    frozenset({"opus", "vorbis", "aac", "flac", "mp3", "pcm_s16le", "pcm_s24le", "pcm_f32le"}),
    has_clock=True,
)
MP4 = Container("mp4", "MP4", "mov", frozenset({"aac", "opus", "flac", "alac"}), has_clock=True)
TAGGED = frozenset({MP3.name, AAC.name})
_BY_NAME = {one.name: one for one in (MP3, AAC, AMR, OGG, WEBM, MP4)}


# -- one file, from its beginning or its middle ----------------------------------------------------


def read(source: Source, container: Container) -> Parsing:
    """From the file's first byte."""
    reader = _Reader(source, container)
    yield from reader.read()
    if reader.head is not None and not source.has_ended:
        yield from _go_on(source, container, reader)


def read_samples(source: Source, form: str) -> Parsing:
    yield from wav.read(source) if form == "wav" else flac.read(source)


def resume(
    source: Source, head: Head, clock: int, audio_end: int | None, *, is_at_packet: bool
) -> Parsing:
    """On from a packet's start; from anywhere else the next place to begin has to be found.

    ``clock`` and ``audio_end`` are those of the nearest packet that is known.
    """
    if head.container == "wav":
        yield from wav.resume(source, head, audio_end)
    elif head.container == "flac":
        yield from flac.resume(source, head)
    else:
        container = _BY_NAME[head.container]
        reader = _Reader(source, container, head, clock)
        if is_at_packet:
            yield from reader.read()
        yield from _go_on(source, container, reader)


def _go_on(source: Source, container: Container, reader: _Reader) -> Parsing:
    """Behind a loss, or where a demuxer gave up: as often as there is more."""
    assert reader.head is not None  # noqa: S101  # before it is known, an error is final
    find = _finder(container, reader.head)
    while not source.has_ended:
        if find is not None and not (yield from seek(source, find)):
            return
        reader = reader.successor()
        yield from reader.read()


def _finder(container: Container, head: Head) -> resync.Find | None:
    if container is AMR:
        return resync.find_amr("amr_wb" if head.codec == "amrwb" else "amr_nb")
    finders = {"aac": resync.find_adts, "webm": resync.find_block, "mp4": resync.find_fragment}
    return finders.get(container.name)


def seek(source: Source, find: resync.Find) -> Waiting[bool]:
    """Passes over what is before the next place to begin; whether there is one."""
    garbage = 0
    while True:
        at, is_found = find(source.seen(0, source.available), source.has_ended)
        source.discard(at)
        garbage += at
        if is_found or source.has_ended:
            return is_found
        if garbage > _LONGEST_GARBAGE:
            raise UndecodableAudio(f"there is no audio in {garbage} bytes of it")
        yield


class _Reader:
    """Hands the bytes of ``source`` to a demuxer. Without a ``head`` it makes one."""

    def __init__(
        self, source: Source, container: Container, head: Head | None = None, clock: int = 0
    ) -> None:
        self._source = source
        self._container = container
        self.head = head
        self._clock = clock
        self._is_new = head is None
        opening = _opening(head, clock) if head else b""
        self._demuxer = Demuxer(container.format, opening)
        self._origin = source.offset - len(opening)
        self._window, self._window_at = bytearray(), source.offset
        self._end = self._start = source.offset
        self._boxes: Boxes | None = None
        if container is MP4:
            self._boxes = Boxes(source.offset, has_index=head is not None)
        self._is_broken = False
        self._track: Track | None = None
        self._next_time: int | None = None

    def read(self) -> Parsing:
        source = self._source
        try:
            while True:
                is_last = source.has_ended
                if source.available or is_last:
                    yield from self._feed(source.take_all(), is_last=is_last)
                if is_last:
                    return
                if self._demuxer.has_ended or self._is_broken:
                    break
                yield None
        finally:
            self._demuxer.close()
        self._note_silence()

    def successor(self) -> _Reader:
        """Begins at the next byte."""
        after = _Reader(self._source, self._container, self.head, self._clock)
        after._end = self._end
        after._next_time = self._next_time
        return after

    def _feed(self, encoded: bytes, *, is_last: bool) -> Parsing:
        if self._boxes is not None:
            good = self._boxes.feed(encoded)
            self._is_broken = good < len(encoded)
            self._source.put_back(encoded[good:])
            encoded, is_last = encoded[:good], is_last or self._is_broken
        self._window += encoded
        self._trim()
        try:
            for result in self._demuxer.feed(encoded, is_last=is_last):
                if isinstance(result, Pause):
                    yield result
                elif isinstance(result, Track):
                    self._track = self._checked(result)
                else:
                    yield from self._packet(result)
        except UndecodableAudio as error:
            if self.head is not None:
                return  # it is damaged from here on
            if is_last and self._track is None:
                title = self._container.title
                raise UndecodableAudio(f"the {title} file ends before its audio begins") from error
            raise
        self._note_silence()

    def _note_silence(self) -> None:
        silent = self._source.offset - self._end
        most = _LONGEST_GARBAGE if self._container.is_framed else _LONGEST_SILENT
        if silent > most:
            raise UndecodableAudio(f"there is no audio in {silent} bytes of it")

    def _checked(self, track: Track) -> Track:
        if track.codec not in self._container.codecs:
            raise UndecodableAudio(
                f"{self._container.title} files with audio of the kind {track.codec!r} "
                "are not decoded"
            )
        return track

    def _packet(self, found: Demuxed) -> Parsing:
        offset = self._end if found.offset < 0 else max(self._origin + found.offset, self._start)
        start, end, clock = self._place(offset, found)
        if self.head is None:
            self.head = self._make_head(start)
            yield self.head
        # The first frame of an MP3 file may be no sound but say how it was made; AMR has a magic.
        is_about_file = self._is_new and bytes(self._window[:1]) in (b"\xff", b"#")
        if self._container.is_framed and offset > self._end and not is_about_file:
            self._source.garbage += offset - self._end
        missing = 0
        if self._container.has_clock and found.time is not None:
            if self._next_time is not None and found.duration:
                missing = found.time - self._next_time
            self._next_time = found.time + found.duration if found.duration else None
        self._start, self._end, self._clock = start, end, clock
        self._source.mark = start if self._container in (OGG, MP4) else self._end
        is_gap = missing > max(found.duration * 3 // 4, self.head.sample_rate // 200)
        yield Packet(
            start,
            found.payload,
            missing if is_gap else 0,
            priming=found.skip if self._is_new else 0,
            time=found.time if self._container.has_clock else None,
            duration=found.duration,
            clock=clock,
        )
        self._is_new = False

    def _place(self, offset: int, found: Demuxed) -> tuple[int, int, int]:
        """Where a reader has to begin to find the packet again, where it ends, and the clock."""
        end = offset + len(found.payload)
        if self._boxes is not None:
            return self._boxes.fragment_of(offset), end, 0
        if self._container is not WEBM:
            return offset, end, 0
        at = offset - self._window_at
        low = max(0, at - _BEFORE_BLOCK)
        seen = bytes(self._window[low : at + 3])
        extent = resync.block_extent(seen, at - low, len(found.payload)) if at > 0 else None
        if extent is None:
            return self._start, end, self._clock
        # A block's time counts from that of its cluster.
        after = int.from_bytes(self._window[at + 1 : at + 3], "big", signed=True)
        start, end = (self._window_at + low + one for one in extent)
        return start, end, max(0, found.stamp - after)

    def _make_head(self, start: int) -> Head:
        track = self._track
        assert track is not None  # noqa: S101  # it comes before any packet
        if start - self._window_at > _LARGEST_OPENING:
            raise UndecodableAudio(
                f"the {self._container.title} file has {start - self._window_at} bytes before its "
                "audio. Remove its pictures: ffmpeg -i FILE -map 0:a -map_metadata -1 -c copy"
            )
        opening = b"" if self._container in (MP3, AAC) else self._opening_before(start)
        extradata = track.extradata
        if track.codec == "opus":
            # The decoder would pass over the priming wherever it begins.
            extradata = extradata[:10] + b"\0\0" + extradata[12:]
        return Head(
            self._container.name,
            _DECODERS.get(track.codec, track.codec),
            track.sample_rate,
            track.channels,
            extradata,
            opening,
        )

    def _opening_before(self, start: int) -> bytes:
        opening = bytes(self._window[: start - self._window_at])
        return opening[: opening.rfind(_CLUSTER)] if self._container is WEBM else opening

    def _trim(self) -> None:
        most = _WINDOW if self.head is not None else _LONGEST_SILENT
        passed = len(self._window) - most
        if passed > 0:
            del self._window[:passed]
            self._window_at += passed


_CLUSTER = b"\x1f\x43\xb6\x75"


def _opening(head: Head, clock: int) -> bytes:
    """What a demuxer reads before the bytes from a packet on: for a block a cluster around it,
    of a length that is not known."""
    if head.container != WEBM.name:
        return head.opening
    return head.opening + _CLUSTER + b"\x01" + b"\xff" * 7 + b"\xe7\x88" + clock.to_bytes(8, "big")
