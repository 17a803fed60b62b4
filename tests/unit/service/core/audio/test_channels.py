"""Streams of several channels: whose audio is whose, what covers it, and who goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.streams import (
    CHUNK,
    INTERLEAVED,
    SEPARATE,
    SPEC,
    audio,
    chunk,
    drive,
    end,
    final,
    partial,
    published,
    resume,
    started_stream,
    wish,
)

from speechmq.core.audio.channels import Channels
from speechmq.core.stream import Stream
from speechmq.core.values import events
from speechmq.core.values.checkpoint import ChannelMark, Checkpoint, Gap
from speechmq.core.values.commands import ChangeConfig, CloseChannel, ForceUtterance, TellSpeakers
from speechmq.core.values.inputs import (
    ChunkDelivered,
    ConnectionLost,
    DeadLettered,
    DeadlinePassed,
    Published,
)
from speechmq.core.values.outputs import (
    Acknowledge,
    DeadLetter,
    EndChannelAudio,
    Output,
    Publish,
    SaveCheckpoint,
    SendAudio,
    SendCommand,
)
from speechmq.core.values.spec import StreamSpec
from speechmq.speechmatics.messages import (
    AudioAdded,
    ChannelAudioAdded,
    Metadata,
    SoundEnded,
    SoundStarted,
    Speaker,
    SpeakersReceived,
    TranscriptEnded,
    UtteranceEnded,
)


def separate(**how: Any) -> Stream:
    return started_stream(spec=SEPARATE, **how)


def heard(outputs: list[Output]) -> list[tuple[str | None, bytes]]:
    return [(one.channel, one.audio) for one in outputs if isinstance(one, SendAudio)]


def newest_checkpoint(outputs: list[Output]) -> Checkpoint:
    found = [one.checkpoint for one in outputs if isinstance(one, Publish | SaveCheckpoint)]
    checkpoint = [one for one in found if one is not None][-1]
    return Checkpoint.decode(checkpoint.encode())


def finals_of(outputs: list[Output]) -> list[tuple[object, int, float, float]]:
    return [
        (one.channel, one.segment_id, one.start_time, one.end_time)
        for one in published(outputs)
        if isinstance(one, events.FinalTranscript)
    ]


# -- whose audio is whose ----------------------------------------------------------------------


def test_separate_chunks_go_upstream_under_their_channels() -> None:
    outputs = drive(separate(), chunk(1, "a"), chunk(2, "b"), chunk(3, "a"))
    assert heard(outputs) == [("a", audio(1)), ("b", audio(2)), ("a", audio(3))]


def test_interleaved_frames_are_taken_apart() -> None:
    stream = started_stream(spec=INTERLEAVED)
    outputs = drive(stream, ChunkDelivered(1, 1, b"\x01\x11\x02\x12\x03\x13"))
    assert heard(outputs) == [("a", b"\x01\x02\x03"), ("b", b"\x11\x12\x13")]


def test_start_tells_the_channels() -> None:
    stream = started_stream(spec=SEPARATE)
    assert stream.spec.tracks == ("a", "b")
    assert started_stream(spec=INTERLEAVED).spec.tracks == (None,)


@pytest.mark.parametrize(
    ("spec", "channel", "code", "reason"),
    [
        (SPEC, "a", "unexpected_channel", "the stream was started with no channels"),
        (INTERLEAVED, "a", "unexpected_channel", "was started with interleaved channels"),
        (SEPARATE, None, "missing_channel", "chunk 2 has no header 'channel'"),
        (SEPARATE, "c", "unknown_channel", "no channel is 'c'; the stream has 'a', 'b'"),
        (SEPARATE, "c" * 999, "unknown_channel", f"no channel is '{'c' * 64}'; the"),
    ],
)
def test_chunk_of_another_layout_is_refused_and_moves_no_clock(
    spec: StreamSpec, channel: str | None, code: str, reason: str
) -> None:
    stream = started_stream(spec=spec, coalesce=0.0)
    right = "a" if spec is SEPARATE else None
    drive(stream, chunk(1, right))
    before = {track: one.position for track, one in stream._placement.timeline.tracks.items()}
    letter, warning, saved = drive(stream, chunk(2, channel))
    assert isinstance(letter, DeadLetter)
    assert (letter.tag, letter.code) == (2, code)
    assert reason in letter.reason
    assert warning == Publish(events.StreamWarning("s", code, letter.reason), 2)
    assert isinstance(saved, SaveCheckpoint)
    after = {track: one.position for track, one in stream._placement.timeline.tracks.items()}
    assert after == before
    assert len(heard(drive(stream, chunk(3, right)))) == spec.width


def test_frames_that_are_not_whole_are_silence_in_all_channels() -> None:
    stream = started_stream(spec=INTERLEAVED)
    outputs = drive(stream, ChunkDelivered(1, 1, b"12345"))
    assert isinstance(outputs[0], DeadLetter)
    assert outputs[0].reason == (
        "chunk 1 has 5 bytes, which is not a whole number of frames of 2 mulaw samples of 1 bytes"
    )
    assert events.AudioGap("s", 0.0, 0.00025, 1, 1) in published(outputs)
    assert heard(outputs) == [("a", b"\xff\xff"), ("b", b"\xff\xff")]


def test_chunk_that_is_too_large_is_silence_in_its_channel() -> None:
    stream = separate(max_chunk=0.1)
    outputs = drive(stream, chunk(1, "a"), chunk(2, "b", samples=CHUNK + 8))
    assert events.AudioGap("s", 0.0, 0.101, 2, 2, "b") in published(outputs)
    assert heard(outputs) == [("a", audio(1)), ("b", b"\xff" * (CHUNK + 8))]


# -- flow control --------------------------------------------------------------------------------


def test_each_channel_has_a_window() -> None:
    stream = separate(window_chunks=1)
    assert heard(drive(stream, chunk(1, "a"), chunk(2, "b"), chunk(3, "a"))) == [
        ("a", audio(1)),
        ("b", audio(2)),
    ]
    assert drive(stream, ChannelAudioAdded(1, "b")) == []
    assert heard(drive(stream, ChannelAudioAdded(1, "a"))) == [("a", audio(3))]


def test_upstream_that_reads_one_channel_only_is_given_up() -> None:
    stream = separate(answer_timeout=10.0)
    drive(stream, chunk(1, "a"), chunk(2, "b"))
    drive(stream, ChannelAudioAdded(1, "a"), now=5.0)
    assert stream.deadline == 15.0
    [*_, warning] = drive(stream, DeadlinePassed(), now=15.0)
    assert isinstance(warning, Publish)
    assert isinstance(warning.event, events.StreamWarning)
    assert warning.event.code == "unanswered"


@pytest.mark.parametrize(
    "received",
    [
        AudioAdded(1),
        ChannelAudioAdded(1, "c"),
        ChannelAudioAdded(2, "a"),
        final(0.1),
        final(0.1, channel="c"),
        partial(0.1, channel="c"),
        UtteranceEnded(Metadata(0.1, 0.1), channel="c"),
        SoundStarted({"start_time": 0.1}, "c"),
    ],
)
def test_what_upstream_says_of_no_channel_ends_the_session(received: Any) -> None:
    stream = separate()
    drive(stream, chunk(1, "a"))
    [warning] = published(drive(stream, received))
    assert isinstance(warning, events.StreamWarning)
    assert warning.code == "protocol_error"


# -- what is said --------------------------------------------------------------------------------


def test_channels_share_the_segment_ids_out() -> None:
    stream = separate()
    drive(stream, chunk(1, "a"), chunk(2, "b"), chunk(3, "a"), chunk(4, "b"))
    outputs = drive(
        stream,
        partial(0.1, channel="b"),
        final(0.1, channel="a"),
        partial(0.2, channel="a"),
        final(0.1, channel="b"),
        final(0.2, 0.1, channel="a"),
    )
    told = [
        (one.channel, one.segment_id)
        for one in published(outputs)
        if isinstance(one, events.PartialTranscript | events.FinalTranscript)
    ]
    assert told == [("b", 2), ("a", 1), ("a", 3), ("b", 2), ("a", 3)]


def test_events_name_their_channel() -> None:
    stream = separate()
    drive(stream, chunk(1, "a"), chunk(2, "b"))
    outputs = drive(
        stream,
        UtteranceEnded(Metadata(0.1, 0.1), channel="b"),
        SoundStarted({"start_time": 0.05, "type": "music"}, "a"),
        SoundEnded({"end_time": 0.05, "type": "music"}, "b"),
    )
    assert published(outputs) == [
        events.EndOfUtterance("s", 0.1, 0.1, channel="b"),
        events.AudioEventStarted("s", {"start_time": 0.05, "type": "music"}, "a"),
        events.AudioEventEnded("s", {"end_time": 0.05, "type": "music"}, "b"),
    ]


# -- coverage ------------------------------------------------------------------------------------


def test_lowest_coverage_decides_what_is_acknowledged() -> None:
    stream = separate()
    drive(stream, chunk(1, "a"), chunk(2, "b"), chunk(3, "a"), chunk(4, "b"))
    outputs = drive(stream, final(0.2, channel="a"))
    assert newest_checkpoint(outputs).next_seq == 2
    assert drive(stream, Published(2)) == [Acknowledge(1)]
    outputs = drive(stream, final(0.1, channel="b"))
    assert newest_checkpoint(outputs).next_seq == 4
    assert drive(stream, Published(3)) == [Acknowledge(3)]


def test_interleaved_audio_is_covered_by_the_finals_of_all_channels() -> None:
    stream = started_stream(spec=INTERLEAVED)
    drive(stream, chunk(1, samples=2 * CHUNK), chunk(2, samples=2 * CHUNK))
    drive(stream, final(0.2, channel="a"), Published(2))
    assert drive(stream, final(0.1, channel="b"), Published(3))[-1] == Acknowledge(1)


def test_channel_that_says_nothing_holds_nothing_back() -> None:
    stream = separate()
    drive(stream, chunk(1, "a"), chunk(2, "a"))
    assert drive(stream, final(0.2, channel="a"), Published(2))[-1] == Acknowledge(2)


def test_channel_that_has_paused_after_its_last_final_needs_no_run_up() -> None:
    stream = separate(resume_context=0.15)
    drive(stream, chunk(1, "b"), final(0.1, channel="b"), Published(2))
    drive(stream, *(chunk(seq, "a") for seq in range(2, 8)))
    assert drive(stream, final(0.5, channel="a"), Published(3))[-1] == Acknowledge(4)


def test_channel_that_has_ended_holds_nothing_back_for_a_rounding() -> None:
    stream = separate(resume_context=0.15)
    drive(stream, chunk(1, "b", samples=CHUNK + 79), wish(2, CloseChannel("b")))
    drive(stream, final(0.1, channel="b"), chunk(3, "a"), chunk(4, "a"), chunk(5, "a"))
    assert drive(stream, final(0.25, channel="a"), Published(3))[-1] == Acknowledge(3)


def test_uncovered_audio_of_a_channel_that_paused_is_let_go_when_the_queue_is_full() -> None:
    stream = separate(prefetch=20, window=99.0)
    drive(stream, chunk(1, "b"))
    outputs = drive(stream, *(chunk(seq, "a") for seq in range(2, 19)))
    assert "replay_window_exceeded" in [
        one.code for one in published(outputs) if isinstance(one, events.StreamWarning)
    ]
    saved = newest_checkpoint(outputs)
    assert (saved.next_seq, saved.channels["b"].position) == (3, CHUNK)
    [seq] = [one.seq for one in outputs if isinstance(one, SaveCheckpoint)]
    assert drive(stream, Published(seq)) == [Acknowledge(2)]


def test_command_is_covered_by_what_follows_it_in_any_channel() -> None:
    stream = separate()
    change = ChangeConfig({"max_delay": 2.0})
    drive(stream, chunk(1, "b"), wish(2, change), chunk(3, "a"), chunk(4, "a"))
    drive(stream, final(0.1, channel="b"), Published(2))
    assert drive(stream, final(0.1, channel="a"), Published(3))[-1] == Acknowledge(3)


# -- the next session ----------------------------------------------------------------------------


def test_next_session_hears_each_channel_from_where_it_was_covered() -> None:
    stream = separate()
    drive(stream, *(chunk(seq, "ab"[seq % 2 - 1]) for seq in range(1, 7)))
    drive(stream, final(0.2, channel="a"), final(0.1, channel="b"), Published(3))
    drive(stream, ConnectionLost(1006, "gone"))
    outputs = resume(stream, "u2", now=1.0)
    assert published(outputs) == [events.StreamResumed("s", "u2", 0.1, "upstream_lost")]
    assert heard(outputs) == [("b", audio(4)), ("a", audio(5)), ("b", audio(6))]
    outputs = drive(stream, final(0.1, channel="a"), final(0.2, channel="b"))
    assert finals_of(outputs) == [("a", 3, 0.2, 0.3), ("b", 4, 0.1, 0.3)]


def test_next_session_trims_what_was_said_in_a_channel_that_is_further_on() -> None:
    stream = separate()
    drive(stream, chunk(1, "b"), chunk(2, "a"), chunk(3, "a"))
    drive(stream, final(0.2, channel="a"), Published(2), ConnectionLost(1006, "gone"))
    outputs = resume(stream, "u2", now=1.0)
    assert heard(outputs) == [("b", audio(1)), ("a", audio(2)), ("a", audio(3))]
    assert drive(stream, final(0.2, channel="a")) == []
    assert finals_of(drive(stream, final(0.1, channel="b"))) == [("b", 2, 0.0, 0.1)]


def test_successor_goes_on_in_each_channel_where_its_predecessor_was() -> None:
    first = separate()
    drive(first, *(chunk(seq, "ab"[seq % 2 - 1]) for seq in range(1, 7)))
    outputs = drive(first, final(0.2, channel="a"), final(0.1, channel="b"))
    left = newest_checkpoint(outputs)
    assert left.channels == {
        "a": ChannelMark(2 * CHUNK, 0.2, 1),
        "b": ChannelMark(CHUNK, 0.1, 1),
    }
    assert (left.next_seq, left.position, left.watermark) == (4, CHUNK, 0.1)
    second = separate(checkpoint=left)
    outputs = drive(second, *(chunk(seq, "ab"[seq % 2 - 1], tag=seq) for seq in range(4, 7)))
    assert heard(outputs) == [("b", audio(4)), ("a", audio(5)), ("b", audio(6))]
    outputs = drive(second, final(0.2, channel="b"), final(0.1, channel="a"))
    assert finals_of(outputs) == [("b", 4, 0.1, 0.3), ("a", 3, 0.2, 0.3)]


def test_checkpoint_of_an_older_version_is_that_of_a_mono_stream() -> None:
    left = Checkpoint.decode(
        '{"next_seq":3,"position":1600,"watermark":0.2,"gaps":'
        '[{"first_seq":3,"last_seq":3,"start":1600,"end":2400}],'
        '"totals":{"chunks":2,"duplicates":0,"finals":4,"gap_samples":0},'
        '"voices":0,"translated":{},"spoken":0.0}'
    )
    stream = started_stream(checkpoint=left)
    outputs = drive(stream, chunk(4, tag=1), final(0.2))
    assert finals_of(outputs)[0][1:] == (5, 0.2, 0.4)


# -- gaps ----------------------------------------------------------------------------------------


def test_lost_chunk_is_silence_in_the_channel_whose_turn_it_was() -> None:
    stream = separate(gap_timeout=2.0)
    drive(stream, *(chunk(seq, "ab"[seq % 2 - 1]) for seq in (1, 2, 3)), chunk(5, "a"))
    outputs = drive(stream, DeadlinePassed(), now=2.0)
    assert published(outputs) == [events.AudioGap("s", 0.1, 0.2, 4, 4, "b")]
    assert heard(outputs) == [("b", b"\xff" * CHUNK), ("a", audio(5))]


def test_several_lost_chunks_are_dealt_out_and_a_successor_knows_it() -> None:
    stream = separate(gap_timeout=2.0)
    drive(stream, chunk(1, "a"), chunk(2, "b"), chunk(6, "b"))
    outputs = drive(stream, DeadlinePassed(), now=2.0)
    assert published(outputs) == [
        events.AudioGap("s", 0.1, 0.3, 3, 5, "a"),
        events.AudioGap("s", 0.1, 0.2, 3, 5, "b"),
    ]
    left = newest_checkpoint(outputs)
    assert left.gaps == (
        Gap(3, 5, CHUNK, 3 * CHUNK, "a"),
        Gap(3, 5, CHUNK, 2 * CHUNK, "b"),
    )
    second = separate(checkpoint=left)
    again = drive(second, chunk(1, "a", tag=1), chunk(2, "b", tag=2), chunk(6, "b", tag=3))
    assert [one.position for one in second._placement.timeline.tracks.values()] == [
        3 * CHUNK,
        3 * CHUNK,
    ]
    assert published(again) == []


def shares(last_heard: dict[str, int], first: int, last: int, *ended: str) -> Any:
    channels = Channels(replace(SEPARATE, channel_labels=("a", "b", "c")), Checkpoint())
    for channel, seq in last_heard.items():
        channels.heard(channel, seq)
    for channel in ended:
        channels.ended_at[channel] = 1
    return channels.share(first, last)


def test_holes_are_dealt_out_in_turn() -> None:
    assert shares({"a": 1, "b": 2, "c": 3}, 4, 4) == {"a": 1}
    assert shares({"a": 1, "b": 2, "c": 3}, 4, 8) == {"a": 2, "b": 2, "c": 1}
    assert shares({"b": 1, "a": 2, "c": 3}, 4, 5) == {"b": 1, "a": 1}


def test_channels_that_have_ended_or_paused_lost_nothing() -> None:
    assert shares({"a": 98, "b": 99, "c": 97}, 100, 101, "c") == {"a": 1, "b": 1}
    assert shares({"a": 98, "b": 99, "c": 80}, 100, 101) == {"a": 1, "b": 1}
    assert shares({}, 1, 4) == {"a": 2, "b": 1, "c": 1}
    assert shares({}, 100, 100, "a", "b", "c") == {"a": 0}


def test_turns_go_on_behind_a_hole() -> None:
    channels = Channels(SEPARATE, Checkpoint())
    channels.heard("a", 1)
    channels.heard("b", 2)
    assert channels.share(3, 5) == {"a": 2, "b": 1}
    assert channels.share(6, 6) == {"b": 1}
    assert channels.share(7, 7) == {"a": 1}


# -- ends ----------------------------------------------------------------------------------------


def test_channel_is_ended_at_its_place() -> None:
    stream = separate()
    outputs = drive(stream, chunk(1, "a"), chunk(2, "b"), wish(3, CloseChannel("a")))
    assert outputs[-1] == EndChannelAudio("a", 1)
    outputs = drive(stream, chunk(4, "b"), end(5))
    assert outputs == [SendAudio(audio(4), "b"), EndChannelAudio("b", 2)]


def test_stream_of_channels_ends_with_them() -> None:
    stream = separate()
    outputs = drive(stream, chunk(1, "a"), chunk(2, "b"), end(3))
    assert outputs[-2:] == [EndChannelAudio("a", 1), EndChannelAudio("b", 1)]
    outputs = drive(stream, final(0.1, channel="a"), final(0.1, channel="b"), TranscriptEnded())
    assert published(outputs)[-1] == events.StreamEnded("s", "end", 0.2, 0.2, 0.0, 2, 0, 2)


def test_end_of_the_last_channel_waits_for_that_of_the_stream() -> None:
    """It would end the session, and nobody knows yet that no command follows."""
    stream = separate()
    outputs = drive(stream, wish(1, CloseChannel("a")), wish(2, CloseChannel("b")))
    assert outputs == [EndChannelAudio("a", 0)]
    assert drive(stream, end(3)) == [EndChannelAudio("b", 0)]


def test_interleaved_totals_are_those_of_all_channels() -> None:
    stream = started_stream(spec=INTERLEAVED)
    outputs = drive(stream, chunk(1, samples=2 * CHUNK), ChunkDelivered(2, 2, b"12345"), end(3))
    assert outputs[-2:] == [EndChannelAudio("a", 2), EndChannelAudio("b", 2)]
    outputs = drive(stream, TranscriptEnded())
    [ended] = published(outputs)
    assert ended == events.StreamEnded("s", "end", 0.2005, 0.2, 0.0005, 1, 0, 0)


@pytest.mark.parametrize(
    ("spec", "before", "channel", "code"),
    [
        (SPEC, [], "a", "unknown_channel"),
        (INTERLEAVED, [], "a", "channels_interleaved"),
        (SEPARATE, [], "c", "unknown_channel"),
        (SEPARATE, [wish(1, CloseChannel("a"))], "a", "channel_ended"),
    ],
)
def test_end_that_ends_nothing_is_refused(
    spec: StreamSpec, before: list[Any], channel: str, code: str
) -> None:
    stream = started_stream(spec=spec)
    drive(stream, *before)
    letter, *_ = drive(stream, wish(len(before) + 1, CloseChannel(channel)))
    assert isinstance(letter, DeadLetter)
    assert letter.code == code


def test_chunk_behind_the_end_of_its_channel_is_refused() -> None:
    stream = separate()
    drive(stream, wish(1, CloseChannel("a")))
    letter, *_ = drive(stream, chunk(2, "a"))
    reason = "channel 'a' was ended by message 1"
    assert letter == DeadLetter(2, "channel_ended", reason)


def test_next_session_is_told_of_the_channels_that_have_ended() -> None:
    stream = separate()
    drive(stream, chunk(1, "a"), wish(2, CloseChannel("a")), chunk(3, "b"))
    drive(stream, final(0.1, channel="a"), Published(2), ConnectionLost(1006, "gone"))
    outputs = resume(stream, "u2", now=1.0)
    assert outputs[1:] == [EndChannelAudio("a", 0), SendAudio(audio(3), "b")]


def test_next_session_that_hears_a_channel_again_hears_its_end_again() -> None:
    stream = separate()
    drive(stream, chunk(1, "a"), wish(2, CloseChannel("a")), ConnectionLost(1006, "gone"))
    outputs = resume(stream, "u2", now=1.0)
    assert outputs[1:] == [SendAudio(audio(1), "a"), EndChannelAudio("a", 1)]


def test_successor_knows_which_channels_have_ended() -> None:
    first = separate()
    drive(first, chunk(1, "a"), wish(2, CloseChannel("a")), chunk(3, "b"))
    outputs = drive(first, final(0.1, channel="a"))
    left = newest_checkpoint(outputs)
    assert left.channels["a"] == ChannelMark(CHUNK, 0.1, 1, has_ended=True)
    second = separate(checkpoint=left)
    assert drive(second, chunk(3, "b", tag=1)) == [SendAudio(audio(3), "b")]
    letter, *_ = drive(second, chunk(4, "a", tag=2))
    assert letter == DeadLetter(2, "channel_ended", "channel 'a' was ended by message 2")


# -- commands ------------------------------------------------------------------------------------


def test_utterance_is_ended_in_one_channel_or_in_all_that_are_open() -> None:
    stream = separate()
    drive(stream, chunk(1, "a"))
    assert drive(stream, wish(2, ForceUtterance(0.1, "a"))) == [
        SendCommand(ForceUtterance(0.1, "a"))
    ]
    assert drive(stream, wish(3, ForceUtterance())) == [
        SendCommand(ForceUtterance(None, "a")),
        SendCommand(ForceUtterance(None, "b")),
    ]
    drive(stream, wish(4, CloseChannel("a")))
    assert drive(stream, wish(5, ForceUtterance())) == [SendCommand(ForceUtterance(None, "b"))]
    assert drive(stream, wish(6, ForceUtterance(None, "a"))) == []


@pytest.mark.parametrize(("spec", "channel"), [(SPEC, "a"), (SEPARATE, "c"), (INTERLEAVED, "c")])
def test_utterance_of_no_channel_is_refused(spec: StreamSpec, channel: str) -> None:
    letter, *_ = drive(started_stream(spec=spec), wish(1, ForceUtterance(None, channel)))
    assert isinstance(letter, DeadLetter)
    assert letter.code == "unknown_channel"


def test_time_of_a_forced_end_is_moved_by_the_origin_of_its_channel() -> None:
    stream = separate()
    drive(stream, chunk(1, "a"), chunk(2, "b"), final(0.1, channel="a"), Published(2))
    drive(stream, ConnectionLost(1006, "gone"))
    resume(stream, "u2", now=1.0)
    assert drive(stream, wish(3, ForceUtterance(0.15))) == [
        SendCommand(ForceUtterance(0.05, "a")),
        SendCommand(ForceUtterance(0.15, "b")),
    ]


def test_two_channels_may_have_a_voice_each_under_one_label() -> None:
    config = {**SEPARATE.transcription_config, "diarization": "channel_and_speaker"}
    spec = replace(SEPARATE, transcription_config=config)
    stream = started_stream(spec=spec)
    drive(stream, wish(1, TellSpeakers()))
    told = SpeakersReceived([Speaker("S1", ["x"]), Speaker("S1", ["y"])])
    [answer] = published(drive(stream, told))
    assert answer == events.SpeakersResult(
        "s",
        [
            {"label": "S1", "speaker_identifiers": ["x"]},
            {"label": "S1", "speaker_identifiers": ["y"]},
        ],
    )


def test_suspended_channels_go_on_where_each_was() -> None:
    stream = separate(suspend_after=10.0)
    drive(stream, chunk(1, "a"), chunk(2, "b"), chunk(3, "b"))
    drive(stream, *(ChannelAudioAdded(n, c) for n, c in ((1, "a"), (2, "b"))))
    outputs = drive(stream, DeadlinePassed(), now=10.0)
    assert outputs == [EndChannelAudio("a", 1), EndChannelAudio("b", 2)]
    outputs = drive(stream, TranscriptEnded(), now=10.0)
    left = newest_checkpoint(outputs)
    assert left.channels == {"a": ChannelMark(CHUNK, 0.1), "b": ChannelMark(2 * CHUNK, 0.2)}
    drive(stream, DeadLettered(99), chunk(4, "a"), now=20.0)
    assert stream._placement.timeline.tracks["b"].sent == 2 * CHUNK
