"""Raw audio bytes -> samples, and samples -> another rate. A chunk may split a sample."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""One channel, between -1 and 1."""


def _mulaw_table() -> Samples:
    """G.711: the sample that each of the 256 codes stands for."""
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = (((code & 0x0F).astype(np.int32) << 3) + 0x84) << ((code & 0x70) >> 4)
    return (np.where(code & 0x80, 0x84 - magnitude, magnitude - 0x84) / 32768).astype(np.float32)


MULAW: Final = _mulaw_table()
_WIDTH: Mapping[str, int] = MappingProxyType({"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1})


class SampleReader:
    """Samples out of a byte stream; the bytes of a split sample wait for the next chunk."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._width = _WIDTH[encoding]
        self._rest = b""

    def read(self, chunk: bytes) -> Samples:
        if self._rest:
            chunk = self._rest + chunk
        whole = len(chunk) - len(chunk) % self._width
        self._rest = chunk[whole:]
        return _decode(self._encoding, chunk[:whole] if self._rest else chunk)


def _decode(encoding: str, audio: bytes) -> Samples:
    match encoding:
        case "pcm_s16le":
            return np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(32768)
        case "pcm_f32le":
            # NaN and infinity are silence: they must not spread through a filter.
            samples = np.frombuffer(audio, "<f4").astype(np.float32)
            return np.clip(np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0), -1, 1)
        case _:
            return MULAW[np.frombuffer(audio, np.uint8)]


def encode(samples: Samples, encoding: str) -> bytes:
    """The inverse of ``SampleReader``: samples beyond -1 and 1 are clipped."""
    samples = np.clip(samples, -1, 1)
    match encoding:
        case "pcm_s16le":
            return np.round(samples * 32767).astype("<i2").tobytes()
        case "pcm_f32le":
            return samples.astype("<f4").tobytes()
        case "mulaw":
            order = np.argsort(MULAW, kind="stable")
            middles = (MULAW[order][1:] + MULAW[order][:-1]) / 2
            return order[np.searchsorted(middles, samples)].astype(np.uint8).tobytes()
        case _:
            raise ValueError(f"encoding {encoding!r} is none of {', '.join(_WIDTH)}")


class Resampler:
    """A stream of samples at one rate -> the same at another."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self._stream = (
            None
            if source_rate == target_rate
            else soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32")
        )

    def resample(self, samples: Samples, *, last: bool = False) -> Samples:
        if self._stream is None:
            return samples
        resampled: Samples = self._stream.resample_chunk(samples, last=last)
        return resampled


class RawReader:
    """Samples of one channel at ``rate``, out of raw audio in ``encoding`` at ``source_rate``."""

    def __init__(self, encoding: str, source_rate: int, rate: int) -> None:
        self._reader = SampleReader(encoding)
        self._resampler = Resampler(source_rate, rate)

    def read(self, chunk: bytes) -> Samples:
        return self._resampler.resample(self._reader.read(chunk))

    def finish(self) -> Samples:
        """The samples that the resampler held back; a split sample at the end is dropped."""
        return self._resampler.resample(self._reader.read(b""), last=True)
