from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmq.media.channels import split


def test_stereo_is_split_by_samples() -> None:
    frames = b"\x01\x02\xa1\xa2\x03\x04\xa3\xa4"
    assert split(frames, 2, 2) == [b"\x01\x02\x03\x04", b"\xa1\xa2\xa3\xa4"]


@given(st.sampled_from([1, 2, 4]), st.integers(1, 8), st.integers(0, 5))
def test_channels_are_those_that_were_interleaved(
    sample_bytes: int, channels: int, frames: int
) -> None:
    samples = [
        [bytes([channel, frame, 7, 9][:sample_bytes]) for frame in range(frames)]
        for channel in range(channels)
    ]
    interleaved = b"".join(chain.from_iterable(zip(*samples, strict=True)))
    assert split(interleaved, channels, sample_bytes) == [b"".join(one) for one in samples]


@pytest.mark.parametrize(
    ("audio", "channels", "sample_bytes"), [(b"123456", 2, 2), (b"1", 2, 1), (b"123456", 2, 3)]
)
def test_what_is_no_whole_frames_is_refused(audio: bytes, channels: int, sample_bytes: int) -> None:
    with pytest.raises(ValueError, match=r"channels|samples"):
        split(audio, channels, sample_bytes)
