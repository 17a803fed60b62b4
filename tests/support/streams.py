"""Builders for the session core's tests: a stream of 8 kHz mu-law, 100 ms a chunk."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from speechmq.session.checkpoint import Checkpoint
from speechmq.session.inputs import (
    ChunkDelivered,
    ConnectionOpened,
    EndDelivered,
    Input,
)
from speechmq.session.outputs import Output
from speechmq.session.spec import Limits, StreamSpec
from speechmq.session.stream import Stream
from speechmq.upstream.messages import (
    AudioAdded,
    FinalReceived,
    Metadata,
    PartialReceived,
    RecognitionStarted,
)

RATE = 8000
CHUNK = 800
SPEC = StreamSpec("s", "mulaw", RATE, {"language": "en"})
LIMITS = Limits(resume_context=0.0, early_wait=0.0)
EMPTY = msgspec.Raw(b"[]")


def audio(seq: int, samples: int = CHUNK) -> bytes:
    """Samples that tell which chunk they belong to."""
    return bytes([seq % 256]) * samples


def chunk(seq: int, *, tag: int | None = None, samples: int = CHUNK) -> ChunkDelivered:
    return ChunkDelivered(seq if tag is None else tag, seq, audio(seq, samples))


def end(seq: int, *, tag: int | None = None) -> EndDelivered:
    return EndDelivered(seq if tag is None else tag, seq)


def final(end_time: float, start_time: float = 0.0, text: str = "") -> FinalReceived:
    return FinalReceived(Metadata(start_time, end_time, text), EMPTY)


def partial(end_time: float, start_time: float = 0.0, text: str = "") -> PartialReceived:
    return PartialReceived(Metadata(start_time, end_time, text), EMPTY)


def words(*spoken: tuple[str, float, float]) -> msgspec.Raw:
    results: list[dict[str, Any]] = [
        {
            "type": "word",
            "start_time": start,
            "end_time": stop,
            "alternatives": [{"content": content, "confidence": 1.0}],
        }
        for content, start, stop in spoken
    ]
    return msgspec.Raw(msgspec.json.encode(results))


def added(count: int) -> AudioAdded:
    return AudioAdded(count)


def new_stream(
    *, checkpoint: Checkpoint | None = None, spec: StreamSpec = SPEC, **limits: Any
) -> Stream:
    return Stream(
        spec, replace(LIMITS, **limits), now=0.0, jitter=lambda: 0.0, checkpoint=checkpoint
    )


def started_stream(
    *, checkpoint: Checkpoint | None = None, spec: StreamSpec = SPEC, **limits: Any
) -> Stream:
    """A stream whose first session has begun, at time 0."""
    stream = new_stream(checkpoint=checkpoint, spec=spec, **limits)
    stream.open(0.0)
    drive(stream, ConnectionOpened(), RecognitionStarted("u1"))
    return stream


def drive(stream: Stream, *received: Input, now: float = 0.0) -> list[Output]:
    """All outputs of some inputs that come at once."""
    return [output for one in received for output in stream.receive(one, now)]
