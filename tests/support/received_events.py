"""Builders of events as a consumer receives them."""

from __future__ import annotations

from typing import Any

from speechmq.commandline.received import Received, receive
from speechmq_schemas import (
    AmqpMessage,
    Event,
    FinalTranscript,
    PartialTranscript,
    StreamEnded,
    from_event,
)


def word(text: str, start: float, end: float, kind: str = "word") -> dict[str, Any]:
    return {
        "type": kind,
        "start_time": start,
        "end_time": end,
        "alternatives": [{"content": text, "confidence": 1.0}],
    }


def _transcript(words: tuple[str, ...], segment: int, start: float, stream: str) -> dict[str, Any]:
    """One word every 0.5 s, each 0.4 s long, from ``start`` on."""
    times = [start + n / 2 for n in range(len(words))]
    return {
        "stream_id": stream,
        "segment_id": segment,
        "start_time": start,
        "end_time": start + len(words) / 2,
        "transcript": " ".join(words),
        "results": [word(text, at, at + 0.4) for text, at in zip(words, times, strict=True)],
    }


def partial(
    *words: str, segment: int = 1, start: float = 0.0, stream: str = "s"
) -> PartialTranscript:
    return PartialTranscript.model_validate(_transcript(words, segment, start, stream))


def final(*words: str, segment: int = 1, start: float = 0.0, stream: str = "s") -> FinalTranscript:
    return FinalTranscript.model_validate(_transcript(words, segment, start, stream))


def ended(stream: str = "s", *, seconds: float = 2.0, chunks: int = 20) -> StreamEnded:
    return StreamEnded(
        stream_id=stream,
        reason="end",
        received_seconds=seconds,
        finalised_seconds=seconds,
        gap_seconds=0,
        chunks=chunks,
        duplicates=0,
        finals=1,
    )


def came(event: Event, seq: int = 1, *, epoch: int = 1, at: float = 0.0) -> Received:
    """The event as the ``seq``-th of its epoch, received at ``at`` seconds."""
    return receive(from_event(event, epoch=epoch, seq=seq), at)


def foreign(routing_key: str = "novelty.final.de.s", body: bytes = b"{}") -> Received:
    """An event that this version does not know."""
    return receive(AmqpMessage(routing_key, "FinalNovelty", body, message_id="s/1/99"), 0.0)
