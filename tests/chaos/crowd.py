"""Publishers: streams in real time, each of a length of its own, one behind the other."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field

from tests.chaos.post import Post
from tests.support.speaker import BLOCK_SECONDS, RATE, start_of

from speechmq_emulator.ledger import encode
from speechmq_schemas import AudioChunk, EndStream, from_command

CHUNK_SECONDS = 0.1
CHUNK_BYTES = round(RATE * CHUNK_SECONDS) * 2


@dataclass
class Speech:
    """What one stream says. ``hold`` and ``repeat`` are seconds that its next chunk is to be late,
    or to come a second time after."""

    stream_id: str
    numbers: list[int]
    hold: float | None = None
    repeat: float | None = None
    sent_all: bool = False
    late: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def seconds(self) -> float:
        return len(self.numbers) * BLOCK_SECONDS

    @property
    def words(self) -> list[str]:
        return [f"w{number}" for number in self.numbers]


class Crowd:
    """Keeps ``count`` streams going; ``speeches`` has all that were begun."""

    def __init__(
        self, post: Post, dice: random.Random, count: int, lengths: tuple[float, float]
    ) -> None:
        self._post = post
        self._dice = dice
        self._count = count
        self._lengths = lengths
        self.speeches: dict[str, Speech] = {}
        self.may_begin = asyncio.Event()
        self.may_begin.set()

    def speaking(self) -> list[Speech]:
        """Those in the midst of it, in the order of their beginning."""
        return [one for one in self.speeches.values() if not one.sent_all]

    @property
    def has_late(self) -> bool:
        return any(one.late or one.hold for one in self.speaking())

    async def speak_until(self, deadline: float) -> None:
        """No stream begins behind ``deadline``, and none lasts for longer than it has to."""
        async with asyncio.TaskGroup() as tasks:
            for place in range(self._count):
                tasks.create_task(self._speak_on(place / self._count, deadline))

    async def _speak_on(self, delay: float, deadline: float) -> None:
        await asyncio.sleep(delay)
        while time.monotonic() < deadline:
            await self.may_begin.wait()
            await self._speak(self._next())

    def _next(self) -> Speech:
        number = len(self.speeches)
        blocks = round(self._dice.uniform(*self._lengths) / BLOCK_SECONDS)
        first = number * 10_000
        speech = Speech(f"s{number:04}", list(range(first, first + blocks)))
        self.speeches[speech.stream_id] = speech
        return speech

    async def _speak(self, speech: Speech) -> None:
        stream_id = speech.stream_id
        start = start_of(stream_id, additional_vocab=[{"content": stream_id}])
        await self._post.send(from_command(stream_id, start))
        audio = encode(speech.numbers, sample_rate=RATE, encoding="pcm_s16le")
        chunks = [audio[at : at + CHUNK_BYTES] for at in range(0, len(audio), CHUNK_BYTES)]
        began = time.monotonic()
        for seq, chunk in enumerate(chunks, 1):
            await asyncio.sleep(began + (seq - 1) * CHUNK_SECONDS - time.monotonic())
            await self._send(speech, seq, chunk)
        await self._finish(speech, len(chunks) + 1)

    async def _send(self, speech: Speech, seq: int, chunk: bytes) -> None:
        if speech.hold is not None:
            self._later(speech, seq, chunk, speech.hold)
            speech.hold = None
            return
        await self._post.send(from_command(speech.stream_id, AudioChunk(seq=seq), chunk))
        if speech.repeat is not None:
            self._later(speech, seq, chunk, speech.repeat)
            speech.repeat = None

    def _later(self, speech: Speech, seq: int, chunk: bytes, delay: float) -> None:
        task = asyncio.create_task(self._send_late(speech.stream_id, seq, chunk, delay))
        speech.late.add(task)
        task.add_done_callback(speech.late.discard)

    async def _send_late(self, stream_id: str, seq: int, chunk: bytes, delay: float) -> None:
        await asyncio.sleep(delay)
        await self._post.send(from_command(stream_id, AudioChunk(seq=seq), chunk))

    async def _finish(self, speech: Speech, seq: int) -> None:
        """What is late comes before the end, because behind it the stream may be gone."""
        if speech.late:
            await asyncio.wait(speech.late)
        await self._post.send(from_command(speech.stream_id, EndStream(seq=seq)))
        speech.sent_all = True
