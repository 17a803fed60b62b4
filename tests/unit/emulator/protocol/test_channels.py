"""Sessions with named channels."""

import pytest
from tests.unit.emulator.protocol.sessions import (
    add_channel_audio,
    end_of_channel,
    end_of_stream,
    message,
    new_session,
    recognising_session,
    refused,
    session_with_channels,
    start,
    start_fields,
    warned,
)

from speechmq_emulator.protocol.config import StartRecognition
from speechmq_emulator.protocol.errors import ErrorType, Refusal
from speechmq_emulator.protocol.limits import Limits
from speechmq_emulator.protocol.outputs import (
    Close,
    EndUtterance,
    FeedEngine,
    FinishEngine,
    OpenEngine,
    Send,
)
from speechmq_emulator.speech.events import ChunkTaken, Ended

TWO = {"diarization": "channel", "channel_diarization_labels": ["a", "b"]}
END = [Send({"message": "EndOfTranscript"}), Close(1000, "")]


def added(channel: str, seq_no: int) -> Send:
    return Send({"message": "ChannelAudioAdded", "seq_no": seq_no, "channel": channel})


def test_session_starts_when_all_channels_have() -> None:
    session = new_session()
    opened = StartRecognition.model_validate(start_fields(**TWO))
    assert session.receive(start(**TWO)) == [OpenEngine(opened, "a"), OpenEngine(opened, "b")]
    assert session.engine_started("a") == []
    (started,) = session.engine_started("b")
    assert isinstance(started, Send)
    assert started.message["message"] == "RecognitionStarted"
    assert started.message["channel_ids"] == ["a", "b"]


def test_refusal_of_one_channel_ends_the_session() -> None:
    session = new_session()
    session.receive(start(**TWO))
    session.engine_started("a")
    full = Refusal(ErrorType.QUOTA_EXCEEDED, "full")
    assert session.refused(full) == refused("quota_exceeded", 4005, "full")


def test_channels_count_their_chunks_each() -> None:
    session = session_with_channels("a", "b")
    assert session.receive(add_channel_audio("a", "AAE=")) == [FeedEngine(b"\0\1", "a")]
    assert session.receive(add_channel_audio("b")) == [FeedEngine(b"\0\0", "b")]
    assert session.receive(add_channel_audio("a")) == [FeedEngine(b"\0\0", "a")]
    assert session.recognised(ChunkTaken(), "b") == [added("b", 1)]
    assert session.recognised(ChunkTaken(), "a") == [added("a", 1)]
    assert session.recognised(ChunkTaken(), "a") == [added("a", 2)]


def test_session_ends_when_every_channel_has() -> None:
    session = session_with_channels("a", "b")
    session.receive(add_channel_audio("a"))
    session.recognised(ChunkTaken(), "a")
    assert session.receive(end_of_channel("a", 1)) == [FinishEngine("a")]
    assert session.recognised(Ended(), "a") == []
    assert session.receive(add_channel_audio("b")) == [FeedEngine(b"\0\0", "b")]
    assert session.receive(end_of_channel("b", 1)) == [FinishEngine("b")]
    session.recognised(ChunkTaken(), "b")
    assert session.recognised(Ended(), "b") == END


def test_end_of_stream_ends_all_open_channels() -> None:
    session = session_with_channels("a", "b")
    session.receive(add_channel_audio("a"))
    session.receive(add_channel_audio("b"))
    session.receive(end_of_channel("a", 1))
    assert session.receive(end_of_stream(2)) == [FinishEngine("b")]
    assert session.recognised(Ended(), "b") == []
    assert session.recognised(Ended(), "a") == END


def test_end_of_stream_counts_the_chunks_of_all_channels() -> None:
    session = session_with_channels("a", "b")
    session.receive(add_channel_audio("a"))
    reason = (
        "EndOfStream.last_seq_no is 0, but 1 chunks came; "
        "it must be the number of AddChannelAudio messages sent"
    )
    assert session.receive(end_of_stream(0)) == refused("protocol_error", 1003, reason)


def test_end_of_channel_counts_the_chunks_of_its_channel() -> None:
    session = session_with_channels("a", "b")
    session.receive(add_channel_audio("a"))
    reason = (
        "EndOfChannel.last_seq_no is 1, but 0 chunks came; "
        "it must be the number of AddChannelAudio messages of the channel sent"
    )
    assert session.receive(end_of_channel("b", 1)) == refused("protocol_error", 1003, reason)


