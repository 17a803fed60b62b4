"""An engine that does what a test tells it to."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from speechmq_emulator.engine import Emit
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.speech.events import ChunkTaken, Ended, EngineEvent, Speakers

Asked = tuple[str, object]


class ScriptedStream:
    """Takes everything at once and notes it; ``on_audio`` makes reports of each chunk."""

    def __init__(self, emit: Emit, on_audio: Callable[[bytes], list[EngineEvent]]) -> None:
        self.emit = emit
        self.asked: list[Asked] = []
        self._on_audio = on_audio

    async def feed(self, audio: bytes) -> None:
        self.asked.append(("feed", audio))
        for event in (ChunkTaken(), *self._on_audio(audio)):
            self.emit(event)

    async def end_utterance(self, at: float | None) -> None:
        self.asked.append(("end_utterance", at))

    async def configure(self, config: TranscriptionConfig) -> None:
        self.asked.append(("configure", config.max_delay))

    async def tell_speakers(self) -> None:
        self.asked.append(("tell_speakers", None))
        self.emit(Speakers(()))

    async def finish(self) -> None:
        self.asked.append(("finish", None))
        self.emit(Ended())


class ScriptedEngine:
    """``streams`` are in the order of their opening; ``on_open`` may raise."""

    name = "scripted"

    def __init__(
        self,
        on_audio: Callable[[bytes], list[EngineEvent]] = lambda _: [],
        on_open: Callable[[], None] = lambda: None,
        quota: int = 100,
    ) -> None:
        self.streams: list[ScriptedStream] = []
        self.open = 0
        self.quota = quota
        self._on_audio = on_audio
        self._on_open = on_open

    def speaks(self, language: str) -> bool:
        return True

    @asynccontextmanager
    async def stream(self, start: StartRecognition, emit: Emit) -> AsyncIterator[ScriptedStream]:
        self._on_open()
        self.open += 1
        try:
            self.streams.append(ScriptedStream(emit, self._on_audio))
            yield self.streams[-1]
        finally:
            self.open -= 1
