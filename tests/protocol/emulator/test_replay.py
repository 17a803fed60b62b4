"""A recorded session, played to a client at the pace of its audio."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.protocol.emulator.client import (
    Message,
    connected,
    next_message,
    recognise,
    send,
    start,
)

from speechmq_emulator.replay import ReplayEngine
from speechmq_emulator.server import Emulator, serve


def final(begin: float, end: float, text: str) -> Message:
    word = {
        "alternatives": [{"confidence": 0.9, "content": text, "language": "en"}],
        "end_time": end,
        "start_time": begin,
        "type": "word",
    }
    metadata = {"end_time": end, "start_time": begin, "transcript": f"{text} "}
    return {"message": "AddTranscript", "format": "2.9", "results": [word], "metadata": metadata}


FIRST, SECOND = final(0.0, 0.4, "good"), final(0.4, 0.9, "day")
RECORDED: list[tuple[float, dict[str, Any]]] = [
    (0.0, {"message": "AudioFormat", "encoding": "pcm_s16le"}),
    (0.0, {"message": "RecognitionStarted", "id": "of another session"}),
    (0.6, {"message": "AudioAdded", "seq_no": 17}),
    (0.6, FIRST),
    (1.0, SECOND),
    (1.0, {"message": "EndOfTranscript"}),
]


@pytest.fixture
async def emulator(tmp_path: Path) -> AsyncIterator[Emulator]:
    path = tmp_path / "session.jsonl"
    lines = (json.dumps({"ts": at, "audio_ts": at, "payload": told}) for at, told in RECORDED)
    path.write_text("\n".join(lines))
    async with serve(ReplayEngine(path)) as running:
        yield running


def added(seq_no: int) -> Message:
    return {"message": "AudioAdded", "seq_no": seq_no}


async def test_recording_is_played_at_its_places_in_the_audio(emulator: Emulator) -> None:
    messages = await recognise(emulator.url, bytes(32_000), chunk=9600)
    end = {"message": "EndOfTranscript"}
    assert messages == [added(1), added(2), FIRST, added(3), added(4), SECOND, end]


async def test_message_waits_for_its_audio(emulator: Emulator) -> None:
    async with connected(emulator.url) as socket:
        await start(socket)
        await socket.send(bytes(19_100))
        assert await next_message(socket, "AudioAdded", "AddTranscript") == added(1)
        await socket.send(bytes(100))
        assert await next_message(socket, "AudioAdded", "AddTranscript") == added(2)
        assert await next_message(socket, "AudioAdded", "AddTranscript") == FIRST
        await send(socket, "EndOfStream", last_seq_no=2)


async def test_question_about_speakers_is_answered_by_none(emulator: Emulator) -> None:
    async with connected(emulator.url) as socket:
        await start(socket, diarization="speaker")
        await send(socket, "GetSpeakers")
        answer = await next_message(socket, "SpeakersResult")
    assert answer == {"message": "SpeakersResult", "speakers": []}
