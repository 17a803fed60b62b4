"""WAV: samples behind a head, with nothing between them that would tell where one begins."""

from __future__ import annotations

import struct

from ..errors import UndecodableAudio
from .packets import Container, Head, Packet, Parsing
from .source import Source

_FORMAT = struct.Struct("<HHIIHH")
_EXTENSIBLE = 0xFFFE
# What a writer that cannot go back states for a length: sox 0x7FFFF000, others 0 or all ones.
_UNKNOWN_LENGTH = 0x7FFFF000
_CHUNKS_BEFORE_AUDIO = 1000
_LONGEST_PACKET = 8192

_CODECS = {
    (1, 8): "pcm_u8",
    (1, 16): "pcm_s16le",
    (1, 24): "pcm_s24le",
    (1, 32): "pcm_s32le",
    (3, 32): "pcm_f32le",
    (3, 64): "pcm_f64le",
    (6, 8): "pcm_alaw",
    (7, 8): "pcm_mulaw",
}


def read(source: Source) -> Parsing:
    yield from source.skip(12)
    head: Head | None = None
    for _ in range(_CHUNKS_BEFORE_AUDIO):
        header = yield from source.take(8)
        if len(header) < 8:
            raise UndecodableAudio("the WAV file ends before its audio begins")
        name, size = header[:4], int.from_bytes(header[4:], "little")
        if name == b"data":
            if head is None:
                raise UndecodableAudio("the WAV file does not say what its samples are")
            yield from _begin(source, head, size)
            return
        if name == b"fmt ":
            head = _head((yield from source.take(size + size % 2)))
        else:
            yield from source.skip(size + size % 2)
    raise UndecodableAudio(f"the WAV file has no audio in its first {_CHUNKS_BEFORE_AUDIO} chunks")


def _head(body: bytes) -> Head:
    if len(body) < _FORMAT.size:
        raise UndecodableAudio("the WAV file's format is cut short")
    code, channels, rate, _, block, bits = _FORMAT.unpack_from(body)
    if code == _EXTENSIBLE and len(body) >= 26:
        code = int.from_bytes(body[24:26], "little")
    codec = _CODECS.get((code, bits))
    if codec is None:
        raise UndecodableAudio(f"WAV files of format {code} with {bits} bits are not decoded")
    if not channels or block != channels * bits // 8:
        raise UndecodableAudio(f"the WAV file has {channels} channels in {block} bytes")
    return Head("wav", codec, rate, channels, block=block)


def _begin(source: Source, head: Head, size: int) -> Parsing:
    is_known = 0 < size < _UNKNOWN_LENGTH
    end = source.offset + size if is_known else None
    head = Head("wav", head.codec, head.sample_rate, head.channels, block=head.block, audio_end=end)
    source.here()
    yield head
    yield from resume(source, head, True)


def resume(source: Source, head: Head, _at_packet: bool) -> Parsing:
    """Every place is one to begin at, if the caller has seen to it that it is a sample's."""
    longest = _LONGEST_PACKET - _LONGEST_PACKET % head.block
    while True:
        source.here()
        left = longest if head.audio_end is None else head.audio_end - source.offset
        if left < head.block:
            yield from source.skip(2**63)
            return
        yield from source.peek(head.block)
        whole = min(source.available, longest, left)
        if whole < head.block:
            return
        start = source.offset
        yield Packet(start, (yield from source.take(whole - whole % head.block)))


WAV = Container("wav", read, resume)
