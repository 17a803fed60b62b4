"""Builders for the core's tests: a stream of 8 kHz mu-law, 100 ms a chunk."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from speechmq.core.stream import Stream
from speechmq.core.values import events
from speechmq.core.values.checkpoint import Checkpoint
from speechmq.core.values.commands import Command
from speechmq.core.values.inputs import (
    ChunkDelivered,
    CommandDelivered,
    ConnectionOpened,
    DeadlinePassed,
    EndDelivered,
    Input,
)
from speechmq.core.values.memo import Memo
from speechmq.core.values.outputs import Output, Publish, SendAudio, StartRecognition
from speechmq.core.values.spec import Limits, StreamSpec
from speechmq.speechmatics.messages import (
    AudioAdded,
    FinalReceived,
    Metadata,
    PartialReceived,
    RecognitionStarted,
)

RATE = 8000
CHUNK = 800
SPEC = StreamSpec("s", "mulaw", RATE, {"language": "en"})
TRANSLATED = replace(SPEC, translation_config={"target_languages": ["de", "fr"]})
VOICES = replace(SPEC, transcription_config={"language": "en", "diarization": "speaker"})
SEPARATE = replace(
    SPEC,
    transcription_config={
        "language": "en",
        "diarization": "channel",
        "channel_diarization_labels": ["a", "b"],
    },
    channel_labels=("a", "b"),
)
INTERLEAVED = replace(SEPARATE, is_interleaved=True)
LIMITS = Limits(
    resume_context=0.0,
    early_wait=0.0,
    idle_timeout=300.0,
    start_timeout=30.0,
    answer_timeout=10.0,
    end_timeout=30.0,
    suspend_after=None,
)
EMPTY = msgspec.Raw(b"[]")
INTRODUCTION = StartRecognition(SPEC.transcription_config)


def audio(seq: int, samples: int = CHUNK) -> bytes:
    """Samples that tell which chunk they belong to."""
    return bytes([seq % 256]) * samples


def chunk(
    seq: int, channel: str | None = None, *, tag: int | None = None, samples: int = CHUNK
) -> ChunkDelivered:
    tag = seq if tag is None else tag
    return ChunkDelivered(tag, seq, audio(seq, samples), channel=channel)


def wish(seq: int, command: Command, *, tag: int | None = None) -> CommandDelivered:
    return CommandDelivered(seq if tag is None else tag, seq, command)


def end(seq: int, *, tag: int | None = None) -> EndDelivered:
    return EndDelivered(seq if tag is None else tag, seq)


def final(
    end_time: float, start_time: float = 0.0, text: str = "", channel: str | None = None
) -> FinalReceived:
    return FinalReceived(Metadata(start_time, end_time, text), EMPTY, channel=channel)


def partial(
    end_time: float, start_time: float = 0.0, text: str = "", channel: str | None = None
) -> PartialReceived:
    return PartialReceived(Metadata(start_time, end_time, text), EMPTY, channel=channel)


def word(content: str, start: float, stop: float, speaker: str | None = None) -> dict[str, Any]:
    alternative: dict[str, Any] = {"content": content, "confidence": 1.0}
    if speaker is not None:
        alternative["speaker"] = speaker
    return {"type": "word", "start_time": start, "end_time": stop, "alternatives": [alternative]}


def words(*spoken: tuple[str, float, float] | tuple[str, float, float, str]) -> msgspec.Raw:
    """Results as upstream sends them: content, start, end, and who spoke."""
    return msgspec.Raw(msgspec.json.encode([word(*one) for one in spoken]))


def added(count: int) -> AudioAdded:
    return AudioAdded(count)


def new_stream(
    *,
    checkpoint: Checkpoint | None = None,
    memo: Memo | None = None,
    regions: int = 1,
    spec: StreamSpec = SPEC,
    **limits: Any,
) -> Stream:
    return Stream(
        spec,
        replace(LIMITS, **limits),
        now=0.0,
        jitter=lambda: 0.0,
        checkpoint=checkpoint,
        memo=memo,
        regions=regions,
    )


def started_stream(**how: Any) -> Stream:
    """A stream whose first session has begun, at time 0; ``how`` is that of ``new_stream``."""
    stream = new_stream(**how)
    stream.open(0.0)
    drive(stream, ConnectionOpened(), RecognitionStarted("u1"))
    return stream


def resume(stream: Stream, session_id: str, *, now: float) -> list[Output]:
    """A lost stream's next try, which succeeds; the outputs since it was introduced."""
    drive(stream, DeadlinePassed(), ConnectionOpened(), now=now)
    return drive(stream, RecognitionStarted(session_id), now=now)


def drive(stream: Stream, *received: Input, now: float = 0.0) -> list[Output]:
    """All outputs of some inputs that come at once."""
    return [output for one in received for output in stream.receive(one, now)]


def published(outputs: list[Output]) -> list[events.Event]:
    return [one.event for one in outputs if isinstance(one, Publish)]


def sent(outputs: list[Output]) -> list[bytes]:
    return [one.audio for one in outputs if isinstance(one, SendAudio)]
