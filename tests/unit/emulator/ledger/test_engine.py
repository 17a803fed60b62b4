"""A ledger stream reports for every chunk, and ends when all is said."""

from typing import Any

import pytest

from speechmq_emulator.ledger import encode
from speechmq_emulator.ledger.engine import LedgerEngine
from speechmq_emulator.ledger.voices import identifier
from speechmq_emulator.protocol.config import StartRecognition
from speechmq_emulator.protocol.errors import ErrorType, Refusal
from speechmq_emulator.speech.events import (
    ChunkTaken,
    Ended,
    EngineEvent,
    Failed,
    Final,
    Speakers,
    SpeakerVoices,
    Word,
)

RAW = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 16000}


def start(audio_format: dict[str, Any] = RAW, **config: Any) -> StartRecognition:
    return StartRecognition.model_validate(
        {
            "message": "StartRecognition",
            "audio_format": audio_format,
            "transcription_config": {"language": "en", **config},
        }
    )


async def stream_events(
    audio: bytes, audio_format: dict[str, Any] = RAW, **config: Any
) -> list[EngineEvent]:
    events: list[EngineEvent] = []
    opening = LedgerEngine().stream(start(audio_format, **config), events.append)
    async with opening as stream:
        await stream.feed(audio)
        await stream.finish()
    return events


async def test_stream_confirms_the_chunk_and_covers_the_last_part_of_a_block() -> None:
    assert await stream_events(encode([1, 2])[:9600]) == [
        ChunkTaken(),
        Final(0.0, 0.2, (Word("w1", 0.0, 0.2),)),
        Final(0.2, 0.3),
        Ended(),
    ]


async def test_stream_without_audio_ends_without_a_final() -> None:
    assert await stream_events(b"") == [ChunkTaken(), Ended()]


async def test_voices_are_told_at_the_end_when_they_are_told_apart() -> None:
    events = await stream_events(encode([1]), diarization="speaker")
    voices = (SpeakerVoices("S1", (identifier(1),)),)
    assert events[-2:] == [Speakers(voices, final=True), Ended()]


async def test_file_that_is_none_fails_the_stream_once() -> None:
    events = await stream_events(bytes(range(256)) * 400, {"type": "file"})
    assert [type(event) for event in events] == [ChunkTaken, Failed]
    assert isinstance(events[1], Failed)
    assert events[1].type is ErrorType.INVALID_AUDIO_TYPE


async def test_replacement_that_is_no_pattern_is_refused() -> None:
    rules = {"replacements": [{"from": "/(/", "to": "x"}]}
    opening = LedgerEngine().stream(start(transcript_filtering_config=rules), lambda event: None)
    with pytest.raises(Refusal) as refusal:
        async with opening:
            pytest.fail("it was opened")
    assert refusal.value.type is ErrorType.INVALID_CONFIG


async def test_engine_refuses_a_stream_above_its_quota() -> None:
    engine = LedgerEngine(quota=1)
    async with engine.stream(start(), lambda event: None):
        with pytest.raises(Refusal) as refusal:
            async with engine.stream(start(), lambda event: None):
                pytest.fail("a second stream was taken")
    assert refusal.value.type is ErrorType.QUOTA_EXCEEDED
    async with engine.stream(start(), lambda event: None):
        """There is room again."""
