"""Sessions with the ledger engine, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.protocol.emulator.client import (
    connected,
    next_message,
    only,
    recognise,
    rest,
    send,
    spans,
    start,
    transcript,
    until,
    words,
)

from speechmq_emulator.engine import Emit
from speechmq_emulator.ledger import encode
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.server import Emulator, serve
from speechmq_emulator.speech.events import ChunkTaken, Ended


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve("ledger") as running:
        yield running


def blocks(numbers: Sequence[int], *, first: float = 0.0) -> list[tuple[str, float, float]]:
    return [
        (f"w{number}", round(first + i * 0.2, 6), round(first + (i + 1) * 0.2, 6))
        for i, number in enumerate(numbers)
    ]


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le", "mulaw"])
@pytest.mark.parametrize("rate", [8000, 44100])
async def test_numbers_come_back_as_words(emulator: Emulator, encoding: str, rate: int) -> None:
    numbers = list(range(1000, 1020))
    audio = encode(numbers, sample_rate=rate, encoding=encoding)
    audio_format = {"type": "raw", "encoding": encoding, "sample_rate": rate}
    messages = await recognise(emulator.url, audio, chunk=1111, audio_format=audio_format)
    assert words(messages) == blocks(numbers)
    assert transcript(messages) == "".join(f"w{number} " for number in numbers)
    assert messages[-1] == {"message": "EndOfTranscript"}


async def test_every_chunk_is_confirmed_in_order(emulator: Emulator) -> None:
    messages = await recognise(emulator.url, bytes(32_000), chunk=1000)
    assert [m["seq_no"] for m in only(messages, "AudioAdded")] == list(range(1, 33))


async def test_finals_tile_the_audio_to_its_end(emulator: Emulator) -> None:
    audio = encode([None, 1, 2, None, None, None, 3]) + bytes(1234)
    messages = await recognise(emulator.url, audio)
    ends = [end for _, end in spans(messages)]
    assert [begin for begin, _ in spans(messages)] == [0.0, *ends[:-1]]
    assert ends[-1] == len(audio) / 32_000


async def test_utterance_ends_behind_the_final_that_closes_it(emulator: Emulator) -> None:
    audio = encode([1, None, None, 2])
    config = {"end_of_utterance_silence_trigger": 0.3}
    messages = await recognise(emulator.url, audio, conversation_config=config)
    names = ("AddTranscript", "EndOfUtterance")
    assert [
        (m["message"], m["metadata"]["end_time"]) for m in messages if m["message"] in names
    ] == [
        ("AddTranscript", 0.2),
        ("AddTranscript", 0.42),
        ("EndOfUtterance", 0.5),
        ("AddTranscript", 0.8),
    ]


async def test_partials_come_only_when_asked_for(emulator: Emulator) -> None:
    audio = encode([1, 2])
    without = await recognise(emulator.url, audio)
    with_partials = await recognise(emulator.url, audio, enable_partials=True)
    assert only(without, "AddPartialTranscript") == []
    (partial,) = only(with_partials, "AddPartialTranscript")
    assert partial["metadata"] == {"end_time": 0.2, "start_time": 0.0, "transcript": "w1"}


async def test_sixty_sessions_at_once_keep_their_words_apart(emulator: Emulator) -> None:
    numbers = [list(range(100 * i, 100 * i + 10)) for i in range(60)]
    sessions = [recognise(emulator.url, encode(mine)) for mine in numbers]
    results = await asyncio.gather(*sessions)
    assert [words(messages) for messages in results] == [blocks(mine) for mine in numbers]
    await until(lambda: emulator.open_connections == 0)
    assert [round(s.audio_seconds, 3) for s in emulator.sessions] == [2.0] * 60
    assert {s.close_code for s in emulator.sessions} == {1000}


async def test_wrong_count_at_the_end_is_a_protocol_error(emulator: Emulator) -> None:
    async with connected(emulator.url) as socket:
        await start(socket)
        await socket.send(bytes(100))
        await send(socket, "EndOfStream", last_seq_no=2)
        error = (await rest(socket))[-1]
    assert (error["message"], error["type"]) == ("Error", "protocol_error")
    assert error["reason"].startswith("EndOfStream.last_seq_no is 2, but 1 chunks came")
    assert (socket.close_code, socket.close_reason) == (1003, "protocol_error")


async def test_client_that_vanishes_leaves_nothing_open(emulator: Emulator) -> None:
    async with connected(emulator.url) as socket:
        await start(socket)
        await socket.send(encode([1]))
        await next_message(socket, "AudioAdded")
        socket.transport.abort()
    await until(lambda: emulator.open_connections == 0)
    (session,) = emulator.sessions
    assert (session.chunks, session.audio_seconds, session.close_code) == (1, 0.2, 1006)


class StubbornStream:
    """Takes no chunk before it is told to; then all at once."""

    def __init__(self, emit: Emit) -> None:
        self.may_take = asyncio.Event()
        self.fed = 0
        self._emit = emit

    async def feed(self, audio: bytes) -> None:
        self.fed += 1
        await self.may_take.wait()
        self._emit(ChunkTaken())

    async def end_utterance(self, at: float | None) -> None: ...

    async def configure(self, config: TranscriptionConfig) -> None: ...

    async def tell_speakers(self) -> None: ...

    async def finish(self) -> None:
        self._emit(Ended())


class StubbornEngine:
    name = "stubborn"
    quota = 1

    def __init__(self) -> None:
        self.streams: list[StubbornStream] = []

    def speaks(self, language: str) -> bool:
        return True

    @asynccontextmanager
    async def stream(self, start: StartRecognition, emit: Emit) -> AsyncIterator[StubbornStream]:
        self.streams.append(StubbornStream(emit))
        yield self.streams[-1]


async def test_engine_that_takes_nothing_makes_the_client_wait() -> None:
    engine = StubbornEngine()
    chunk, chunks = bytes(100_000), 400
    async with serve(engine) as emulator, connected(emulator.url) as socket:
        await start(socket)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await _send_all(socket, chunk, chunks)
        (stream,) = engine.streams
        assert stream.fed == 1
        stream.may_take.set()
        seq_no = (await next_message(socket, "AudioAdded"))["seq_no"]
        socket.transport.abort()
    assert seq_no == 1
    assert emulator.sessions[0].chunks < chunks


async def _send_all(socket: Any, chunk: bytes, chunks: int) -> None:
    for _ in range(chunks):
        await socket.send(chunk)
