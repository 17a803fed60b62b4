"""A web page that shows what one says into the microphone: python microphone.py PORT.

The browser records WebM and sends it over a WebSocket as it comes; captions come back on the same.
Browsers give the microphone to pages of localhost and of https:// only.
"""

import asyncio
import os
import sys

import uvicorn
from speechmq_client import ClientError, FinalTranscript, PartialTranscript, Publisher, Subscriber, new_stream_id
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

URL = os.environ.get("AMQP_URL", "amqp://guest:guest@localhost/")
PAGE = """<!doctype html><meta charset="utf-8"><title>Captions</title>
<button id="go">Speak</button> <p id="said"></p><p id="now" style="color:gray"></p>
<script>
document.getElementById("go").onclick = async () => {
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  const socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/audio`);
  const recorder = new MediaRecorder(microphone, { mimeType: "audio/webm" });
  recorder.ondataavailable = (piece) => socket.readyState === 1 && socket.send(piece.data);
  socket.onopen = () => recorder.start(250);
  socket.onmessage = ({ data }) => {
    const { text, final } = JSON.parse(data);
    document.getElementById("now").textContent = final ? "" : text;
    if (final) document.getElementById("said").append(text);
  };
};
</script>"""


async def show(socket: WebSocket, stream_id: str) -> None:
    kinds = [PartialTranscript, FinalTranscript]
    async with Subscriber(URL, stream_id=stream_id, events=kinds) as captions:
        async for delivery in captions:
            is_final = isinstance(delivery.event, FinalTranscript)
            await socket.send_json({"text": delivery.event.transcript, "final": is_final})
            await delivery.ack()


async def audio(socket: WebSocket) -> None:
    await socket.accept()
    stream_id = new_stream_id()
    showing = asyncio.create_task(show(socket, stream_id))
    try:
        async with Publisher(URL) as publisher:
            async with await publisher.start_file(stream_id, enable_partials=True, max_delay=1) as stream:
                while True:
                    await stream.send(await socket.receive_bytes())
    except WebSocketDisconnect:
        pass
    except ClientError as error:
        await socket.close(1011, str(error)[:120])
    finally:
        showing.cancel()


app = Starlette(routes=[Route("/", lambda _: HTMLResponse(PAGE)), WebSocketRoute("/audio", audio)])

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="info")
