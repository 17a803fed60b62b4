"""The bounds and deadlines of one stream."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..core.values.spec import Limits
from .section import Count, Seconds, Section


class SessionSettings(Section):
    """Bounds of one stream."""

    window: Seconds = 8.0
    """Audio under way to upstream, not yet confirmed"""
    window_chunks: Count = 512
    """The same, in chunks"""
    coalesce: Annotated[float, Field(ge=0, le=5)] = 0.1
    """Small chunks are put together up to this length while upstream has yet to confirm others"""
    prefetch: Annotated[int, Field(ge=20, le=65_535)] = 1000
    """Unacknowledged messages of one stream that a worker holds in memory"""
    resume_context: Annotated[float, Field(ge=0, le=10)] = 0.5
    """Run-up that a resumed session hears again"""
    gap_timeout: Seconds = 2.0
    """Wait for a missing message, before silence takes its place"""
    early_wait: Seconds = 90.0
    """Wait of audio and its stream's start for each other: longer than the 75 s in which RabbitMQ \
may take a silent node for alive"""
    max_missing: Count = 100_000
    """A message whose `seq` lies further ahead is refused"""
    max_chunk: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Audio that one message may carry"""
    max_chunk_bytes: Annotated[int, Field(ge=4096, le=16 * 1024 * 1024)] = 1024 * 1024
    """And bytes; a larger message of a stream is refused, and its copy cut to 4 KiB"""
    max_gap: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Longest silence in a gap's place"""
    idle_timeout: Seconds = 300.0
    """A stream without a message for this long ends; its start may say otherwise"""
    start_timeout: Seconds = 30.0
    """Longest wait for recognition to start"""
    answer_timeout: Seconds = 8.0
    """Upstream that reads no audio for this long counts as lost"""
    end_timeout: Seconds = 30.0
    """Longest wait for the next final behind the end of the audio"""
    retry_attempts: Annotated[int, Field(ge=0)] = 8
    """Sessions in a row that may fail before the stream does"""
    healthy_after: Seconds = 10.0
    """A session that lived this long wipes out the failures before it"""
    rollover_after: Seconds = 169_200.0
    """A session is replaced after this long (47 h), or when upstream warns of its limit"""
    rollover_wait: Seconds = 30.0
    """Wait for a pause in the speech, before sessions are changed in the midst of it"""
    suspend_after: Seconds | None = 120.0
    """A stream without audio for this long gives its session up until more comes; `null`: never"""
    speakers_every: Seconds = 30.0
    """Between questions for the voices told apart, so that a later session knows them"""
    max_message_rate: Annotated[float, Field(ge=50)] = 1000.0
    """Messages of one stream a second, a refused one counting as ten; more are read later"""
    max_byte_rate: Annotated[float, Field(ge=100_000)] = 8_000_000.0
    """Bytes of one stream a second; more are read later"""
    rate_burst: Seconds = 10.0
    """A stream that has kept below both rates may send what they give in this time at once"""

    def limits(self) -> Limits:
        return Limits(**self.model_dump())
