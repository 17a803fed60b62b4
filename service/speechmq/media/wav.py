"""WAV: samples after a head, with nothing between them that would tell where one begins.

Read here and not by libav: a demuxer would put a thread and 64 KiB of delay before samples that
need no search, and one that begins in mid-file does not know where a sample does.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ..errors import UndecodableAudio
from .packets import Head, Packet, Parsing
from .source import Source, Waiting

_FORMAT = struct.Struct("<HHIIHH")
_EXTENSIBLE = 0xFFFE
# What a writer that cannot go back states for a length: sox 0x7FFFF000, others 0 or all ones.
_UNKNOWN_LENGTH = 0x7FFFF000
_CHUNKS_BEFORE_AUDIO = 1000
_LONGEST_PACKET = 8192

_CODECS = {
    (1, 1): "pcm_u8",
    (1, 2): "pcm_s16le",
    (1, 3): "pcm_s24le",
    (1, 4): "pcm_s32le",
    (3, 4): "pcm_f32le",
    (3, 8): "pcm_f64le",
    (6, 1): "pcm_alaw",
    (7, 1): "pcm_mulaw",
}


@dataclass(frozen=True, slots=True)
class Form:
    """``size`` is how many bytes of samples follow; nothing where the file does not know."""

    codec: str
    sample_rate: int
    channels: int
    block: int
    size: int | None


def read_form(source: Source) -> Waiting[Form]:
    """The head of a WAV or RF64 file; leaves ``source`` at the first sample.

    Raises ``UndecodableAudio``.
    """
    magic = yield from source.take(12)
    described: tuple[str, int, int, int] | None = None
    long_size = 0
    for _ in range(_CHUNKS_BEFORE_AUDIO):
        header = yield from source.take(8)
        if len(header) < 8:
            raise UndecodableAudio("the WAV file ends before its audio begins")
        name, size = header[:4], int.from_bytes(header[4:], "little")
        if name == b"data":
            if described is None:
                raise UndecodableAudio("the WAV file does not say what its samples are")
            is_long = not magic.startswith(b"RIFF") and size == 0xFFFFFFFF
            return Form(*described, _known(long_size) if is_long else _known32(size))
        if name == b"fmt ":
            described = _describe((yield from source.take(size + size % 2)))
        elif name == b"ds64":
            long_size = int.from_bytes((yield from source.take(size))[8:16], "little")
        else:
            yield from source.skip(size + size % 2)
    raise UndecodableAudio(f"the WAV file has no audio in its first {_CHUNKS_BEFORE_AUDIO} chunks")


def _known(size: int) -> int | None:
    return size if 0 < size < 2**62 else None


def _known32(size: int) -> int | None:
    return size if 0 < size < _UNKNOWN_LENGTH else None


def _describe(body: bytes) -> tuple[str, int, int, int]:
    if len(body) < _FORMAT.size:
        raise UndecodableAudio("the WAV file's format is cut short")
    code, channels, rate, _, block, bits = _FORMAT.unpack_from(body)
    if code == _EXTENSIBLE and len(body) >= 26:
        code = int.from_bytes(body[24:26], "little")
    # Samples may have fewer bits than their bytes hold; some writers leave the block out.
    width = block // channels if channels and block else (bits + 7) // 8
    codec = _CODECS.get((code, width))
    if codec is None:
        raise UndecodableAudio(f"WAV files of format {code} with {bits} bits are not decoded")
    if not channels or width * 8 < bits or (block and block % channels):
        raise UndecodableAudio(f"the WAV file has {channels} channels in {block} bytes")
    return codec, rate, channels, width * channels


def read(source: Source) -> Parsing:
    form = yield from read_form(source)
    head = Head("wav", form.codec, form.sample_rate, form.channels, block=form.block)
    end = None if form.size is None else source.offset + form.size
    source.here()
    yield head
    yield from resume(source, head, end)


def resume(source: Source, head: Head, end: int | None) -> Parsing:
    """Every place is one to begin at, if the caller has seen to it that it is a sample's."""
    longest = _LONGEST_PACKET - _LONGEST_PACKET % head.block
    while True:
        source.here()
        left = longest if end is None else end - source.offset
        if left < head.block:
            yield from source.skip(2**63)
            return
        yield from source.peek(head.block)
        whole = min(source.available, longest, left)
        if whole < head.block:
            return
        start = source.offset
        payload = yield from source.take(whole - whole % head.block)
        yield Packet(start, payload, audio_end=end)
