"""Where reading can begin in mid-file: libav finds the next MP3 frame and Ogg page by itself, but
not an ADTS or AMR frame, a WebM block within its cluster, or an MP4 fragment."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

Find = Callable[[bytes, bool], tuple[int, bool]]
"""Where in the bytes to begin, and true; or up to where there is no place, and false. The flag says
that no more bytes follow."""

_IN_CHAIN = 3
# A part that would be longer is none.
_LONGEST_CHAIN = 64 * 1024
_LONGEST_HEADER = 12

_MPEG = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef]")
_MPEG_RATES = (44_100, 48_000, 32_000)
_KILOBITS = {
    (True, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_ADTS = re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")
_AMR = re.compile(rb"[\x00-\x7f]")
_ELEMENT = re.compile(b"[\xa0\xa3\x1f]")
_SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK = b"\xa3", b"\xa0", b"\xa1"
_CLUSTER = b"\x1f\x43\xb6\x75"
_AMR_SIZES = {
    "amr_nb": (12, 13, 15, 17, 19, 20, 26, 31, 5),
    "amr_wb": (17, 23, 32, 36, 40, 46, 50, 58, 60, 5),
}


def _find_chain(
    begins: re.Pattern[bytes], measure: Callable[[bytes, int], int], seen: bytes, is_last: bool
) -> tuple[int, bool]:
    """The first of several parts that each begin where the one before ends."""
    undecided = len(seen)
    for found in begins.finditer(seen):
        start = at = found.start()
        for number in range(_IN_CHAIN):
            if len(seen) - at < _LONGEST_HEADER:
                if is_last and number and at >= len(seen):
                    return start, True
                if at - start < _LONGEST_CHAIN:
                    undecided = min(undecided, start)
                break
            size = measure(seen, at)
            if not size:
                break
            at += size
        else:
            return start, True
    return undecided, False


def _adts_size(seen: bytes, at: int) -> int:
    header = seen[at : at + 6]
    if not _ADTS.match(header) or header[2] >> 2 & 15 > 12:
        return 0
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return size if size > 7 else 0


def _mpeg_size(seen: bytes, at: int) -> int:
    """Of MPEG-1, and of MPEG-2 and 2.5 with their lower rates; layers count down from 3."""
    header = seen[at : at + 3]
    if not _MPEG.match(header) or header[2] & 12 == 12:
        return 0
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    rate = _MPEG_RATES[header[2] >> 2 & 3] >> (0, 1, 2)[(3, 2, 0).index(version)]
    bits = _KILOBITS[version == 3, layer][(header[2] >> 4) - 1] * 1000
    padding = header[2] >> 1 & 1
    if layer == 3:
        return (12 * bits // rate + padding) * 4
    return (72 if version != 3 and layer == 1 else 144) * bits // rate + padding


def _amr_size(sizes: tuple[int, ...], seen: bytes, at: int) -> int:
    mode = seen[at] >> 3 & 15
    if seen[at] & 0x83 or mode >= len(sizes):
        return 1 if seen[at] == 0x7C else 0  # a frame without data
    return 1 + sizes[mode]


def element_size(seen: bytes, at: int) -> tuple[int, int]:
    """Body and header of the EBML element with the name of one byte at ``at``; 0 for neither."""
    if not seen[at + 1]:
        return 0, 0
    width = 9 - seen[at + 1].bit_length()
    size = int.from_bytes(seen[at + 1 : at + 1 + width], "big") & ((1 << 7 * width) - 1)
    return size, 1 + width


def _webm_size(seen: bytes, at: int) -> int:
    if seen[at : at + 1] not in (_SIMPLE_BLOCK, _BLOCK_GROUP):
        return 0
    size, header = element_size(seen, at)
    begins_well = seen[at] == _BLOCK_GROUP[0] or seen[at + header : at + header + 1] >= b"\x81"
    return header + size if header and size > 4 and begins_well else 0


def find_adts(seen: bytes, is_last: bool) -> tuple[int, bool]:
    return _find_chain(_ADTS, _adts_size, seen, is_last)


def find_mpeg(seen: bytes, is_last: bool) -> tuple[int, bool]:
    return _find_chain(_MPEG, _mpeg_size, seen, is_last)


def find_amr(codec: str) -> Find:
    return partial(_find_chain, _AMR, partial(_amr_size, _AMR_SIZES[codec]))


def find_block(seen: bytes, is_last: bool) -> tuple[int, bool]:
    """A cluster, or a block among others."""
    cluster = seen.find(_CLUSTER)
    if cluster >= 0:
        block, is_found = _find_chain(_ELEMENT, _webm_size, seen[:cluster], is_last)
        return (block if is_found else cluster), True
    return _find_chain(_ELEMENT, _webm_size, seen, is_last)


def find_fragment(seen: bytes, is_last: bool) -> tuple[int, bool]:
    at = seen.find(b"moof", 4)
    return (at - 4, True) if at >= 0 else (len(seen) if is_last else max(0, len(seen) - 7), False)


def block_extent(seen: bytes, at: int, size: int) -> tuple[int, int] | None:
    """Begin and end of the element whose block of at least ``size`` bytes has its body at ``at``:
    the block itself, or the group that begins with it."""
    begin = _begin_of(seen, at, _SIMPLE_BLOCK + _BLOCK, size)
    if begin is not None and seen[begin] == _BLOCK[0]:
        begin = _begin_of(seen, begin, _BLOCK_GROUP, size)
    if begin is None:
        return None
    body, header = element_size(seen, begin)
    return begin, begin + header + body


def _begin_of(seen: bytes, at: int, names: bytes, size: int) -> int | None:
    for width in range(1, min(9, at)):
        begin = at - width - 1
        if seen[begin] in names:
            body, header = element_size(seen, begin)
            if header == width + 1 and body >= size:
                return begin
    return None
