"""A-law to linear samples (G.711).

Upstream takes no A-law. Its samples have 13 bits, so 16-bit PCM holds each of them as it is; mu-law
would round most of them anew. Each of the two bytes of a sample is a lookup of the whole chunk.
"""

from __future__ import annotations

_INVERTED = 0x55  # every other bit of a code is sent inverted
_SIGN, _SEGMENT, _STEP = 0x80, 0x70, 0x0F


def _linear(code: int) -> int:
    code ^= _INVERTED
    segment, step = (code & _SEGMENT) >> 4, (code & _STEP) << 4
    size = (step + 0x108) << (segment - 1) if segment else step + 8
    return size if code & _SIGN else -size


_LOW = bytes(_linear(code) & 0xFF for code in range(256))
_HIGH = bytes(_linear(code) >> 8 & 0xFF for code in range(256))


def pcm_of_alaw(audio: bytes) -> bytes:
    """As ``pcm_s16le``, two bytes for each."""
    linear = bytearray(2 * len(audio))
    linear[::2] = audio.translate(_LOW)
    linear[1::2] = audio.translate(_HIGH)
    return bytes(linear)
