"""MPEG audio (MP1, MP2, MP3) and AAC in ADTS: frames one behind the other."""

from __future__ import annotations

import re

from .frames import Sync, read_frames
from .packets import Container, Head, Packet, Parsing
from .source import Source

_LAYERS = {3: "mp1", 2: "mp2", 1: "mp3"}
_RATES = (44_100, 48_000, 32_000)
_KILOBITS = {
    "mp1": (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    "mp2": (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    "mp3": (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    "mp1 low": (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    "low": (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_ADTS_RATES = (
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
)  # fmt: skip


def _mpeg_form(header: bytes) -> tuple[str, int, bool, int] | None:
    """Codec, sample rate, whether it is of the low rates (MPEG-2), and bytes of the frame."""
    if header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, codec = header[1] >> 3 & 3, _LAYERS.get(header[1] >> 1 & 3)
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or codec is None or rate == 3 or not 0 < bitrate < 15:
        return None
    is_low = version != 3
    sample_rate = _RATES[rate] >> (0 if not is_low else 1 if version == 2 else 2)
    table = codec if not is_low else "mp1 low" if codec == "mp1" else "low"
    bits = _KILOBITS[table][bitrate - 1] * 1000
    if codec == "mp1":
        return codec, sample_rate, is_low, (12 * bits // sample_rate + padding) * 4
    slots = 72 if is_low and codec == "mp3" else 144
    return codec, sample_rate, is_low, slots * bits // sample_rate + padding


def _mpeg_length(header: bytes) -> int | None:
    form = _mpeg_form(header)
    return None if form is None else form[3]


def _mpeg_kind(header: bytes) -> bytes:
    return bytes((header[1] & 0xFE, header[2] & 0x0C))


_MPEG = Sync(re.compile(rb"\xff[\xe2-\xff][\x10-\xef]"), 4, _mpeg_length, _mpeg_kind)


def _is_mono(header: bytes) -> bool:
    return header[3] >> 6 == 3


def _encoder_delay(frame: bytes, is_low: bool) -> int | None:
    """Of a first frame that holds no sound but says how the file was made; else nothing.

    What is behind ``Info`` may be left out, and the delay with it.
    """
    mono = _is_mono(frame)
    at = 4 + ((9 if mono else 17) if is_low else (17 if mono else 32))
    if frame[at : at + 4] not in (b"Xing", b"Info"):
        return None
    maker = frame[at + 120 : at + 124]
    if maker not in (b"LAME", b"Lavf", b"Lavc") or len(frame) < at + 144:
        return 0
    delay = frame[at + 141] << 4 | frame[at + 142] >> 4
    return delay + 529  # and that of every decoder


def read_mpeg(source: Source) -> Parsing:
    head: Head | None = None
    for parsed in read_frames(source, _MPEG, is_synced=False):
        if isinstance(parsed, Packet) and head is None:
            form = _mpeg_form(parsed.payload)
            assert form is not None  # noqa: S101  # it was measured by the same
            codec, rate, is_low, _ = form
            delay = _encoder_delay(parsed.payload, is_low) if codec == "mp3" else None
            channels = 1 if _is_mono(parsed.payload) else 2
            head = Head("mp3", codec, rate, channels, priming=delay or 0)
            yield head
            if delay is not None:
                source.here()
                continue
        yield parsed


def resume_mpeg(source: Source, _head: Head, at_packet: bool) -> Parsing:
    yield from read_frames(source, _MPEG, is_synced=at_packet)


def _adts_length(header: bytes) -> int | None:
    if header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or header[2] >> 2 & 15 >= len(_ADTS_RATES):
        return None
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else None


def _adts_kind(header: bytes) -> bytes:
    return bytes((header[1] & 0xFE, header[2] & 0xFD, header[3] & 0xC0))


_ADTS = Sync(re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"), 7, _adts_length, _adts_kind)


def read_adts(source: Source) -> Parsing:
    head: Head | None = None
    for parsed in read_frames(source, _ADTS, is_synced=False):
        if isinstance(parsed, Packet) and head is None:
            header = parsed.payload
            channels = (header[2] & 1) << 2 | header[3] >> 6
            head = Head("aac", "aac", _ADTS_RATES[header[2] >> 2 & 15], channels)
            yield head
        yield parsed


def resume_adts(source: Source, _head: Head, at_packet: bool) -> Parsing:
    yield from read_frames(source, _ADTS, is_synced=at_packet)


MP3 = Container("mp3", read_mpeg, resume_mpeg)
AAC = Container("aac", read_adts, resume_adts)
