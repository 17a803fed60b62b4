"""What a client asks for mid-session reaches the worker and takes effect at its place."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.protocol.emulator.client import Message, connected, next_message, only, rest, send, start
from tests.protocol.emulator.sphinx_speech import SECOND, SENTENCE, read_wav

from speechmq_emulator.server import Emulator, serve

SPEECH = read_wav(SENTENCE)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve("sphinx", workers=2) as running:
        yield running


async def send_audio(socket: Any, audio: bytes) -> int:
    chunks = [audio[at : at + 3200] for at in range(0, len(audio), 3200)]
    for chunk in chunks:
        await socket.send(chunk)
    return len(chunks)


async def session(emulator: Emulator, command: tuple[str, dict[str, Any]], **config: Any) -> Any:
    """Half of the speech, the command, the other half: all messages."""
    async with connected(emulator.url) as socket:
        await start(socket, **config)
        half = len(SPEECH) // 2 // 3200 * 3200
        sent = await send_audio(socket, SPEECH[:half])
        await send(socket, command[0], **command[1])
        sent += await send_audio(socket, SPEECH[half:])
        await send(socket, "EndOfStream", last_seq_no=sent)
        return await rest(socket)


def ended(messages: list[Message]) -> tuple[Message, Message]:
    """The one ``EndOfUtterance`` and the final before it."""
    (message,) = only(messages, "EndOfUtterance")
    return message, only(messages[: messages.index(message)], "AddTranscript")[-1]


async def test_utterance_is_ended_behind_the_audio_sent_before(emulator: Emulator) -> None:
    message, final = ended(await session(emulator, ("ForceEndOfUtterance", {})))
    at = len(SPEECH) // 2 // 3200 * 0.1
    assert message["metadata"]["end_time"] == pytest.approx(at)
    assert final["metadata"]["end_time"] == pytest.approx(at)


async def test_utterance_is_ended_at_the_time_asked_for(emulator: Emulator) -> None:
    message, final = ended(await session(emulator, ("ForceEndOfUtterance", {"timestamp": 3.5})))
    assert message["metadata"]["end_time"] == 3.5
    assert final["metadata"]["end_time"] == 3.5


async def test_speakers_are_told_when_asked_for(emulator: Emulator) -> None:
    messages = await session(emulator, ("GetSpeakers", {}), diarization="speaker", max_delay=0.7)
    (told,) = only(messages, "SpeakersResult")
    assert [speaker["label"] for speaker in told["speakers"]] == ["S1"]
    assert messages.index(told) < messages.index(only(messages, "AddTranscript")[-1])


async def test_new_configuration_takes_effect(emulator: Emulator) -> None:
    config = {"language": "en", "enable_partials": True}
    command = ("SetRecognitionConfig", {"transcription_config": config})
    messages = await session(emulator, command)
    begins = [m["metadata"]["end_time"] for m in only(messages, "AddPartialTranscript")]
    assert begins
    assert min(begins) >= len(SPEECH) // 2 // 3200 * 0.1 - 0.1


async def test_file_that_is_none_ends_the_session_alone(emulator: Emulator) -> None:
    async with connected(emulator.url) as broken, connected(emulator.url) as other:
        await start(broken, {"type": "file"})
        await start(other)
        await broken.send(b"this is not audio at all" * 200)
        await send(broken, "EndOfStream", last_seq_no=1)
        error = await next_message(broken, "Error")
        assert error["type"] == "invalid_audio_type"
        await rest(broken)
        await other.send(bytes(SECOND))
        await send(other, "EndOfStream", last_seq_no=1)
        assert (await rest(other))[-1] == {"message": "EndOfTranscript"}
