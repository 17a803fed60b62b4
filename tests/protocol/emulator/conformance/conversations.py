"""Whole sessions with an emulator, each made to hear something certain."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.protocol.emulator.client import RAW, Message, connected, next_message, rest, send, start
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from speechmq_emulator.engine import Emit, Engine
from speechmq_emulator.faults import FaultBook
from speechmq_emulator.ledger import Spoken, encode
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.protocol.limits import DEFAULTS, Limits
from speechmq_emulator.server import serve
from speechmq_emulator.speech.events import Ended, Failed


@dataclass(frozen=True, slots=True)
class Heard:
    """A whole session, as its client saw it."""

    messages: list[Message]
    close_code: int | None
    close_reason: str | None


Conversation = Callable[[], Awaitable[Heard]]
Act = Callable[[ClientConnection], Awaitable[None]]


async def hear(url: str, act: Act) -> Heard:
    """Do something, and hear what comes until the server closes."""
    async with connected(url) as socket, asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(rest(socket))
        with suppress(ConnectionClosed):  # The server may have had enough by then.
            await act(socket)
    return Heard(reading.result(), socket.close_code, socket.close_reason)


async def begin(socket: ClientConnection, **fields: Any) -> None:
    """Send a good ``StartRecognition``, but for these fields, and wait for nothing."""
    config = {"language": "en"}
    message = {"audio_format": RAW, "transcription_config": config, **fields}
    await send(socket, "StartRecognition", **message)


def beginning(**fields: Any) -> Conversation:
    """A session whose first message has these fields."""

    async def conversation() -> Heard:
        async with serve("ledger") as emulator:
            return await hear(emulator.url, lambda socket: begin(socket, **fields))

    return conversation


def configured(**transcription_config: Any) -> Conversation:
    return beginning(transcription_config={"language": "en", **transcription_config})


async def unreadable() -> Heard:
    async with serve("ledger") as emulator:
        return await hear(emulator.url, lambda socket: socket.send("no JSON"))


async def miscounted() -> Heard:
    async def act(socket: ClientConnection) -> None:
        await begin(socket)
        await socket.send(bytes(3200))
        await send(socket, "EndOfStream", last_seq_no=2)

    async with serve("ledger") as emulator:
        return await hear(emulator.url, act)


async def beyond_the_quota() -> Heard:
    async with (
        serve("ledger", limits=Limits(quota=1)) as emulator,
        connected(emulator.url) as first,
    ):
        await start(first)
        return await hear(emulator.url, begin)


def limited(limits: Limits) -> Conversation:
    """A session that starts, and does nothing more."""

    async def conversation() -> Heard:
        async with serve("ledger", limits=limits) as emulator:
            return await hear(emulator.url, begin)

    return conversation


def faulty(text: str) -> Conversation:
    """What the emulator can not come to by itself, it says on demand."""

    async def conversation() -> Heard:
        async with serve("ledger", faults=FaultBook([text])) as emulator:
            return await hear(emulator.url, begin)

    return conversation


class BrokenStream:
    """An engine that can not go on with the first chunk: it says so, or just breaks."""

    def __init__(self, emit: Emit, *, says_so: bool) -> None:
        self._emit = emit
        self._says_so = says_so

    async def feed(self, audio: bytes) -> None:
        if not self._says_so:
            raise RuntimeError("the engine has a bug")
        self._emit(Failed("the recogniser's process ended"))

    async def end_utterance(self, at: float | None) -> None: ...

    async def configure(self, config: TranscriptionConfig) -> None: ...

    async def tell_speakers(self) -> None: ...

    async def finish(self) -> None: ...


@dataclass
class BrokenEngine:
    says_so: bool
    name: str = "broken"
    quota: int = 1

    def speaks(self, language: str) -> bool:
        return True

    @asynccontextmanager
    async def stream(self, start: StartRecognition, emit: Emit) -> AsyncIterator[BrokenStream]:
        yield BrokenStream(emit, says_so=self.says_so)


def broken(engine: Engine) -> Conversation:
    async def act(socket: ClientConnection) -> None:
        await begin(socket)
        await socket.send(bytes(3200))

    async def conversation() -> Heard:
        async with serve(engine) as emulator:
            return await hear(emulator.url, act)

    return conversation


def ending(audio: bytes, limits: Limits = DEFAULTS, **fields: Any) -> Conversation:
    """A session from start to end, of one chunk."""

    async def act(socket: ClientConnection) -> None:
        await begin(socket, **fields)
        await socket.send(audio)
        await send(socket, "EndOfStream", last_seq_no=1)

    async def conversation() -> Heard:
        async with serve("ledger", limits=limits) as emulator:
            return await hear(emulator.url, act)

    return conversation


async def too_much_audio() -> Heard:
    async def act(socket: ClientConnection) -> None:
        await begin(socket)
        await socket.send(encode([1, 2, 3]))

    async with serve("ledger", limits=Limits(duration=0.5)) as emulator:
        return await hear(emulator.url, act)


class ReluctantStream(BrokenStream):
    """Ends when it is told to, so that audio may come behind ``EndOfStream``."""

    def __init__(self, emit: Emit) -> None:
        super().__init__(emit, says_so=True)

    def end(self) -> None:
        self._emit(Ended())


class ReluctantEngine(BrokenEngine):
    def __init__(self) -> None:
        super().__init__(says_so=True)
        self.streams: list[ReluctantStream] = []

    @asynccontextmanager
    async def stream(self, start: StartRecognition, emit: Emit) -> AsyncIterator[ReluctantStream]:
        self.streams.append(ReluctantStream(emit))
        yield self.streams[-1]


async def audio_behind_the_end() -> Heard:
    engine = ReluctantEngine()
    async with serve(engine) as emulator, connected(emulator.url) as socket:
        await start(socket)
        await send(socket, "EndOfStream", last_seq_no=0)
        await socket.send(bytes(3200))
        warning = await next_message(socket, "Warning")
        engine.streams[0].end()
        messages = [warning, *await rest(socket)]
    return Heard(messages, socket.close_code, socket.close_reason)


everything = ending(
    encode(
        [
            Spoken(1, begins="music", ends_sentence=True, disfluency=True),
            Spoken(2, ends="music"),
            Spoken(23, voice=2, in_words=True),
            Spoken(4, voice=2, ends_sentence=True),
            None,
            None,
            None,
        ]
    ),
    Limits(quality_info=True),
    transcription_config={
        "language": "en",
        "diarization": "speaker",
        "speaker_diarization_config": {"get_speakers": True},
        "enable_partials": True,
        "audio_filtering_config": {"volume_threshold": 1},
        "conversation_config": {"end_of_utterance_silence_trigger": 0.4},
    },
    translation_config={"target_languages": ["de"], "enable_partials": True},
    audio_events_config={"types": ["music"]},
)


async def in_channels() -> Heard:
    """Music on two channels, and an utterance of one that is forced to end."""

    async def act(socket: ClientConnection) -> None:
        labels = {"diarization": "channel", "channel_diarization_labels": ["left", "right"]}
        config = {"language": "en", "enable_partials": True, **labels}
        events = {"types": ["music"]}
        await begin(socket, transcription_config=config, audio_events_config=events)
        audio = encode([Spoken(1, begins="music"), Spoken(2, ends="music"), 3])
        data = base64.b64encode(audio).decode()
        for channel in ("left", "right"):
            await send(socket, "AddChannelAudio", channel=channel, data=data)
        await send(socket, "ForceEndOfUtterance", channel="left")
        for channel in ("left", "right"):
            await send(socket, "EndOfChannel", channel=channel, last_seq_no=1)

    async with serve("ledger") as emulator:
        return await hear(emulator.url, act)
