"""Ledger audio: what is written comes back, and what was tampered with does not."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speechmq_emulator.audio import SampleReader
from speechmq_emulator.ledger import (
    MAX_NUMBER,
    Block,
    BlockReader,
    Fragment,
    Noise,
    Silence,
    decode,
    encode,
)
from speechmq_emulator.ledger.reader import Span

WIDTH = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1}
ENCODINGS = st.sampled_from(sorted(WIDTH))
RATES = st.one_of(
    st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]), st.integers(8000, 48000)
)
NUMBERS = st.lists(st.none() | st.integers(0, MAX_NUMBER), max_size=6)
GOLDEN = "9ba1e4f827bff85126296b00976c6775c4be9a134cfdf095161ceef875a96a99"
QUICK = settings(max_examples=60, deadline=None)


def written(numbers: Sequence[int | None], length: int) -> list[Span]:
    return [
        Silence(i * length, (i + 1) * length)
        if number is None
        else Block(number, i * length, (i + 1) * length)
        for i, number in enumerate(numbers)
    ]


def numbers_in(spans: Sequence[Span]) -> list[int]:
    return [span.number for span in spans if isinstance(span, Block)]


@QUICK
@given(NUMBERS, RATES, ENCODINGS)
def test_decode_reads_what_encode_wrote(
    numbers: list[int | None], rate: int, encoding: str
) -> None:
    audio = encode(numbers, sample_rate=rate, encoding=encoding)
    spans = decode(audio, sample_rate=rate, encoding=encoding)
    assert spans == written(numbers, rate // 5)


@QUICK
@given(NUMBERS.filter(len), RATES, ENCODINGS, st.data())
def test_decode_finds_the_next_whole_block_after_a_start_in_mid_block(
    numbers: list[int | None], rate: int, encoding: str, data: st.DataObject
) -> None:
    length = rate // 5
    skipped = data.draw(st.integers(1, length))
    audio = encode([123, *numbers], sample_rate=rate, encoding=encoding)
    spans = decode(audio[skipped * WIDTH[encoding] :], sample_rate=rate, encoding=encoding)
    fragment = [Fragment(0, length - skipped)] if skipped < length else []
    expected = [
        replace(span, start=span.start + length - skipped, end=span.end + length - skipped)
        for span in written(numbers, length)
    ]
    assert spans == [*fragment, *expected]


@QUICK
@given(
    st.lists(st.none() | st.integers(0, MAX_NUMBER), min_size=1, max_size=5),
    ENCODINGS,
    st.lists(st.integers(1, 9000), min_size=1, max_size=20),
    st.integers(0, 1599),
    st.binary(max_size=5000),
)
def test_reading_does_not_depend_on_the_chunks(
    numbers: list[int | None], encoding: str, sizes: list[int], skipped: int, noise: bytes
) -> None:
    written = encode([*numbers, *numbers], sample_rate=8000, encoding=encoding)
    middle = len(written) // 2
    audio = written[skipped * WIDTH[encoding] : middle] + noise + written[middle:]
    samples, blocks = SampleReader(encoding), BlockReader(8000)
    spans: list[Span] = []
    at = turn = 0
    while at < len(audio):
        size = sizes[turn % len(sizes)]
        spans += blocks.feed(samples.read(audio[at : at + size]))
        at, turn = at + size, turn + 1
    whole = decode(audio, sample_rate=8000, encoding=encoding)
    assert [*spans, *blocks.finish()] == whole


@QUICK
@given(st.integers(0, 3 * 3200 - 1), st.integers(1, 3200))
@example(lost_from=3199, count=1)
@example(lost_from=3200, count=1)
@example(lost_from=0, count=1)
def test_lost_samples_lose_a_word(lost_from: int, count: int) -> None:
    audio = np.frombuffer(encode([7, 8, 9]), np.int16)
    kept = np.delete(audio, np.s_[lost_from : lost_from + count])
    read = numbers_in(decode(kept.tobytes()))
    assert len(read) < 3
    assert set(read) <= {7, 8, 9}


@QUICK
@given(st.integers(3200, 2 * 3200 - 1), st.integers(1, 3199))
@example(repeated_from=4800, count=1600)
@example(repeated_from=6399, count=1)
def test_repeated_samples_are_noticed(repeated_from: int, count: int) -> None:
    audio = np.frombuffer(encode([7, 8, 9]), np.int16)
    repeated = audio[repeated_from : repeated_from + count]
    doubled = np.insert(audio, repeated_from + len(repeated), repeated)
    spans = decode(doubled.tobytes())
    assert any(isinstance(span, Noise) for span in spans)
    assert set(numbers_in(spans)) <= {7, 8, 9}


def test_repeated_block_shows_as_a_repeated_word() -> None:
    assert numbers_in(decode(encode([7]) + encode([7, 8]))) == [7, 7, 8]


@pytest.mark.parametrize("milliseconds", [10, 20, 50, 100])
def test_swapped_chunks_are_noticed(milliseconds: int) -> None:
    audio = encode([6, 7, 8, 9])
    size = milliseconds * 32
    chunks = [audio[at : at + size] for at in range(0, len(audio), size)]
    i = 200 // milliseconds + 1
    chunks[i], chunks[i + 1] = chunks[i + 1], chunks[i]
    spans = decode(b"".join(chunks))
    assert any(isinstance(span, Noise) for span in spans)
    # Halves of 200 ms: that of 8 equals that of 7, and makes a whole 7 with the other one.
    assert numbers_in(spans) == ([6, 7, 9] if milliseconds == 100 else [6, 8, 9])


def test_swapped_chunks_are_noticed_wherever_they_are() -> None:
    chunks = [encode([0])[at : at + 320] for at in range(0, 6400, 320)]
    for i in range(len(chunks)):
        for j in range(i):
            swapped = chunks.copy()
            swapped[i], swapped[j] = swapped[j], swapped[i]
            assert numbers_in(decode(b"".join(swapped))) == []


def test_silence_in_the_place_of_lost_audio_keeps_the_clock() -> None:
    audio = bytearray(encode([7, 8, 9]))
    audio[3200:6400] = bytes(3200)
    assert decode(bytes(audio)) == [
        Fragment(0, 1600),
        Silence(1600, 3200),
        Block(8, 3200, 6400),
        Block(9, 6400, 9600),
    ]


@QUICK
@given(st.binary(max_size=30_000), ENCODINGS)
def test_decode_takes_any_bytes(audio: bytes, encoding: str) -> None:
    spans = decode(audio, sample_rate=8000, encoding=encoding)
    assert numbers_in(spans) == []
    borders = [0, *(span.end for span in spans)]
    assert [span.start for span in spans] == borders[:-1]
    assert borders[-1] == len(audio) // WIDTH[encoding]


def test_loud_noise_is_no_number_and_costs_little() -> None:
    noise = np.random.default_rng(1).integers(-32768, 32767, 48000 * 5, dtype=np.int16)
    reader, samples = BlockReader(48000), SampleReader("pcm_s16le")
    spans: list[Span] = []
    for at in range(0, len(noise), 4800):
        spans += reader.feed(samples.read(noise[at : at + 4800].tobytes()))
    assert numbers_in(spans) == []


@pytest.mark.parametrize("number", [-1, MAX_NUMBER + 1])
def test_encode_refuses_a_number_that_does_not_fit(number: int) -> None:
    with pytest.raises(ValueError, match=f"number {number} is not within 0 and 4294967295"):
        encode([number])


@pytest.mark.parametrize("rate", [7999, 48001])
def test_encode_refuses_a_rate_that_is_no_sessions(rate: int) -> None:
    with pytest.raises(ValueError, match=f"sample_rate {rate} is not within 8000 and 48000 Hz"):
        encode([1], sample_rate=rate)


def test_encode_refuses_an_unknown_encoding() -> None:
    with pytest.raises(ValueError, match="encoding 'opus' is none of pcm_s16le, pcm_f32le, mulaw"):
        encode([1], encoding="opus")


def test_plain_numbers_sound_as_they_always_did() -> None:
    audio = encode([0, 1, None, MAX_NUMBER], sample_rate=11025, encoding="mulaw")
    assert hashlib.sha256(audio).hexdigest() == GOLDEN


def test_encode_of_nothing_is_empty() -> None:
    assert encode([]) == b""
