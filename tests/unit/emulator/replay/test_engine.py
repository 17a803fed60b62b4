"""Recorded messages come when the audio has reached their place."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from speechmq_emulator.in_process import InProcessStream
from speechmq_emulator.protocol.config import StartRecognition
from speechmq_emulator.protocol.errors import ErrorType, Refusal
from speechmq_emulator.replay import ReplayEngine
from speechmq_emulator.speech.events import ChunkTaken, Ended, EngineEvent, Recorded

TENTH = bytes(1600)
"""0.1 s at 8 kHz."""


@pytest.fixture
def engine(tmp_path: Path) -> ReplayEngine:
    """Replays messages named for the places where they come."""
    path = tmp_path / "session.jsonl"
    places = (0.1, 0.1, 0.25, 0.4)
    path.write_text(
        "\n".join(
            json.dumps({"ts": 0.0, "audio_ts": at, "payload": {"message": f"at {at}"}})
            for at in places
        )
    )
    return ReplayEngine(path)


@pytest.fixture
def heard() -> list[EngineEvent]:
    return []


@pytest.fixture
async def stream(engine: ReplayEngine, heard: list[EngineEvent]) -> AsyncIterator[InProcessStream]:
    async with engine.stream(start(), heard.append) as opened:
        yield opened


def start(**config: Any) -> StartRecognition:
    return StartRecognition.model_validate(
        {
            "message": "StartRecognition",
            "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000},
            "transcription_config": {"language": "cy", **config},
        }
    )


def recorded(at: float) -> Recorded:
    return Recorded({"message": f"at {at}"})


async def test_messages_come_when_their_audio_has(
    stream: InProcessStream, heard: list[EngineEvent]
) -> None:
    for _ in range(4):
        await stream.feed(TENTH)
    assert heard == [
        ChunkTaken(),
        recorded(0.1),
        recorded(0.1),
        ChunkTaken(),
        ChunkTaken(),
        recorded(0.25),
        ChunkTaken(),
        recorded(0.4),
    ]


async def test_shorter_audio_leaves_the_rest_unsaid(
    stream: InProcessStream, heard: list[EngineEvent]
) -> None:
    await stream.feed(TENTH * 2)
    await stream.finish()
    assert heard == [ChunkTaken(), recorded(0.1), recorded(0.1), Ended()]


async def test_audio_that_lacks_no_more_than_a_chunk_gets_the_rest(
    stream: InProcessStream, heard: list[EngineEvent]
) -> None:
    await stream.feed(TENTH * 3)
    await stream.finish()
    assert heard == [
        ChunkTaken(),
        recorded(0.1),
        recorded(0.1),
        recorded(0.25),
        recorded(0.4),
        Ended(),
    ]


async def test_recording_answers_no_new_question(
    stream: InProcessStream, heard: list[EngineEvent]
) -> None:
    await stream.configure(start(enable_partials=True).transcription_config)
    await stream.end_utterance(None)
    assert heard == []


async def test_sessions_play_apart(engine: ReplayEngine) -> None:
    for _ in range(2):
        heard: list[EngineEvent] = []
        async with engine.stream(start(), heard.append) as stream:
            await stream.feed(TENTH)
        assert heard == [ChunkTaken(), recorded(0.1), recorded(0.1)]


async def test_session_with_several_channels_is_refused(engine: ReplayEngine) -> None:
    opening = engine.stream(start(diarization="channel"), lambda event: None)
    with pytest.raises(Refusal) as refusal:
        async with opening:
            pytest.fail("it was opened")
    assert refusal.value.type is ErrorType.INVALID_CONFIG


def test_engine_speaks_every_language(engine: ReplayEngine) -> None:
    assert engine.speaks("cy")
