"""The floor: the least that a bridge does on aio-pika, websockets and json, with no feature at all.

No acknowledgements, confirms, order, window, retries or resumption: whatever fails is lost.
"""

import asyncio
import json
import sys

import aio_pika
import uvloop
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage
from bench.speed.dialects import AUDIO_FORMAT, CONFIG, Bare
from websockets.asyncio.client import ClientConnection, connect

START = {
    "message": "StartRecognition",
    "audio_format": AUDIO_FORMAT,
    "transcription_config": CONFIG,
}
KEYS = {
    "RecognitionStarted": "stream.started",
    "AddPartialTranscript": "transcript.partial",
    "AddTranscript": "transcript.final",
    "EndOfTranscript": "stream.ended",
}


class Bridge:
    def __init__(self, upstream: str, events: AbstractExchange) -> None:
        self._upstream = upstream
        self._events = events
        self._sockets: dict[str, ClientConnection] = {}
        self._listening: set[asyncio.Task[None]] = set()

    async def on_message(self, message: AbstractIncomingMessage) -> None:
        stream_id = str(message.headers["stream"])
        match message.type:
            case "audio":
                await self._sockets[stream_id].send(message.body)
            case "start":
                await self._start(stream_id)
            case "end":
                await self._sockets[stream_id].send('{"message":"EndOfStream","last_seq_no":0}')

    async def _start(self, stream_id: str) -> None:
        socket = self._sockets[stream_id] = await connect(self._upstream, compression=None)
        await socket.send(json.dumps(START))
        task = asyncio.create_task(self._listen(stream_id, socket))
        self._listening.add(task)
        task.add_done_callback(self._listening.discard)

    async def _listen(self, stream_id: str, socket: ClientConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            key = KEYS.get(message["message"])
            if key is not None:
                body = json.dumps(message).encode()
                await self._events.publish(aio_pika.Message(body), f"{key}.{stream_id}")
            if message["message"] == "EndOfTranscript":
                break
        del self._sockets[stream_id]
        await socket.close()


async def main(broker_url: str, upstream: str) -> None:
    async with await aio_pika.connect(broker_url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        events = await channel.declare_exchange(Bare.events, aio_pika.ExchangeType.TOPIC)
        queue = await channel.declare_queue("floor.audio")
        await queue.consume(Bridge(upstream, events).on_message, no_ack=True)
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:]))
