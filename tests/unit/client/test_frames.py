"""Small frames become chunks: the same bytes in the same order, in whole frames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speechmq_client.frames import LARGEST_CHUNK, ChunkSize, FrameJoiner
from speechmq_schemas import (
    Channels,
    FileAudioFormat,
    RawAudioFormat,
    StartStream,
    TranscriptionConfig,
)

TEN = ChunkSize(frame=2, least=10, most=30, linger=0.2, rate=100.0)


def raw(sample_rate: int, channels: Channels | None = None) -> StartStream:
    return StartStream(
        stream_id="one",
        audio_format=RawAudioFormat(encoding="pcm_s16le", sample_rate=sample_rate),
        channels=channels,
        transcription_config=TranscriptionConfig(language="en"),
    )


def test_chunk_of_raw_audio_is_as_long_as_asked() -> None:
    assert ChunkSize.of(raw(16_000), 0.1) == ChunkSize(2, 3200, 32_000, 0.2, 32_000.0)


def test_chunk_of_interleaved_channels_holds_whole_frames() -> None:
    channels = Channels(layout="interleaved", labels=["agent", "caller"])
    assert ChunkSize.of(raw(8_000, channels), 0.1) == ChunkSize(4, 3200, 32_000, 0.2, 32_000.0)


def test_chunk_of_a_separate_channel_is_that_of_mono() -> None:
    channels = Channels(layout="separate", labels=["agent", "caller"])
    assert ChunkSize.of(raw(8_000, channels), 0.1) == ChunkSize.of(raw(8_000), 0.1)


def test_chunk_of_a_file_has_no_length_in_seconds() -> None:
    start = StartStream(
        stream_id="one",
        audio_format=FileAudioFormat(type="file"),
        transcription_config=TranscriptionConfig(language="en"),
    )
    size = ChunkSize.of(start, 0.1)
    assert size == ChunkSize(1, 4096, LARGEST_CHUNK, 0.2, 0.0)
    assert size.seconds(4096) == 0.0


def test_frames_wait_until_a_chunk_is_complete() -> None:
    joiner = FrameJoiner(TEN)
    assert joiner.add(b"abcd", now=1.0) == []
    assert joiner.deadline == 1.2
    assert joiner.add(b"efgh", now=1.1) == []
    assert joiner.deadline == 1.2
    assert joiner.add(b"ijkl", now=1.15) == [b"abcdefghijkl"]
    assert joiner.held == 0
    assert joiner.add(b"m", now=9.0) == []
    assert joiner.deadline == 9.2


def test_flush_leaves_the_part_of_a_frame() -> None:
    joiner = FrameJoiner(TEN)
    joiner.add(b"abc", now=0.0)
    assert joiner.flush() == [b"ab"]
    assert (joiner.deadline, joiner.held) == (None, 1)
    assert joiner.add(b"d", now=5.0) == []
    assert joiner.deadline == 5.2
    assert joiner.flush() == [b"cd"]


def test_long_audio_is_cut() -> None:
    joiner = FrameJoiner(TEN)
    assert [len(one) for one in joiner.add(bytes(75), now=0.0)] == [30, 30, 14]
    assert joiner.held == 1


@given(
    pieces=st.lists(st.binary(max_size=80)),
    frame=st.integers(1, 4),
    flushes=st.sets(st.integers(0, 20)),
)
def test_no_byte_is_lost_moved_or_repeated(
    pieces: list[bytes], frame: int, flushes: set[int]
) -> None:
    size = ChunkSize(frame=frame, least=5 * frame, most=9 * frame, linger=0.1)
    joiner = FrameJoiner(size)
    chunks: list[bytes] = []
    for number, piece in enumerate(pieces):
        added = joiner.add(piece, now=float(number))
        assert all(len(chunk) <= size.most for chunk in added)
        assert joiner.held < size.least
        chunks += added
        if number in flushes:
            chunks += joiner.flush()
            assert joiner.held < frame
    chunks += joiner.flush()
    assert all(chunk and len(chunk) % frame == 0 for chunk in chunks)
    whole = b"".join(pieces)
    assert b"".join(chunks) == whole[: len(whole) - len(whole) % frame]
