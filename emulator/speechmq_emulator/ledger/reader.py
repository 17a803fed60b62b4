"""Samples -> the blocks, silence, noise and fragments they are made of, in order, gapless.

Synchronises itself: behind a start in mid-block, or behind damaged sound, the next whole
block is found at its true position. What comes out does not depend on how the samples
were cut into chunks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from speechmq_emulator.audio import SampleReader, Samples
from speechmq_emulator.ledger.codec import (
    PREAMBLE,
    Symbols,
    block_length,
    first_samples,
    read_block,
    symbols_of,
)


@dataclass(frozen=True, slots=True)
class Block:
    """A number that was read; ``start`` and ``end`` are positions in samples.

    ``flags`` tell how it was said (``spoken.Spoken``).
    """

    number: int
    start: int
    end: int
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Silence:
    """Zeros, a block's length at most."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Noise:
    """Sound that is no undamaged block, a block's length at most."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """The part of a block that the stream began or ended within."""

    start: int
    end: int


_PREAMBLE_BYTES = PREAMBLE.tobytes()
Span = Block | Silence | Noise | Fragment
_S = TypeVar("_S", Silence, Noise, Fragment)


class BlockReader:
    """Reads one stream at ``sample_rate`` Hz; keeps less than two blocks between chunks."""

    def __init__(self, sample_rate: int) -> None:
        self._length = block_length(sample_rate)
        self._preamble_at = first_samples(self._length)[: len(PREAMBLE)]
        self._preamble_length = int(first_samples(self._length)[len(PREAMBLE)])
        self._symbols: Symbols = np.zeros(0, np.int8)
        self._position = 0
        self._synchronised = False

    @property
    def certain_to(self) -> int:
        """The position before which no sound can come any more: silence that waits to grow
        into a whole span lies before it, and sound that waits behind it."""
        silent = len(self._symbols) and not self._symbols[0]
        return self._position + (self._silent_run() if silent else 0)

    def feed(self, samples: Samples) -> list[Span]:
        """The spans that are now certain."""
        symbols = symbols_of(samples)
        if len(self._symbols):
            symbols = np.concatenate([self._symbols, symbols])
        self._symbols = symbols
        return list(self._certain())

    def finish(self) -> list[Span]:
        """What was still waiting for more samples."""
        return list(self._rest())

    def _certain(self) -> Iterator[Span]:
        while len(self._symbols):
            span = self._sound() if self._symbols[0] else self._silence()
            if span is None:
                return
            yield span

    def _silence(self) -> Silence | None:
        run = self._silent_run()
        if run == len(self._symbols) < self._length:
            return None
        self._synchronised = True
        return self._take(Silence, run)

    def _silent_run(self) -> int:
        sound = self._symbols[: self._length] != 0
        return int(sound.argmax()) if sound.any() else len(sound)

    def _sound(self) -> Block | Noise | Fragment | None:
        if self._may_begin():
            if len(self._symbols) < self._length:
                return None
            read = read_block(self._symbols[: self._length])
            if read is not None:
                return self._block(*read)
        run = self._noise_run()
        return None if run is None else self._noise(run)

    def _may_begin(self) -> bool:
        """False as soon as the samples at hand rule out that a block begins here."""
        at = self._preamble_at
        if len(self._symbols) <= at[-1]:
            at = at[at < len(self._symbols)]
        return self._symbols[at].tobytes() == _PREAMBLE_BYTES[: len(at)]

    def _block(self, number: int, flags: int) -> Block:
        self._synchronised = True
        block = Block(number, self._position, self._position + self._length, flags)
        self._drop(self._length)
        return block

    def _noise_run(self) -> int | None:
        """The samples before the next silence or preamble; None while there may be more."""
        symbols = self._symbols[: self._length + self._preamble_length]
        ends = symbols[1:] == 0
        ends[self._preambles(symbols) - 1] = True
        if ends.any():
            return min(int(ends.argmax()) + 1, self._length)
        return self._length if len(symbols) == self._length + self._preamble_length else None

    def _preambles(self, symbols: Symbols) -> NDArray[np.intp]:
        """Where whole preambles begin, behind the first sample; found by the fall in each."""
        falls = np.flatnonzero((symbols[:-1] > 0) & (symbols[1:] < 0)) + 1
        starts = falls - self._preamble_at[len(PREAMBLE) // 2]
        starts = starts[(starts > 0) & (starts + self._preamble_length <= len(symbols))]
        found = (symbols[starts[:, None] + self._preamble_at] == PREAMBLE).all(axis=1)
        begins: NDArray[np.intp] = starts[found]
        return begins

    def _noise(self, run: int) -> Noise | Fragment:
        if self._synchronised or self._position >= self._length:
            return self._take(Noise, run)
        return self._take(Fragment, min(run, self._length - self._position))

    def _rest(self) -> Iterator[Span]:
        while len(self._symbols):
            if not self._symbols[0]:
                yield self._take(Silence, self._silent_run())
            elif self._may_begin() and len(self._symbols) < self._length:
                yield self._take(Fragment, len(self._symbols))
            else:
                yield self._noise(self._noise_run() or self._loud_run())

    def _loud_run(self) -> int:
        silent = self._symbols[: self._length] == 0
        return int(silent.argmax()) if silent.any() else len(silent)

    def _take(self, kind: type[_S], count: int) -> _S:
        span = kind(self._position, self._position + count)
        self._drop(count)
        return span

    def _drop(self, count: int) -> None:
        self._symbols = self._symbols[count:]
        self._position += count


def decode(audio: bytes, *, sample_rate: int = 16000, encoding: str = "pcm_s16le") -> list[Span]:
    """All spans of a whole recording; they tile it from the first sample to the last."""
    reader = BlockReader(sample_rate)
    return reader.feed(SampleReader(encoding).read(audio)) + reader.finish()
