"""Engines whose recognisers are cheap enough to run in the server's own process."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from speechmq_emulator.engine import Emit, quota_exceeded
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.protocol.errors import Refusal
from speechmq_emulator.speech.channel import FAULTS, Channel, MakeRecogniser, failed
from speechmq_emulator.speech.events import ChunkTaken, Ended, Heard


class InProcessStream:
    """One channel's audio, worked through as soon as it is handed over; nothing waits."""

    def __init__(self, channel: Channel, emit: Emit) -> None:
        self._channel = channel
        self._emit = emit
        self._over = False
        self._report(channel.begin)

    async def feed(self, audio: bytes) -> None:
        if not self._over:
            self._emit(ChunkTaken())
            self._report(lambda: self._channel.feed(audio))

    async def end_utterance(self, at: float | None) -> None:
        self._report(lambda: self._channel.end_utterance(at))

    async def configure(self, config: TranscriptionConfig) -> None:
        self._report(lambda: self._channel.configure(config))

    async def tell_speakers(self) -> None:
        self._report(self._channel.tell_speakers)

    async def finish(self) -> None:
        self._report(self._channel.finish)
        self._report(self._channel.last_speakers)
        if not self._over:
            self._emit(Ended())

    def _report(self, listen: Callable[[], Iterable[Heard]]) -> None:
        """Report what is heard; a fault of the client's ends the stream."""
        if self._over:
            return
        try:
            heard = listen()
        except FAULTS as fault:
            self._over = True
            self._emit(failed(fault))
            return
        for event in heard:
            self._emit(event)


class InProcessEngine:
    """Takes every language; ``make_recogniser`` may raise ``Refusal``."""

    def __init__(self, name: str, make_recogniser: MakeRecogniser, quota: int) -> None:
        self.name = name
        self.quota = quota
        self._make_recogniser = make_recogniser
        self._streams = 0

    def speaks(self, language: str) -> bool:
        return True

    @asynccontextmanager
    async def stream(self, start: StartRecognition, emit: Emit) -> AsyncIterator[InProcessStream]:
        if self._streams >= self.quota:
            raise quota_exceeded(self.quota)
        try:
            channel = Channel(start, self._make_recogniser)
        except FAULTS as fault:
            ended = failed(fault)
            raise Refusal(ended.type, ended.reason) from fault
        self._streams += 1
        try:
            yield InProcessStream(channel, emit)
        finally:
            self._streams -= 1
