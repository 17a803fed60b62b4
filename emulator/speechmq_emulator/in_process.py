"""Engines whose recognisers are cheap enough to run in the server's own process."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

from speechmq_emulator.audio.errors import Undecodable
from speechmq_emulator.engine import Emit, quota_exceeded
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.protocol.errors import ErrorType, Refusal
from speechmq_emulator.speech.channel import Channel, MakeRecogniser
from speechmq_emulator.speech.events import ChunkTaken, Ended, Failed, Heard, Speakers
from speechmq_emulator.speech.replacements import BadReplacement


class InProcessStream:
    """One channel's audio, worked through as soon as it is handed over; nothing waits.

    ``tells_speakers``: what is known of voices is told at the end, too.
    """

    def __init__(self, channel: Channel, emit: Emit, *, tells_speakers: bool) -> None:
        self._channel = channel
        self._emit = emit
        self._tells_speakers = tells_speakers
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
        if self._tells_speakers:
            self._report(lambda: _finally(self._channel.tell_speakers()))
        if not self._over:
            self._emit(Ended())

    def _report(self, listen: Callable[[], Iterable[Heard]]) -> None:
        """Report what is heard; a fault of the client's ends the stream."""
        if self._over:
            return
        try:
            heard = listen()
        except (Refusal, Undecodable, BadReplacement) as error:
            refusal = _refusal(error)
            self._over = True
            self._emit(Failed(refusal.reason, refusal.type))
            return
        for event in heard:
            self._emit(event)


def _finally(told: Iterable[Heard]) -> list[Heard]:
    return [replace(event, final=True) if isinstance(event, Speakers) else event for event in told]


def _refusal(error: Refusal | Undecodable | BadReplacement) -> Refusal:
    """What is wrong with a client's audio or configuration, in the protocol's terms."""
    match error:
        case Refusal():
            return error
        case Undecodable():
            return Refusal(ErrorType.INVALID_AUDIO_TYPE, str(error))
        case BadReplacement():
            return Refusal(ErrorType.INVALID_CONFIG, str(error))


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
        except BadReplacement as error:
            raise _refusal(error) from error
        self._streams += 1
        try:
            tells_speakers = start.transcription_config.tells_speakers
            yield InProcessStream(channel, emit, tells_speakers=tells_speakers)
        finally:
            self._streams -= 1
