"""Raw audio: encodings, split samples, other rates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechmq_emulator.audio import MULAW, Resampler, SampleReader, encode

QUICK = settings(max_examples=60, deadline=None)
ENCODINGS = ["pcm_s16le", "pcm_f32le", "mulaw"]
TONE = (0.5 * np.sin(np.arange(8000) * 2 * np.pi * 440 / 8000)).astype(np.float32)


@pytest.mark.parametrize(
    ("encoding", "tolerance"), [("pcm_s16le", 1e-4), ("pcm_f32le", 0.0), ("mulaw", 0.02)]
)
def test_samples_come_back(encoding: str, tolerance: float) -> None:
    samples = SampleReader(encoding).read(encode(TONE, encoding))
    assert np.abs(samples - TONE).max() <= tolerance


def test_mulaw_codes_are_those_of_g711() -> None:
    by_code = {code: round(float(MULAW[code]) * 32768) for code in (0x00, 0x7F, 0x80, 0xFF, 0xAA)}
    assert by_code == {0x00: -32124, 0x7F: 0, 0x80: 32124, 0xFF: 0, 0xAA: 5372}


@QUICK
@given(st.sampled_from(ENCODINGS), st.lists(st.integers(0, 9), min_size=1, max_size=10))
def test_reading_does_not_depend_on_where_a_chunk_splits(encoding: str, sizes: list[int]) -> None:
    audio = encode(TONE[:20], encoding)
    reader, read, at = SampleReader(encoding), [], 0
    for size in [*sizes, len(audio)]:
        read.append(reader.read(audio[at : at + size]))
        at += size
    whole = SampleReader(encoding).read(audio)
    assert np.array_equal(np.concatenate(read), whole)


def test_samples_that_are_no_numbers_are_silence() -> None:
    audio = np.array([np.nan, np.inf, -np.inf, 2.0, 0.5], "<f4").tobytes()
    assert SampleReader("pcm_f32le").read(audio).tolist() == [0.0, 0.0, 0.0, 1.0, 0.5]


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_resampling_in_chunks_keeps_the_duration(rate: int) -> None:
    resampler = Resampler(rate, 16000)
    tone = np.resize(TONE, rate)
    pieces = [resampler.resample(tone[at : at + 777]) for at in range(0, rate, 777)]
    pieces.append(resampler.resample(np.zeros(0, np.float32), last=True))
    assert sum(map(len, pieces)) == 16000


def test_encode_refuses_an_unknown_encoding() -> None:
    with pytest.raises(ValueError, match="encoding 'opus' is none of pcm_s16le, pcm_f32le, mulaw"):
        encode(TONE, "opus")
