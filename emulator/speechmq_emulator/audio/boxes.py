"""MP4 as it streams: whether its index (``moov``) comes before its audio (``mdat``).

With the index behind the audio nothing can be decoded before the file is whole.
"""

import struct

from speechmq_emulator.audio.bytesource import Scan

_BOX = struct.Struct(">I4s")
_LARGE_BOX = struct.Struct(">Q")
_TO_THE_END = 0
_LARGE = 1


def audio_comes_before_index(scan: Scan) -> bool:
    """Reads up to the index or the audio, whichever comes first."""
    while len(header := scan.take(_BOX.size)) == _BOX.size:
        size, kind = _BOX.unpack(header)
        if kind in (b"moov", b"moof", b"mdat"):
            return bool(kind == b"mdat")
        body = _body(scan, size)
        if body is None or len(scan.take(body)) < body:
            break
    return False


def _body(scan: Scan, size: int) -> int | None:
    """The bytes of a box behind its header; None for a box that is none."""
    header = _BOX.size
    if size == _LARGE:
        large = scan.take(_LARGE_BOX.size)
        if len(large) < _LARGE_BOX.size:
            return None
        size, header = _LARGE_BOX.unpack(large)[0], header + _LARGE_BOX.size
    return size - header if size != _TO_THE_END and size >= header else None
