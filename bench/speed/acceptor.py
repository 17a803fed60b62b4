"""The upstream's process: as much of the protocol as a bridge needs, as cheaply as can be.

Confirms each message of audio, says what ``speech`` has to say, and notes when each chunk came.
Answers each question ``FROM TO``, in nanoseconds, with what came between them, as JSON. Its
arguments are the seconds between two partials, between two finals, and there and back.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import cast

import uvloop
from bench.speed.chunks import stamps
from bench.speed.figures import Lags
from bench.speed.pacing import RATE, SAMPLE_BYTES
from bench.speed.speech import Pace, Speech
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

_GOLDEN = (5**0.5 - 1) / 2
_STARTED = json.dumps(
    {
        "message": "RecognitionStarted",
        "id": "807670e9-14af-4fa2-9e8f-5d525c22156e",
        "language_pack_info": {"language_description": "English", "word_delimiter": " "},
    }
)


@dataclass(slots=True)
class Log:
    """Of all sessions: when each chunk came, how long it had taken, and of which session it was;
    when each message came."""

    came: array[int] = field(default_factory=lambda: array("q"))
    took: array[int] = field(default_factory=lambda: array("q"))
    session: array[int] = field(default_factory=lambda: array("l"))
    messages: array[int] = field(default_factory=lambda: array("q"))

    def note(self, session: int, now: int, audio: bytes) -> None:
        self.messages.append(now)
        for stamp in stamps(audio):
            self.came.append(now)
            self.took.append(now - stamp)
            self.session.append(session)

    def report(self, since: int, until: int) -> dict[str, object]:
        inside = [n for n, at in enumerate(self.came) if since <= at < until]
        late = {self.session[n] for n in inside if self.took[n] > 1e9}
        return {
            "chunks": len(inside),
            "messages": sum(since <= at < until for at in self.messages),
            "late_streams": len(late),
            "lags": asdict(Lags.of([self.took[n] / 1e9 for n in inside])),
        }


class Session(asyncio.Protocol):
    """One stream's. The library's own server takes a task and several calls for each message."""

    def __init__(self, log: Log, number: int, pace: Pace) -> None:
        self._log = log
        self._number = number
        self._distance = pace.distance
        self._protocol = ServerProtocol()
        # The golden section spreads any number of sessions evenly.
        self._speech = Speech(number * _GOLDEN % 1 * pace.finals, pace)
        self._taken = 0
        self._heard = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            match event:
                case Request():
                    self._protocol.send_response(self._protocol.accept(event))
                case Frame(Opcode.BINARY, audio):
                    self._hear(bytes(audio))
                case Frame(Opcode.TEXT, text):
                    self._obey(json.loads(bytes(text))["message"])
        self._flush()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._flush()

    def _flush(self) -> None:
        out = self._protocol.data_to_send()
        self._transport.write(b"".join(out))
        if out and not out[-1]:
            self._transport.close()

    def _hear(self, audio: bytes) -> None:
        self._log.note(self._number, time.monotonic_ns(), audio)
        self._taken += 1
        self._heard += len(audio) / SAMPLE_BYTES / RATE
        self._answer(self._confirm, self._taken, self._heard)

    def _answer(self, say: Callable[..., None], *about: object) -> None:
        if self._distance:
            asyncio.get_running_loop().call_later(self._distance, self._say, say, *about)
        else:
            say(*about)

    def _say(self, say: Callable[..., None], *about: object) -> None:
        if self._protocol.state is State.OPEN:
            say(*about)
            self._flush()

    def _confirm(self, taken: int, heard: float) -> None:
        self._protocol.send_text(b'{"message":"AudioAdded","seq_no":%d}' % taken)
        said = self._speech.hear(heard, time.monotonic_ns())
        if said is not None:
            self._protocol.send_text(said.encode())

    def _obey(self, message: str) -> None:
        if message == "StartRecognition":
            self._answer(self._protocol.send_text, _STARTED.encode())
        elif message == "EndOfStream":
            self._answer(self._end, self._heard)

    def _end(self, heard: float) -> None:
        last = self._speech.end(heard, time.monotonic_ns())
        self._protocol.send_text(last.encode())
        self._protocol.send_text(b'{"message":"EndOfTranscript"}')


async def _serve(pace: Pace) -> None:
    log, numbers = Log(), itertools.count()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(log, next(numbers), pace), "127.0.0.1", 0)
    print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2", flush=True)
    threading.Thread(target=_answer, args=(log,), daemon=True).start()
    await asyncio.Event().wait()


def _answer(log: Log) -> None:
    for question in sys.stdin:
        since, until = map(int, question.split())
        print(json.dumps(log.report(since, until)), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Pace(*map(float, sys.argv[1:]))))
