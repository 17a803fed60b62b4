"""The code of one block: a number <-> 200 ms of samples.

A block is 160 half-bits of equal length, spread over all of its samples. The sign of a
half-bit carries data; its level, a quarter or a half of full scale, carries the place in
the block. A block of silence is zeros.

======  =====================================================================
halves  signs
======  =====================================================================
0-7     preamble ``++++----``: no run this long occurs in what follows
8-159   76 bits in Manchester code (1 is ``+-``, 0 is ``-+``): 11 of flags
        (``spoken``), 32 of the number; 32 of CRC-32 over flags and number;
        a last 1, so that every block ends below zero
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
from speechmq_emulator.ledger.spoken import MAX_NUMBER, Spoken

Symbols = NDArray[np.int8]
"""Samples or half-bits as sign times level: -2, -1, 0 (silence), 1, 2."""

SILENCE = None
BLOCKS_PER_SECOND = 5
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
def first_samples(length: int) -> NDArray[np.intp]:
    """The first sample of each half-bit: half k has the samples [k*n//160, (k+1)*n//160)."""
    return np.arange(HALVES) * length // HALVES


@lru_cache(maxsize=64)
def _half_lengths(length: int) -> NDArray[np.intp]:
    return np.diff(first_samples(length), append=length)


def encode(
    numbers: Iterable[int | Spoken | None],
    *,
    sample_rate: int = 16000,
    encoding: str = "pcm_s16le",
) -> bytes:
    """Ledger audio, one block a number; None gives a block of silence.

    A number alone is a plain word of the first voice; ``Spoken`` says more.

    Raises:
        ValueError: a number is not in 0..2**32-1, the rate is not in 8000..48000 Hz, or
            the encoding is none of ``pcm_s16le``, ``pcm_f32le``, ``mulaw``.
    """
    if not 8000 <= sample_rate <= 48000:
        raise ValueError(f"sample_rate {sample_rate} is not within 8000 and 48000 Hz")
    halves = [_halves(number) for number in numbers]
    length = block_length(sample_rate)
    blocks = [_symbols(half, length) for half in halves]
    symbols = np.concatenate(blocks) if blocks else np.zeros(0, np.int8)
    return audio.encode((symbols * LEVEL).astype(np.float32), encoding)


def _halves(said: int | Spoken | None) -> Symbols:
    if said is None:
        return np.zeros(HALVES, np.int8)
    spoken = Spoken(said) if isinstance(said, int) else said
    flags_and_number = spoken.flags << _NUMBER_BITS | spoken.number
    word = (flags_and_number << 32 | _checksum(flags_and_number)) << 1 | 1
    bits = np.unpackbits(np.frombuffer(word.to_bytes(10, "big"), np.uint8))[4:]
    return _halves_of(bits.astype(np.bool_))


def _halves_of(bits: NDArray[np.bool_]) -> Symbols:
    """All half-bits of the block that has these 76 bits."""
    halves = LEVELS.copy()
    halves[: len(PREAMBLE)] = PREAMBLE
    signs = bits.view(np.int8) * np.int8(2) - np.int8(1)
    halves[len(PREAMBLE) :: 2] *= signs
    halves[len(PREAMBLE) + 1 :: 2] *= -signs
    return halves


def _symbols(halves: Symbols, length: int) -> Symbols:
    return np.repeat(halves, _half_lengths(length))


def symbols_of(samples: audio.Samples) -> Symbols:
    """Each sample as the nearest symbol; what is louder than any is none of them."""
    levels = samples * np.float32(1 / LEVEL)
    symbols: Symbols = np.rint(levels, out=levels).astype(np.int8)
    return symbols


def read_block(symbols: Symbols) -> tuple[int, int] | None:
    """Number and flags in a block's worth of symbols; None unless every sample agrees."""
    above = symbols[first_samples(len(symbols))][len(PREAMBLE) :: 2] > 0
    expected = _symbols(_halves_of(above), len(symbols))
    # Bytes compare far faster than arrays this small.
    if expected.tobytes() != symbols.tobytes():
        return None
    word = int.from_bytes(np.packbits(above).tobytes(), "big") >> 4
    flags_and_number, checksum = word >> 33, word >> 1 & 0xFFFFFFFF
    if not word & 1 or checksum != _checksum(flags_and_number):
        return None
    return flags_and_number & MAX_NUMBER, flags_and_number >> _NUMBER_BITS


def _checksum(flags_and_number: int) -> int:
    return zlib.crc32(flags_and_number.to_bytes(6, "big"))
