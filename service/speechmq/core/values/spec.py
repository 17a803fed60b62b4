"""What a stream is, and the bounds that hold for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from speechmq_schemas import FileAudioFormat, RawAudioFormat, StartStream
from speechmq_schemas.config import BYTES_PER_SAMPLE, Encoding

from ...media.companding import pcm_of_alaw
from ...speechmatics.messages import start_recognition

# Samples a second that files are decoded to: recognition gains nothing from more.
DECODED_RATE = 16_000

# What stands for no sound; the laws know no zero, and these are nearest to it.
_SILENCE = {"mulaw": b"\xff", "alaw": b"\xd5"}

Channel: TypeAlias = str | None
"""A channel's label; nothing is the one channel of a mono stream."""

Track: TypeAlias = str | None
"""What has a clock of its own: a separate channel by its label. Nothing is the one clock of a
stream that is mono, or whose channels are interleaved."""


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A validated start, in the terms of the core.

    ``labels`` are the publisher's own; ``channel_labels`` name the channels, where there are some.
    Of a stream that ``is_encoded``, encoding and rate are those of what it is decoded to; it is
    mono.
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
    channel_labels: tuple[str, ...] = ()
    is_interleaved: bool = False

    @classmethod
    def from_start(cls, start: StartStream) -> StreamSpec:
        # Null is as good as absent, but upstream would refuse it.
        body = start.model_dump(by_alias=True, exclude_unset=True, exclude_none=True)
        form, channels = start.audio_format, start.channels
        config = body["transcription_config"]
        if channels is not None:
            # To upstream, several channels are a kind of diarization.
            by_channel = {"diarization": config.get("diarization") or "channel"}
            config |= by_channel | {"channel_diarization_labels": channels.labels}
        is_encoded = isinstance(form, FileAudioFormat)
        if isinstance(form, FileAudioFormat):
            # Decoded here, so that clock, gaps, coverage and resume are those of raw audio.
            form = RawAudioFormat(encoding="pcm_s16le", sample_rate=DECODED_RATE)
        return cls(
            stream_id=start.stream_id,
            encoding=form.encoding,
            sample_rate=form.sample_rate,
            transcription_config=config,
            translation_config=body.get("translation_config"),
            audio_events_config=body.get("audio_events_config"),
            idle_timeout=start.idle_timeout,
            labels=start.labels,
            is_encoded=is_encoded,
            channel_labels=tuple(channels.labels) if channels else (),
            is_interleaved=channels is not None and channels.layout == "interleaved",
        )

    def to_wire(self, config: Mapping[str, Any]) -> str:
        """``StartRecognition`` of a session that begins with ``config``, which may have changed
        since the start."""
        audio_format = {
            "type": "raw",
            "encoding": self.upstream_encoding,
            "sample_rate": self.sample_rate,
        }
        return start_recognition(
            audio_format,
            dict(config),
            translation_config=self.translation_config,
            audio_events_config=self.audio_events_config,
        )

    @property
    def channels(self) -> tuple[Channel, ...]:
        return self.channel_labels or (None,)

    @property
    def tracks(self) -> tuple[Track, ...]:
        return (None,) if self.is_interleaved else self.channels

    def track_of(self, channel: Channel) -> Track:
        return None if self.is_interleaved else channel

    def channels_of(self, track: Track) -> tuple[Channel, ...]:
        return self.channels if self.is_interleaved else (track,)

    @property
    def width(self) -> int:
        """How many channels a frame has."""
        return len(self.channel_labels) if self.is_interleaved else 1

    @property
    def target_languages(self) -> frozenset[str]:
        return frozenset((self.translation_config or {}).get("target_languages") or ())

    @property
    def sample_bytes(self) -> int:
        return BYTES_PER_SAMPLE[self.encoding]

    @property
    def frame_bytes(self) -> int:
        """One sample of every channel that a chunk holds."""
        return self.sample_bytes * self.width

    @property
    def silence_byte(self) -> bytes:
        """The byte that silence is made of."""
        return _SILENCE.get(self.encoding, b"\x00")

    @property
    def upstream_encoding(self) -> Encoding:
        """How the audio goes upstream."""
        # Upstream takes no A-law. Linear samples hold its 13 bits as they are; mu-law would be half
        # the bytes, but rounds most of them again.
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
    """Deadlines and amounts of audio in seconds; settings.session says what each is."""

    window: float = 8.0
    window_chunks: int = 512
    coalesce: float = 0.1
    prefetch: int = 1000
    resume_context: float = 0.5
    gap_timeout: float = 2.0
    early_wait: float = 90.0
    max_missing: int = 100_000
    max_chunk: float = 5.0
    max_chunk_bytes: int = 1024 * 1024
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
    max_message_rate: float = 1000.0
    max_byte_rate: float = 8_000_000.0
    rate_burst: float = 10.0
