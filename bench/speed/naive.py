"""The naive bridge: what a good team has working on its first day.

FastStream subscribers with models, audio in base64, the official SDK, an acknowledgement for each
message, events with publisher confirms: the defaults of both libraries. A lost connection or a
restart loses words.
"""

import asyncio
import sys
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import uvloop
from faststream import FastStream
from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange
from pydantic import BaseModel
from speechmatics.rt import (
    AsyncClient,
    AudioEncoding,
    AudioFormat,
    ServerMessageType,
    TranscriptionConfig,
)

FORMAT = AudioFormat(encoding=AudioEncoding.PCM_S16LE, sample_rate=16_000)
CONFIG = TranscriptionConfig(language="en", enable_partials=True, max_delay=0.7)
EVENTS = RabbitExchange("naive.events", type=ExchangeType.TOPIC)


class StartStream(BaseModel):
    stream_id: str


class AudioChunk(BaseModel):
    stream_id: str
    seq: int
    audio: str


class EndStream(BaseModel):
    stream_id: str
    seq: int


class Bridge:
    def __init__(self, broker: RabbitBroker, upstream: str) -> None:
        self._broker = broker
        self._upstream = upstream
        self._clients: dict[str, AsyncClient] = {}
        self._publishing: set[asyncio.Task[Any]] = set()
        broker.subscriber("naive.start")(self.on_start)
        broker.subscriber("naive.audio")(self.on_audio)
        broker.subscriber("naive.end")(self.on_end)

    async def on_start(self, start: StartStream) -> None:
        client = AsyncClient(api_key="dev", url=self._upstream)
        for kind, key in (
            (ServerMessageType.ADD_PARTIAL_TRANSCRIPT, "transcript.partial"),
            (ServerMessageType.ADD_TRANSCRIPT, "transcript.final"),
        ):
            client.on(kind, self._forward(f"{key}.{start.stream_id}"))
        await client.start_session(transcription_config=CONFIG, audio_format=FORMAT)
        self._clients[start.stream_id] = client
        await self._publish({"stream_id": start.stream_id}, f"stream.started.{start.stream_id}")

    async def on_audio(self, chunk: AudioChunk) -> None:
        await self._clients[chunk.stream_id].send_audio(b64decode(chunk.audio))

    async def on_end(self, end: EndStream) -> None:
        await self._clients.pop(end.stream_id).stop_session()
        await self._publish({"stream_id": end.stream_id}, f"stream.ended.{end.stream_id}")

    def _forward(self, key: str) -> Callable[[dict[str, Any]], None]:
        """The SDK calls without awaiting, so each event takes a task."""

        def forward(message: dict[str, Any]) -> None:
            task = asyncio.create_task(self._publish(message, key))
            self._publishing.add(task)
            task.add_done_callback(self._publishing.discard)

        return forward

    async def _publish(self, message: dict[str, Any], key: str) -> None:
        await self._broker.publish(message, exchange=EVENTS, routing_key=key)


async def main(broker_url: str, upstream: str) -> None:
    broker = RabbitBroker(broker_url, logger=None)
    Bridge(broker, upstream)
    app = FastStream(broker, logger=None)

    @app.after_startup
    async def ready() -> None:
        await broker.declare_exchange(EVENTS)
        print("ready", flush=True)

    await app.run()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:]))