def test_second_end_of_a_channel_is_a_protocol_error() -> None:
    session = session_with_channels("a", "b")
    session.receive(end_of_channel("a", 0))
    reason = "EndOfChannel: 'a' has ended already"
    assert session.receive(end_of_channel("a", 0)) == refused("protocol_error", 1003, reason)


def test_audio_behind_the_end_of_its_channel_is_warned_about_and_ignored() -> None:
    session = session_with_channels("a", "b")
    session.receive(end_of_channel("a", 0))
    reason = "AddChannelAudio behind EndOfChannel is ignored"
    assert session.receive(add_channel_audio("a")) == [warned("add_audio_after_eos", reason)]


def test_audio_behind_the_last_end_of_a_channel_is_behind_the_stream() -> None:
    session = session_with_channels("a")
    session.receive(end_of_channel("a", 0))
    reason = "AddChannelAudio behind EndOfStream is ignored"
    assert session.receive(add_channel_audio("a")) == [warned("add_audio_after_eos", reason)]


def test_audio_limit_of_one_channel_ends_them_all() -> None:
    session = recognising_session(Limits(duration=0.001), **TWO)
    session.receive(add_channel_audio("a"))
    too_long = add_channel_audio("b", "AAAA" * 1000)
    reason = "The limit of 0.001 s of audio is exceeded: what follows is ignored"
    assert session.receive(too_long) == [
        warned("duration_limit_exceeded", reason, duration_limit=0.001),
        added("b", 1),
        FinishEngine("a"),
        FinishEngine("b"),
    ]
    assert session.recognised(ChunkTaken(), "a") == [added("a", 1)]
    assert session.receive(add_channel_audio("a")) == [added("a", 2)]
    assert session.receive(end_of_channel("a", 2)) == []
    assert session.receive(end_of_channel("b", 1)) == []
    assert session.recognised(Ended(), "a") == []
    assert session.recognised(Ended(), "b") == END


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            add_channel_audio("c"),
            "AddChannelAudio.channel is 'c', but this session has 'a', 'b'",
        ),
        (end_of_channel("c", 0), "EndOfChannel.channel is 'c', but this session has 'a', 'b'"),
        (
            message("ForceEndOfUtterance", channel="c"),
            "ForceEndOfUtterance.channel is 'c', but this session has 'a', 'b'",
        ),
        (
            message("ForceEndOfUtterance"),
            "ForceEndOfUtterance names no channel, but this session has 'a', 'b'",
        ),
        (b"\0\0", "AddAudio names no channel, but this session has 'a', 'b'"),
    ],
)
def test_channel_that_is_not_there_is_a_protocol_error(text: str | bytes, reason: str) -> None:
    session = session_with_channels("a", "b")
    assert session.receive(text) == refused("protocol_error", 1003, reason)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (add_channel_audio("a"), "AddChannelAudio"),
        (end_of_channel("a", 0), "EndOfChannel"),
        (message("ForceEndOfUtterance", channel="a"), "ForceEndOfUtterance"),
    ],
)
def test_channel_in_a_session_without_any_is_a_protocol_error(text: str, name: str) -> None:
    reason = f"{name}.channel is 'a', but this session has no channels"
    assert recognising_session().receive(text) == refused("protocol_error", 1003, reason)


def test_end_of_utterance_is_forced_in_its_channel() -> None:
    session = session_with_channels("a", "b")
    text = message("ForceEndOfUtterance", channel="b", timestamp=1.5)
    assert session.receive(text) == [EndUtterance(1.5, "b")]


def test_end_of_utterance_behind_the_end_of_its_channel_is_a_protocol_error() -> None:
    session = session_with_channels("a", "b")
    session.receive(end_of_channel("a", 0))
    text = message("ForceEndOfUtterance", channel="a")
    reason = "ForceEndOfUtterance: 'a' has ended already"
    assert session.receive(text) == refused("protocol_error", 1003, reason)


def test_audio_of_the_longest_channel_is_the_sessions() -> None:
    session = session_with_channels("a", "b")
    session.receive(add_channel_audio("a", "AAAA" * 800))
    session.receive(add_channel_audio("b"))
    assert session.audio_seconds == 0.075
