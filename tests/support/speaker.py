"""Publishes streams, and hears their events: plain aio-pika and the contract's mapping."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage

from speechmq_emulator.ledger import encode
from speechmq_schemas import (
    AmqpMessage,
    AudioChunk,
    Channels,
    Command,
    EndStream,
    Event,
    FinalTranscript,
    Names,
    RawAudioFormat,
    StartStream,
    TranscriptionConfig,
    from_command,
    to_event,
)

RATE = 8000
BLOCK_SECONDS = 0.2
LAST_EVENTS = ("StreamEnded", "StreamFailed")


@dataclass(frozen=True, slots=True)
class Heard:
    message: AmqpMessage
    event: Event

    @property
    def place(self) -> tuple[int, int]:
        return int(self.message.headers["epoch"]), int(self.message.headers["seq"])


@dataclass
class Ears:
    """Everything that was published, per stream, in order of arrival."""

    streams: dict[str, list[Heard]] = field(default_factory=lambda: defaultdict(list))
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def hear(self, message: AbstractIncomingMessage) -> None:
        amqp = AmqpMessage(
            message.routing_key or "",
            message.type or "",
            message.body,
            dict(message.headers),
            message.content_type or "",
            message.message_id,
            message.correlation_id,
        )
        async with self._changed:
            self.streams[(message.routing_key or "").rpartition(".")[2]].append(
                Heard(amqp, to_event(amqp))
            )
            self._changed.notify_all()

    async def wait_for(self, wanted: Callable[[], bool], within: float = 60.0) -> None:
        try:
            async with asyncio.timeout(within), self._changed:
                await self._changed.wait_for(wanted)
        except TimeoutError:
            raise AssertionError(f"not heard in {within} s; kinds so far: {self.kinds()}") from None

    async def until_over(self, *stream_ids: str, within: float = 60.0) -> None:
        """Until each has had its last event."""

        def over() -> bool:
            return all(
                any(heard.message.type in LAST_EVENTS for heard in self.streams[stream_id])
                for stream_id in stream_ids
            )

        await self.wait_for(over, within)

    def of(self, stream_id: str, *kinds: str) -> list[Any]:
        """Events of a stream, each once by its message id, in the order that the contract gives."""
        by_id = {heard.message.message_id: heard for heard in self.streams[stream_id]}
        ordered = sorted(by_id.values(), key=lambda heard: heard.place)
        return [heard.event for heard in ordered if not kinds or heard.message.type in kinds]

    def kinds(self) -> dict[str, list[str]]:
        return {name: [one.message.type for one in found] for name, found in self.streams.items()}

    def words(self, stream_id: str) -> list[str]:
        finals: list[FinalTranscript] = self.of(stream_id, "FinalTranscript")
        return [
            result.alternatives[0].content
            for final in finals
            for result in final.results
            if result.type == "word"
        ]


@dataclass
class Speaker:
    channel: AbstractChannel
    inbound: AbstractExchange
    ears: Ears

    async def send(self, stream_id: str, command: Command, audio: bytes = b"") -> None:
        await self.publish(from_command(stream_id, command, audio))

    async def publish(self, message: AmqpMessage) -> None:
        await self.inbound.publish(to_pika(message), message.routing_key, mandatory=False)

    async def start(self, stream_id: str, *, sample_rate: int = RATE, **config: Any) -> None:
        await self.send(stream_id, start_of(stream_id, sample_rate=sample_rate, **config))

    async def say(self, stream_id: str, numbers: Sequence[int], **how: Any) -> int:
        """Sends the numbers as ledger audio; see ``say_audio``."""
        audio = encode(numbers, sample_rate=RATE, encoding="pcm_s16le")
        return await self.say_audio(stream_id, audio, **how)

    async def say_audio(
        self,
        stream_id: str,
        audio: bytes,
        *,
        sample_rate: int = RATE,
        first_seq: int = 1,
        speed: float | None = None,
        finish: bool = True,
    ) -> int:
        """Sends 16-bit samples in chunks of 100 ms, paced when a speed is given.

        Returns the next seq.
        """
        chunks = chunks_of(audio, sample_rate=sample_rate)
        began = time.monotonic()
        for index, chunk in enumerate(chunks):
            if speed:
                await asyncio.sleep(began + index * 0.1 / speed - time.monotonic())
            await self.send(stream_id, AudioChunk(seq=first_seq + index), chunk)
        next_seq = first_seq + len(chunks)
        if finish:
            await self.send(stream_id, EndStream(seq=next_seq))
        return next_seq


def chunks_of(audio: bytes, *, sample_rate: int = RATE) -> list[bytes]:
    """16-bit samples in chunks of 100 ms."""
    step = sample_rate // 10 * 2
    return [audio[at : at + step] for at in range(0, len(audio), step)]


def to_pika(message: AmqpMessage) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        type=message.type,
        headers=dict(message.headers),
        content_type=message.content_type,
        correlation_id=message.correlation_id,
        reply_to=message.reply_to,
        user_id=message.user_id,
        message_id=message.message_id,
    )


def start_of(
    stream_id: str, *, sample_rate: int = RATE, channels: Channels | None = None, **config: Any
) -> StartStream:
    return StartStream(
        stream_id=stream_id,
        audio_format=RawAudioFormat(encoding="pcm_s16le", sample_rate=sample_rate),
        channels=channels,
        transcription_config=TranscriptionConfig(
            **{"language": "en", "enable_partials": True, "max_delay": 0.7, **config}
        ),
    )


def said(numbers: Sequence[int]) -> list[str]:
    """The words that the ledger engine reads out of these numbers."""
    return [f"w{number}" for number in numbers]


@asynccontextmanager
async def speaking(url: str, *heard: str) -> AsyncIterator[Speaker]:
    """Needs a worker that has declared the exchanges. Hears all events, or those with keys that
    match one of ``heard``."""
    async with await aio_pika.connect(url) as connection:
        names = Names()
        channel = await connection.channel()
        listening = await connection.channel()
        queue = await listening.declare_queue(exclusive=True)
        for key in heard or ("#",):
            await queue.bind(names.events, key)
        ears = Ears()
        await queue.consume(ears.hear, no_ack=True)
        inbound = await channel.get_exchange(names.inbound)
        yield Speaker(channel, inbound, ears)
