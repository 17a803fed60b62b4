"""Commands, and engines that fail, over real sockets."""

import logging

import pytest
from tests.protocol.emulator.client import (
    connected,
    next_message,
    rest,
    send,
    start,
)
from tests.protocol.emulator.scripted import ScriptedEngine

from speechmq_emulator.protocol.errors import ErrorType, Refusal
from speechmq_emulator.server import Emulator, serve
from speechmq_emulator.speech.events import ChunkTaken, Ended, EngineEvent, Failed

CRASHED = "The emulator failed ({}); its log has the traceback"


async def test_commands_reach_the_engine_at_their_place_in_the_audio() -> None:
    engine = ScriptedEngine()
    async with serve(engine) as emulator, connected(emulator.url) as socket:
        await start(socket, diarization="speaker")
        await socket.send(b"one")
        await send(socket, "ForceEndOfUtterance", timestamp=1.5)
        await socket.send(b"two")
        await send(socket, "SetRecognitionConfig", transcription_config={"max_delay": 2})
        await send(socket, "GetSpeakers")
        await socket.send(b"three")
        await send(socket, "EndOfStream", last_seq_no=3)
        messages = await rest(socket)
    assert engine.streams[0].asked == [
        ("feed", b"one"),
        ("end_utterance", 1.5),
        ("feed", b"two"),
        ("configure", 2.0),
        ("tell_speakers", None),
        ("feed", b"three"),
        ("finish", None),
    ]
    assert messages == [
        {"message": "AudioAdded", "seq_no": 1},
        {"message": "AudioAdded", "seq_no": 2},
        {"message": "SpeakersResult", "speakers": []},
        {"message": "AudioAdded", "seq_no": 3},
        {"message": "EndOfTranscript"},
    ]


async def end_of_session(
    engine: ScriptedEngine, caplog: pytest.LogCaptureFixture
) -> tuple[str, str, int]:
    """Type and reason of the error, and the close code, when one chunk is sent."""
    with caplog.at_level(logging.CRITICAL):
        async with serve(engine) as emulator, connected(emulator.url) as socket:
            answer = await start(socket)
            if answer["message"] != "Error":
                await socket.send(b"audio")
                answer = await next_message(socket, "Error")
            assert await rest(socket) == []
            assert socket.close_code is not None
            await _still_serves(emulator)
    assert engine.open == 0
    return answer["type"], answer["reason"], socket.close_code


async def _still_serves(emulator: Emulator) -> None:
    async with connected(emulator.url) as socket:
        await next_message(socket, "Info")


async def test_engine_that_can_not_go_on_is_a_job_error(caplog: pytest.LogCaptureFixture) -> None:
    engine = ScriptedEngine(lambda _: [Failed("It died")])
    assert await end_of_session(engine, caplog) == ("job_error", "It died", 4013)


async def test_engine_that_crashes_is_an_unknown_error(caplog: pytest.LogCaptureFixture) -> None:
    def crash(_: bytes) -> list[EngineEvent]:
        raise ZeroDivisionError

    reason = CRASHED.format("ZeroDivisionError")
    outcome = await end_of_session(ScriptedEngine(crash), caplog)
    assert outcome == ("unknown_error", reason, 1011)


async def test_engine_that_crashes_at_its_start_is_an_unknown_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def crash() -> None:
        raise ZeroDivisionError

    reason = CRASHED.format("ZeroDivisionError")
    outcome = await end_of_session(ScriptedEngine(on_open=crash), caplog)
    assert outcome == ("unknown_error", reason, 1011)


async def test_engine_that_refuses_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    def refuse() -> None:
        raise Refusal(ErrorType.JOB_ERROR, "Not today")

    outcome = await end_of_session(ScriptedEngine(on_open=refuse), caplog)
    assert outcome == ("job_error", "Not today", 4013)


async def test_engine_that_ends_too_early_is_an_unknown_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = ScriptedEngine(lambda _: [Ended(), ChunkTaken()])
    reason = CRASHED.format("RuntimeError")
    assert await end_of_session(engine, caplog) == ("unknown_error", reason, 1011)
