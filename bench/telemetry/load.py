"""Streams spoken in real time: chunks of 100 ms, 16 kHz, 3200 bytes."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from itertools import count, islice

import aio_pika
from aio_pika.abc import AbstractExchange

from speechmq_emulator.ledger import encode
from speechmq_schemas import (
    AmqpMessage,
    AudioChunk,
    EndStream,
    Names,
    RawAudioFormat,
    StartStream,
    TranscriptionConfig,
    from_command,
)

RATE = 16_000
CHUNK = RATE // 10 * 2
# A publisher that traces: every start and every chunk names a context.
TRACED: Mapping[str, str] = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
}


async def say(url: str, streams: int, seconds: float) -> int:
    """Speaks all streams to their ends; the number of chunks. Fails when one has no end."""
    names, run = Names(), uuid.uuid4().hex[:8]
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        inbound = await channel.get_exchange(names.inbound)
        over = await (await connection.channel()).declare_queue(exclusive=True)
        await over.bind(names.events, "stream.ended.*")
        ids = [f"{run}-{number}" for number in range(streams)]
        audio = encode(list(islice(count(), int(seconds * 5))), sample_rate=RATE)
        chunks = [audio[at : at + CHUNK] for at in range(0, len(audio), CHUNK)]
        await asyncio.gather(*(_speak(inbound, one, chunks) for one in ids))
        async with asyncio.timeout(60):
            ended = set()
            async with over.iterator() as events:
                async for event in events:
                    await event.ack()
                    ended.add(event.correlation_id)
                    if ended >= set(ids):
                        break
    return len(chunks) * streams


async def _speak(inbound: AbstractExchange, stream_id: str, chunks: list[bytes]) -> None:
    start = StartStream(
        stream_id=stream_id,
        audio_format=RawAudioFormat(encoding="pcm_s16le", sample_rate=RATE),
        transcription_config=TranscriptionConfig(
            language="en", enable_partials=True, max_delay=0.7
        ),
    )
    await _send(inbound, from_command(stream_id, start, headers=TRACED))
    began = time.monotonic() + hash(stream_id) % 100 / 1000
    for seq, chunk in enumerate(chunks, start=1):
        await asyncio.sleep(began + seq * 0.1 - time.monotonic())
        await _send(inbound, from_command(stream_id, AudioChunk(seq=seq), chunk, headers=TRACED))
    await _send(inbound, from_command(stream_id, EndStream(seq=len(chunks) + 1)))


async def _send(inbound: AbstractExchange, message: AmqpMessage) -> None:
    await inbound.publish(
        aio_pika.Message(
            message.body,
            type=message.type,
            headers=dict(message.headers),
            content_type=message.content_type,
        ),
        message.routing_key,
        mandatory=False,
    )
