"""Takes the channels of interleaved audio apart."""

from __future__ import annotations

from array import array

# Items of an array that are as large as a sample; what they mean does not matter here.
_ITEM = {1: "B", 2: "H", 4: "I"}


def split(audio: bytes, channels: int, sample_bytes: int) -> list[bytes]:
    """The samples of each channel, out of whole frames.

    Raises ``ValueError`` for a frame that is not whole, and for a size that no sample has.
    """
    if sample_bytes not in _ITEM:
        raise ValueError(f"no encoding has samples of {sample_bytes} bytes")
    if len(audio) % (channels * sample_bytes):
        raise ValueError(f"{len(audio)} bytes are no whole frames of {channels} channels")
    samples = array(_ITEM[sample_bytes], audio)
    return [samples[channel::channels].tobytes() for channel in range(channels)]
