"""What the core asks of upstream, in upstream's words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.values.commands import ChangeConfig, ForceUtterance, TellSpeakers
from ..core.values.spec import StreamSpec
from ..speechmatics.messages import (
    force_end_of_utterance,
    get_speakers,
    set_recognition_config,
    start_recognition,
)


def start_message(spec: StreamSpec, config: Mapping[str, Any]) -> str:
    """``config`` is what the session begins with: a stream's may have changed since its start."""
    audio_format = {
        "type": "raw",
        "encoding": spec.upstream_encoding,
        "sample_rate": spec.sample_rate,
    }
    return start_recognition(
        audio_format,
        dict(config),
        translation_config=spec.translation_config,
        audio_events_config=spec.audio_events_config,
    )


def command_message(command: ChangeConfig | ForceUtterance | TellSpeakers) -> str:
    match command:
        case ChangeConfig(config):
            return set_recognition_config(config)
        case ForceUtterance(timestamp, channel):
            return force_end_of_utterance(timestamp, channel)
        case TellSpeakers(final):
            return get_speakers(final=final)
