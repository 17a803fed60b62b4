"""Small chunks are put together before they go upstream, and no chunk is kept waiting for long."""

from dataclasses import replace

import pytest
from tests.support.streams import (
    INTERLEAVED,
    SEPARATE,
    added,
    audio,
    chunk,
    drive,
    end,
    resume,
    sent,
    started_stream,
    wish,
)

from speechmq.core.values.commands import ForceUtterance
from speechmq.core.values.inputs import ChunkDelivered, ConnectionLost, DeadlinePassed
from speechmq.core.values.outputs import EndAudio, SendAudio, SendCommand
from speechmq.core.values.spec import StreamSpec
from speechmq.speechmatics.messages import ChannelAudioAdded

SMALL = 160  # 20 ms


def together(*seqs: int) -> bytes:
    return b"".join(audio(seq, SMALL) for seq in seqs)


def small(*seqs: int) -> list[ChunkDelivered]:
    return [chunk(seq, samples=SMALL) for seq in seqs]


def test_chunk_goes_at_once_while_nothing_is_under_way() -> None:
    stream = started_stream()
    assert sent(drive(stream, *small(1))) == [together(1)]
    assert sent(drive(stream, added(1), *small(2))) == [together(2)]


def test_chunks_that_come_meanwhile_go_together_when_upstream_has_read_the_last() -> None:
    stream = started_stream()
    assert sent(drive(stream, *small(1, 2, 3))) == [together(1)]
    assert sent(drive(stream, added(1), now=0.04)) == [together(2, 3)]


def test_chunks_go_together_as_soon_as_they_are_enough() -> None:
    stream = started_stream(coalesce=0.1)
    assert sent(drive(stream, *small(1, 2, 3, 4, 5))) == [together(1)]
    assert sent(drive(stream, *small(6))) == [together(2, 3, 4, 5, 6)]


def test_chunk_waits_for_no_longer_than_the_setting() -> None:
    stream = started_stream(coalesce=0.1)
    drive(stream, *small(1))
    assert sent(drive(stream, *small(2), now=1.0)) == []
    assert sent(drive(stream, *small(3), now=1.05)) == []
    assert stream.deadline == pytest.approx(1.1)
    assert sent(drive(stream, DeadlinePassed(), now=stream.deadline or 0.0)) == [together(2, 3)]
    assert (stream.deadline or 0.0) > 1.5


def test_chunk_that_waited_in_vain_for_more_goes_as_soon_as_the_window_has_room() -> None:
    stream = started_stream(coalesce=0.1, window_chunks=2)
    drive(stream, chunk(1), chunk(2))
    assert sent(drive(stream, *small(3))) == []
    assert sent(drive(stream, DeadlinePassed(), now=5.0)) == []
    assert sent(drive(stream, added(1), now=5.0)) == [together(3)]


def test_chunks_are_sent_one_by_one_where_that_is_wished() -> None:
    stream = started_stream(coalesce=0.0)
    assert sent(drive(stream, *small(1, 2, 3))) == [together(1), together(2), together(3)]


def test_larger_chunks_go_alone() -> None:
    stream = started_stream(coalesce=0.1)
    assert sent(drive(stream, *small(1), chunk(2, samples=1600), *small(3, 4))) == [
        together(1),
        audio(2, 1600),
    ]


def test_command_sends_what_waits_before_it() -> None:
    stream = started_stream()
    assert drive(stream, *small(1, 2), wish(3, ForceUtterance())) == [
        SendAudio(together(1)),
        SendAudio(together(2)),
        SendCommand(ForceUtterance()),
    ]


def test_end_sends_what_waits_before_it_and_counts_what_was_sent() -> None:
    stream = started_stream()
    assert drive(stream, *small(1, 2, 3), end(4)) == [
        SendAudio(together(1)),
        SendAudio(together(2, 3)),
        EndAudio(2),
    ]


def test_session_that_follows_a_loss_hears_small_chunks_together() -> None:
    stream = started_stream(coalesce=0.1)
    drive(stream, *small(1, 2, 3, 4, 5, 6), ConnectionLost(1006, "gone"))
    again = resume(stream, "u2", now=1.0)
    assert sent(again) == [together(1, 2, 3, 4, 5)]
    assert sent(drive(stream, added(1), now=1.0)) == [together(6)]


def test_alaw_goes_upstream_as_pcm() -> None:
    spec = StreamSpec("s", "alaw", 8000, {"language": "en"})
    stream = started_stream(spec=spec)
    [heard] = sent(drive(stream, ChunkDelivered(1, 1, b"\x55" * 800)))
    assert heard == b"\xf8\xff" * 800
    assert (spec.upstream_encoding, spec.silence_byte) == ("pcm_s16le", b"\xd5")


def test_alaw_of_interleaved_channels_goes_upstream_as_the_pcm_of_each() -> None:
    stream = started_stream(spec=replace(INTERLEAVED, encoding="alaw"))
    assert drive(stream, ChunkDelivered(1, 1, b"\x55\xd5" * 400)) == [
        SendAudio(b"\xf8\xff" * 400, "a"),
        SendAudio(b"\x08\x00" * 400, "b"),
    ]


def test_interleaved_chunks_go_together_and_are_taken_apart() -> None:
    stream = started_stream(spec=INTERLEAVED, coalesce=0.1)
    drive(stream, ChunkDelivered(1, 1, b"\x01\x11" * 160))
    assert (
        drive(
            stream,
            ChunkDelivered(2, 2, b"\x02\x12" * 160),
            ChunkDelivered(3, 3, b"\x03\x13" * 160),
            ChannelAudioAdded(1, "a"),
        )
        == []
    )
    assert drive(stream, ChannelAudioAdded(1, "b")) == [
        SendAudio(b"\x02" * 160 + b"\x03" * 160, "a"),
        SendAudio(b"\x12" * 160 + b"\x13" * 160, "b"),
    ]


def test_chunks_of_separate_channels_neither_wait_nor_go_together() -> None:
    """The clock of the one may be far behind that of the other."""
    stream = started_stream(spec=SEPARATE, coalesce=0.1)
    chunks = [chunk(1, "a"), chunk(2, "a"), *(chunk(seq, "b", samples=SMALL) for seq in (3, 4))]
    assert drive(stream, *chunks, chunk(5, "a", samples=SMALL)) == [
        SendAudio(audio(1), "a"),
        SendAudio(audio(2), "a"),
        SendAudio(audio(3, SMALL), "b"),
        SendAudio(audio(4, SMALL), "b"),
        SendAudio(audio(5, SMALL), "a"),
    ]


def test_session_that_follows_a_loss_joins_no_chunks_of_separate_channels() -> None:
    stream = started_stream(spec=SEPARATE, coalesce=0.1)
    turns = [chunk(seq, "ab"[seq % 2], samples=SMALL) for seq in range(1, 5)]
    drive(stream, chunk(5, "a"), *turns, ConnectionLost(1006, "gone"))
    heard = [one for one in resume(stream, "u2", now=1.0) if isinstance(one, SendAudio)]
    assert heard == [
        *(SendAudio(audio(seq, SMALL), "ab"[seq % 2]) for seq in range(1, 5)),
        SendAudio(audio(5), "a"),
    ]
