"""Makes a `StartStream` of what the command line says. Pure but for the file behind ``@``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from speechmq.errors import RequestError
from speechmq_schemas import ContractError, StartStream

from .audio_file import EncodedRecording
from .recording import Recording

STREAM_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Wishes:
    """Options that go into the transcription config; ``None`` leaves a field as it is there."""

    language: str | None = None
    max_delay: float | None = None
    end_of_utterance: float | None = None

    def over(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """``config`` with our wishes in it. A sender shows captions, so partials are on."""
        merged = {"language": "en", "enable_partials": True, **config}
        if self.language is not None:
            merged["language"] = self.language
        if self.max_delay is not None:
            merged["max_delay"] = self.max_delay
        if self.end_of_utterance is not None:
            trigger = {"end_of_utterance_silence_trigger": self.end_of_utterance}
            conversation = merged.get("conversation_config") or {}
            if isinstance(conversation, dict):  # else the contract refuses it, with its name
                merged["conversation_config"] = conversation | trigger
        return merged


def start_stream(
    stream_id: str,
    recording: Recording | EncodedRecording,
    config: Mapping[str, Any],
    *,
    credential: str | None = None,
    region: str | None = None,
) -> StartStream:
    """Raises ``RequestError`` that names each field that the contract does not allow."""
    body = {
        "stream_id": checked_stream_id(stream_id),
        "audio_format": recording.audio_format,
        "transcription_config": config,
    }
    chosen = {"credential": credential, "region": region}
    body |= {name: value for name, value in chosen.items() if value is not None}
    try:
        return StartStream.model_validate_json(json.dumps(body))
    except ValidationError as error:
        told = ContractError.from_validation("StartStream", error)
        raise RequestError(f"this cannot be asked for: {told.reason}") from error


def checked_stream_id(stream_id: str) -> str:
    """The id, if it is one word of a routing key; else raises ``RequestError``."""
    if not STREAM_ID.fullmatch(stream_id):
        raise RequestError(
            f"{stream_id!r} cannot be a stream id: 1 to 128 letters, digits, '-' and '_'"
        )
    return stream_id


def new_stream_id(file: Path, token: str) -> str:
    """A readable id: the file's name, and a ``token`` that makes it the only one."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", file.stem).strip("-")[:48]
    return f"{name or 'stream'}-{token}"


def read_config(text: str) -> dict[str, Any]:
    """A transcription config: JSON, or ``@`` and the name of a file with JSON."""
    source = "--config"
    if text.startswith("@"):
        source = text[1:]
        try:
            text = Path(source).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise RequestError(f"{source} cannot be read: {error}") from error
    try:
        config = json.loads(text)
    except ValueError as error:
        raise RequestError(f"{source} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise RequestError(f'{source} is not a JSON object, as in {{"language": "en"}}')
    return config
