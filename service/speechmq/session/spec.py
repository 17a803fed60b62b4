"""What a stream is, and the bounds that hold for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from speechmq_schemas.config import BYTES_PER_SAMPLE, Encoding

from ..media.companding import pcm_of_alaw

# What stands for no sound; the laws know no zero, and these are nearest to it.
_SILENCE = {"mulaw": b"\xff", "alaw": b"\xd5"}


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A validated start, in the terms of the core.

    Of a stream that ``is_encoded``, encoding and rate are those of what it is decoded to.
    """

    stream_id: str
    encoding: Encoding
    sample_rate: int
    transcription_config: Mapping[str, Any]
    translation_config: Mapping[str, Any] | None = None
    audio_events_config: Mapping[str, Any] | None = None
    idle_timeout: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    is_encoded: bool = False

    @property
    def target_languages(self) -> frozenset[str]:
        return frozenset((self.translation_config or {}).get("target_languages") or ())

    @property
    def sample_bytes(self) -> int:
        return BYTES_PER_SAMPLE[self.encoding]

    @property
    def silence_byte(self) -> bytes:
        """The byte that silence is made of."""
        return _SILENCE.get(self.encoding, b"\x00")

    @property
    def upstream_encoding(self) -> Encoding:
        """How upstream is sent the audio; it does not take everything that a publisher may send."""
        return "pcm_s16le" if self.encoding == "alaw" else self.encoding

    def for_upstream(self, audio: bytes) -> bytes:
        return pcm_of_alaw(audio) if self.encoding == "alaw" else audio

    def samples(self, seconds: float) -> int:
        return round(seconds * self.sample_rate)

    def seconds(self, samples: int) -> float:
        """Rounded to the microsecond, which is finer than a sample at any rate allowed."""
        return round(samples / self.sample_rate, 6)


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines and amounts of audio in seconds; settings.py says what each is."""

    window: float = 8.0
    window_chunks: int = 512
    coalesce: float = 0.1
    prefetch: int = 1000
    resume_context: float = 0.5
    gap_timeout: float = 2.0
    early_wait: float = 30.0
    max_missing: int = 100_000
    max_chunk: float = 5.0
    max_encoded_chunk: int = 1024 * 1024
    max_gap: float = 60.0
    idle_timeout: float = 300.0
    start_timeout: float = 30.0
    answer_timeout: float = 8.0
    end_timeout: float = 30.0
    retry_attempts: int = 8
    healthy_after: float = 10.0
    rollover_after: float = 169_200.0
    rollover_wait: float = 30.0
    suspend_after: float | None = 120.0
    speakers_every: float = 30.0
