"""The code of one block: a number <-> 200 ms of samples.

A block is 160 half-bits of equal length, spread over all of its samples. The sign of a
half-bit carries data; its level, a quarter or a half of full scale, carries the place in
the block. A block of silence is zeros.

======  =====================================================================
halves  signs
======  =====================================================================
0-7     preamble ``++++----``: no run this long occurs in what follows
8-159   76 bits in Manchester code (1 is ``+-``, 0 is ``-+``): 11 of flags,
        all zero in this version; 32 of the number; 32 of CRC-32 over flags
        and number; a last 1, so that every block ends below zero
======  =====================================================================

The levels are a maximum-length sequence, in which no eight neighbours (10 ms) occur twice.
A reader compares every sample with what the block must hold: a sample that is missing or
added moves an edge, and a piece of 10 ms or more in the wrong place has the wrong levels.
"""

import zlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from speechmq_emulator import audio

Symbols = NDArray[np.int8]
"""Samples or half-bits as sign times level: -2, -1, 0 (silence), 1, 2."""

SILENCE = None
BLOCKS_PER_SECOND = 5
MAX_NUMBER = 2**32 - 1
HALVES = 160
LEVEL = 0.25
"""What a symbol of 1 is, of full scale."""

_NUMBER_BITS = 32


def _levels() -> Symbols:
    """1 or 2 for each half-bit, by the shift register x^8 + x^6 + x^5 + x^4 + 1."""
    register, levels = 1, []
    for _ in range(HALVES):
        levels.append(1 + (register & 1))
        feedback = (register ^ register >> 2 ^ register >> 3 ^ register >> 4) & 1
        register = register >> 1 | feedback << 7
    return np.array(levels, np.int8)


LEVELS: Symbols = _levels()
PREAMBLE: Symbols = LEVELS[:8] * np.array([1, 1, 1, 1, -1, -1, -1, -1], np.int8)


def block_length(sample_rate: int) -> int:
    """Samples of one block: 200 ms, less a part of a sample where the rate is no multiple of 5."""
    return sample_rate // BLOCKS_PER_SECOND


@lru_cache(maxsize=64)
def half_of_sample(length: int) -> NDArray[np.intp]:
    """The half-bit of each sample: half k has the samples [k*n//160, (k+1)*n//160)."""
    borders = np.arange(1, HALVES) * length // HALVES
    return np.searchsorted(borders, np.arange(length), side="right")


@lru_cache(maxsize=64)
def first_samples(length: int) -> NDArray[np.intp]:
    """The first sample of each half-bit."""
    return np.arange(HALVES) * length // HALVES


def encode(
    numbers: Iterable[int | None], *, sample_rate: int = 16000, encoding: str = "pcm_s16le"
) -> bytes:
    """Ledger audio, one block a number; None gives a block of silence.

    Raises:
        ValueError: a number is not in 0..2**32-1, the rate is not in 8000..48000 Hz, or
            the encoding is none of ``pcm_s16le``, ``pcm_f32le``, ``mulaw``.
    """
    if not 8000 <= sample_rate <= 48000:
        raise ValueError(f"sample_rate {sample_rate} is not within 8000 and 48000 Hz")
    halves = [_halves(number) for number in numbers]
    index = half_of_sample(block_length(sample_rate))
    symbols = np.stack(halves)[:, index].ravel() if halves else np.zeros(0, np.int8)
    return audio.encode((symbols * LEVEL).astype(np.float32), encoding)


def _halves(number: int | None) -> Symbols:
    if number is None:
        return np.zeros(HALVES, np.int8)
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"number {number} is not within 0 and {MAX_NUMBER}")
    word = ((number << 32 | _checksum(number)) << 1) | 1
    bits = np.unpackbits(np.frombuffer(word.to_bytes(10, "big"), np.uint8))[4:]
    signs = bits.astype(np.int8) * 2 - 1
    data = np.stack([signs, -signs], axis=1).ravel() * LEVELS[len(PREAMBLE) :]
    return np.concatenate([PREAMBLE, data]).astype(np.int8)


def symbols_of(samples: audio.Samples) -> Symbols:
    """Each sample as the nearest symbol; what is quieter than half a level is silence."""
    magnitude = np.abs(samples)
    levels = (magnitude > LEVEL / 2).view(np.int8) + (magnitude > LEVEL * 1.5).view(np.int8)
    return np.where(samples < 0, -levels, levels)


def read_block(symbols: Symbols) -> int | None:
    """The number that a block's worth of symbols holds; None unless every sample agrees."""
    halves = symbols[first_samples(len(symbols))]
    if not np.array_equal(halves[: len(PREAMBLE)], PREAMBLE):
        return None
    if not np.array_equal(np.abs(halves), LEVELS):
        return None
    if not np.array_equal(halves[half_of_sample(len(symbols))], symbols):
        return None
    return _number(halves[len(PREAMBLE) :] > 0)


def _number(above: NDArray[np.bool_]) -> int | None:
    bits = above[0::2]
    if np.any(bits == above[1::2]):
        return None
    packed = np.packbits(np.concatenate([np.zeros(4, bool), bits])).tobytes()
    word = int.from_bytes(packed, "big")
    flags_and_number, checksum = word >> 33, word >> 1 & 0xFFFFFFFF
    if not word & 1 or checksum != _checksum(flags_and_number):
        return None
    return flags_and_number & ((1 << _NUMBER_BITS) - 1)


def _checksum(flags_and_number: int) -> int:
    return zlib.crc32(flags_and_number.to_bytes(6, "big"))
