"""How each bridge wants to be spoken to, and where its events leave. Pure."""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bench.speed.pacing import RATE
from pamqp import commands as spec

from speechmq_schemas import Names, stream_routing_key

CONFIG = {"language": "en", "enable_partials": True, "max_delay": 0.7}
AUDIO_FORMAT = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": RATE}


@dataclass(frozen=True, slots=True)
class Letter:
    exchange: str
    routing_key: str
    body: bytes
    properties: spec.Basic.Properties


class Dialect(Protocol):
    """``events`` is the topic exchange; routing keys of events are ours in every dialect."""

    events: str

    def start(self, stream_id: str) -> Letter: ...

    def chunk(self, stream_id: str, seq: int, audio: bytes) -> Letter: ...

    def end(self, stream_id: str, seq: int) -> Letter: ...


class Speechmq:
    """The contract of this project: raw audio."""

    def __init__(self) -> None:
        self._inbound = Names().inbound
        self.events = Names().events

    def start(self, stream_id: str) -> Letter:
        body = {
            "stream_id": stream_id,
            "audio_format": AUDIO_FORMAT,
            "transcription_config": CONFIG,
        }
        return self._letter("start", "StartStream", json.dumps(body).encode())

    def chunk(self, stream_id: str, seq: int, audio: bytes) -> Letter:
        return self._letter(stream_routing_key(stream_id), "AudioChunk", audio, {"seq": seq})

    def end(self, stream_id: str, seq: int) -> Letter:
        return self._letter(stream_routing_key(stream_id), "EndStream", b"{}", {"seq": seq})

    def _letter(
        self, key: str, kind: str, body: bytes, headers: Mapping[str, Any] | None = None
    ) -> Letter:
        properties = spec.Basic.Properties(
            message_type=kind, headers=dict(headers or {}), delivery_mode=2
        )
        return Letter(self._inbound, key, body, properties)


class Traced(Speechmq):
    """The same from a publisher that traces: the start and every chunk name a context."""

    def start(self, stream_id: str) -> Letter:
        return _in_trace(super().start(stream_id), 1)

    def chunk(self, stream_id: str, seq: int, audio: bytes) -> Letter:
        return _in_trace(super().chunk(stream_id, seq, audio), seq)


def _in_trace(letter: Letter, span: int) -> Letter:
    context = f"00-0af7651916cd43dd8448eb211c80319c-{span:016x}-01"
    letter.properties.headers = {**(letter.properties.headers or {}), "traceparent": context}
    return letter


class Json:
    """One queue for each kind of message; audio in base64."""

    events = "naive.events"

    def start(self, stream_id: str) -> Letter:
        return self._letter("naive.start", stream_id=stream_id)

    def chunk(self, stream_id: str, seq: int, audio: bytes) -> Letter:
        text = b64encode(audio).decode()
        return self._letter("naive.audio", stream_id=stream_id, seq=seq, audio=text)

    def end(self, stream_id: str, seq: int) -> Letter:
        return self._letter("naive.end", stream_id=stream_id, seq=seq)

    def _letter(self, queue: str, **fields: Any) -> Letter:
        properties = spec.Basic.Properties(content_type="application/json", delivery_mode=2)
        return Letter("", queue, json.dumps(fields).encode(), properties)


class Bare:
    """One queue for everything; raw audio, the stream's name in a header."""

    events = "floor.events"

    def start(self, stream_id: str) -> Letter:
        return self._letter("start", stream_id)

    def chunk(self, stream_id: str, _seq: int, audio: bytes) -> Letter:
        return self._letter("audio", stream_id, audio)

    def end(self, stream_id: str, _seq: int) -> Letter:
        return self._letter("end", stream_id)

    def _letter(self, kind: str, stream_id: str, body: bytes = b"") -> Letter:
        properties = spec.Basic.Properties(
            message_type=kind, headers={"stream": stream_id}, delivery_mode=1
        )
        return Letter("", "floor.audio", body, properties)


DIALECTS: Mapping[str, Dialect] = {
    "ours": Speechmq(),
    "traced": Traced(),
    "naive": Json(),
    "floor": Bare(),
}
