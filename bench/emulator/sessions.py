"""Many paced sessions in one process, and how late their answers came.

A chunk is due when its audio would have been spoken to the end. All lags count from there,
so that a sender which is made to wait shows as lag, not as a pause of the measurement.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

CHUNK_SECONDS = 0.1
_KEY = {"Authorization": "Bearer dev"}
_TIMEOUT = 60.0


@dataclass(frozen=True)
class Plan:
    """What every session sends: raw audio at ``rate`` Hz, 16 bits."""

    url: str
    sessions: int
    audio: bytes
    rate: int
    config: dict[str, Any]

    @cached_property
    def chunks(self) -> list[bytes]:
        size = round(self.rate * CHUNK_SECONDS) * 2
        return [self.audio[at : at + size] for at in range(0, len(self.audio), size)]


@dataclass(slots=True)
class Heard:
    """All sessions' answers: ``taken`` and ``words`` are lags in seconds."""

    taken: list[float] = field(default_factory=list)
    words: list[float] = field(default_factory=list)
    transcripts: list[list[str]] = field(default_factory=list)


class PacedSession:
    """One session; ``begins`` is when its first sample is spoken, on the loop's clock."""

    def __init__(self, plan: Plan, socket: ClientConnection, heard: Heard) -> None:
        self._plan = plan
        self._socket = socket
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._words: list[str] = []
        self._all_taken = asyncio.Event()
        self.begins = 0.0

    async def start(self) -> None:
        audio = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": self._plan.rate}
        await self._send(
            "StartRecognition", audio_format=audio, transcription_config=self._plan.config
        )
        while (message := json.loads(await self._socket.recv()))["message"] != "RecognitionStarted":
            if message["message"] == "Error":
                raise RuntimeError(f"a session was refused: {message}")

    async def speak(self) -> None:
        """Return when the server has confirmed every chunk."""
        for number, chunk in enumerate(self._plan.chunks, 1):
            await asyncio.sleep(self.begins + number * CHUNK_SECONDS - self._loop.time())
            await self._socket.send(chunk)
        await self._all_taken.wait()

    async def finish(self) -> None:
        await self._send("EndOfStream", last_seq_no=len(self._plan.chunks))

    async def listen(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            match message["message"]:
                case "AudioAdded":
                    self._chunk_taken(message["seq_no"])
                case "AddTranscript":
                    self._hear_words(message["results"])
                case "Error":
                    raise RuntimeError(f"a session failed: {message}")
        self._heard.transcripts.append(self._words)

    def _chunk_taken(self, number: int) -> None:
        due = self.begins + number * CHUNK_SECONDS
        self._heard.taken.append(self._loop.time() - due)
        if number == len(self._plan.chunks):
            self._all_taken.set()

    def _hear_words(self, results: Sequence[dict[str, Any]]) -> None:
        now = self._loop.time()
        for result in results:
            if result["type"] == "word":
                self._heard.words.append(now - self.begins - result["end_time"])
                self._words.append(result["alternatives"][0]["content"])

    async def _send(self, name: str, **fields: Any) -> None:
        await self._socket.send(json.dumps({"message": name, **fields}))


async def run(plan: Plan, announce: Callable[[str], None]) -> Heard:
    """All sessions of a plan, from the first handshake to the last close.

    Announces ``speaking`` when all have started and begin to send, ``silent`` when all audio
    is confirmed. A session that fails ends all.
    """
    heard = Heard()
    sessions = await _open(plan, heard)
    async with asyncio.TaskGroup() as listening:
        begin = asyncio.get_running_loop().time()
        for place, session in enumerate(sessions):
            # Spread evenly over one chunk's length, as strangers would be.
            session.begins = begin + place * CHUNK_SECONDS / len(sessions)
            listening.create_task(session.listen())
        announce("speaking")
        async with asyncio.TaskGroup() as speaking:
            for session in sessions:
                speaking.create_task(session.speak())
        announce("silent")
        for session in sessions:
            await session.finish()
    return heard


async def _open(plan: Plan, heard: Heard) -> list[PacedSession]:
    """A few at a time: a flood of handshakes is another measurement."""
    sessions: list[PacedSession] = []
    while len(sessions) < plan.sessions:
        count = min(20, plan.sessions - len(sessions))
        opening = (_open_one(plan, heard) for _ in range(count))
        sessions += await asyncio.gather(*opening)
    return sessions


async def _open_one(plan: Plan, heard: Heard) -> PacedSession:
    async with asyncio.timeout(_TIMEOUT):
        socket = await connect(
            plan.url, additional_headers=_KEY, compression=None, ping_interval=None
        )
        session = PacedSession(plan, socket, heard)
        await session.start()
    return session
