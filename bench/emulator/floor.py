"""The least that a server can do: answer every chunk with one message, on the same libraries.

What the emulator costs is told as a multiple of this, measured in the same run: microseconds
differ from machine to machine, multiples much less.
"""

import asyncio
import json
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, serve


async def _answer(socket: ServerConnection) -> None:
    chunks = 0
    async for message in socket:
        if isinstance(message, bytes):
            chunks += 1
            await socket.send(json.dumps({"message": "AudioAdded", "seq_no": chunks}))
        elif json.loads(message)["message"] == "EndOfStream":
            return
        else:
            await socket.send(json.dumps({"message": "RecognitionStarted"}))


async def _serve() -> None:
    async with serve(_answer, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        sys.stdout.write(f"floor: listening on ws://127.0.0.1:{port}/v2\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
