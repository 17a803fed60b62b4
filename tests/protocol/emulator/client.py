"""A client of the emulator by nothing but ``websockets``: what any stranger would write."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Message = dict[str, Any]
KEY = {"Authorization": "Bearer dev"}
RAW = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 16000}


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[ClientConnection]:
    async with connect(url, additional_headers=KEY, compression=None) as socket:
        yield socket


async def next_message(socket: ClientConnection, *names: str) -> Message:
    """The next message of one of these names; the others are skipped."""
    async with asyncio.timeout(30):
        while True:
            message: Message = json.loads(await socket.recv())
            if message["message"] in names:
                return message


async def start(
    socket: ClientConnection, audio_format: dict[str, Any] = RAW, **transcription_config: Any
) -> Message:
    """Start recognition; the ``RecognitionStarted`` or ``Error`` that answers."""
    await send(
        socket,
        "StartRecognition",
        audio_format=audio_format,
        transcription_config={"language": "en", **transcription_config},
    )
    return await next_message(socket, "RecognitionStarted", "Error")


async def send(socket: ClientConnection, name: str, **fields: Any) -> None:
    await socket.send(json.dumps({"message": name, **fields}))


async def rest(socket: ClientConnection) -> list[Message]:
    """All messages up to the close."""
    messages = []
    async with asyncio.timeout(50):
        try:
            while True:
                messages.append(json.loads(await socket.recv()))
        except ConnectionClosed:
            return messages


async def recognise(
    url: str,
    audio: bytes,
    *,
    chunk: int = 3200,
    audio_format: dict[str, Any] = RAW,
    **transcription_config: Any,
) -> list[Message]:
    """A whole session as fast as the server takes it; all messages behind the start."""
    async with connected(url) as socket:
        await start(socket, audio_format, **transcription_config)
        chunks = [audio[at : at + chunk] for at in range(0, len(audio), chunk)]
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(rest(socket))
            for piece in chunks:
                await socket.send(piece)
            await send(socket, "EndOfStream", last_seq_no=len(chunks))
        assert socket.close_code == 1000
        return reading.result()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what no event tells."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def lives(process: psutil.Process) -> bool:
    """False for a zombie too: who reaps orphans is not ours to say."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def only(messages: Iterable[Message], name: str) -> list[Message]:
    return [message for message in messages if message["message"] == name]


def transcript(messages: Iterable[Message]) -> str:
    return "".join(m["metadata"]["transcript"] for m in only(messages, "AddTranscript"))


def words(messages: Iterable[Message]) -> list[tuple[str, float, float]]:
    """Content, start and end of each final word."""
    return [
        (result["alternatives"][0]["content"], result["start_time"], result["end_time"])
        for message in only(messages, "AddTranscript")
        for result in message["results"]
        if result["type"] == "word"
    ]


def spans(messages: Iterable[Message]) -> list[tuple[float, float]]:
    """Start and end of each final."""
    return [
        (m["metadata"]["start_time"], m["metadata"]["end_time"])
        for m in only(messages, "AddTranscript")
    ]
