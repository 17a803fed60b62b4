"""What a stream's core is made of: its start, and what a predecessor left of its file."""

from __future__ import annotations

from speechmq_schemas import FileAudioFormat, RawAudioFormat, StartStream

from ..core.values.checkpoint import Checkpoint
from ..core.values.memo import Memo
from ..core.values.spec import StreamSpec
from ..media.decoder import FileDecoder

# Samples a second that files are decoded to: recognition gains nothing from more.
DECODED_RATE = 16_000


def spec_of(start: StartStream) -> StreamSpec:
    """The start in the terms of the core.

    Null is as good as absent, but upstream would refuse it.
    """
    body = start.model_dump(by_alias=True, exclude_unset=True, exclude_none=True)
    form, channels = start.audio_format, start.channels
    config = body["transcription_config"]
    if channels is not None:
        by_channel = {"diarization": config.get("diarization") or "channel"}
        config |= by_channel | {"channel_diarization_labels": channels.labels}
    is_encoded = isinstance(form, FileAudioFormat)
    if isinstance(form, FileAudioFormat):
        form = RawAudioFormat(encoding="pcm_s16le", sample_rate=DECODED_RATE)
    return StreamSpec(
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


def decoder_for(
    spec: StreamSpec, checkpoint: Checkpoint | None, memo: Memo | None
) -> FileDecoder | None:
    """Of a stream that is a file, beginning where the checkpoint says."""
    if not spec.is_encoded:
        return None
    head = memo.head if memo else None
    entry = checkpoint.entry if checkpoint and head else None
    return FileDecoder(spec.sample_rate, head, entry.unit if entry else None)
