"""Takes the calls of a telephony service and publishes them: python telephony_gateway.py PORT.

The service opens a WebSocket for each call and speaks Twilio Media Streams: JSON messages "start",
"media" with 20 ms of mu-law at 8 kHz in base64, and "stop". The stream's id is the call's.
"""

import asyncio
import base64
import json
import os
import re
import sys

from speechmq_client import ClientError, Publisher, StreamHandle
from websockets.asyncio.server import ServerConnection, serve


async def take_call(socket: ServerConnection, publisher: Publisher) -> None:
    stream: StreamHandle | None = None
    try:
        async for text in socket:
            message = json.loads(text)
            if message["event"] == "start":
                call = re.sub(r"[^A-Za-z0-9_-]", "_", message["start"]["callSid"])[:128]
                stream = await publisher.start_raw(
                    call, encoding="mulaw", sample_rate=8000, enable_partials=True, wait=False
                )
            elif message["event"] == "media" and stream is not None:
                await stream.send(base64.b64decode(message["media"]["payload"]))
            elif message["event"] == "stop":
                break
    except ClientError as error:
        print(f"the call is left: {error}", flush=True)
    finally:
        if stream is not None:
            stream.ask_end()


async def main(port: int) -> None:
    url = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost/")
    async with Publisher(url) as publisher:

        async def answer(socket: ServerConnection) -> None:
            await take_call(socket, publisher)

        async with serve(answer, "127.0.0.1", port) as server:
            print(f"ready on port {server.sockets[0].getsockname()[1]}", flush=True)
            await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
