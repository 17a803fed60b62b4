"""Names in the broker, as pure functions of the namespace and the stream."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCHEMA_VERSION = "1"

STREAM_ID = r"^[A-Za-z0-9_-]{1,128}$"
UNKNOWN = "unknown"

EVENT_ROUTES: dict[str, str] = {
    "StreamAccepted": "stream.accepted",
    "StreamStarted": "stream.started",
    "StreamResumed": "stream.resumed",
    "StreamDetached": "stream.detached",
    "StreamWarning": "stream.warning",
    "StreamInfo": "stream.info",
    "StreamEnded": "stream.ended",
    "StreamFailed": "stream.failed",
    "PartialTranscript": "transcript.partial",
    "FinalTranscript": "transcript.final",
    "EndOfUtterance": "utterance.end",
    "PartialTranslation": "translation.partial",
    "FinalTranslation": "translation.final",
    "SpeakersResult": "speakers.result",
    "AudioEventStarted": "audio_event.started",
    "AudioEventEnded": "audio_event.ended",
    "AudioGap": "audio.gap",
}

START_ROUTING_KEY = "start"
TEMPORARY_KEY_ROUTING_KEY = "temporary-key"


def is_stream_id(text: str) -> bool:
    return re.fullmatch(STREAM_ID, text) is not None


def addressable(stream_id: str) -> str:
    """``stream_id`` if it is one, else ``unknown``.

    A refused start may name its stream by anything, of any length; what AMQP allows in a routing
    key or a property is 255 bytes.
    """
    return stream_id if is_stream_id(stream_id) else UNKNOWN


def stream_routing_key(stream_id: str) -> str:
    """The routing key of everything that a publisher sends after the start."""
    return f"stream.{stream_id}"


STATUS_ROUTING_PREFIX = "status."


def status_routing_key(stream_id: str) -> str:
    """The routing key of a question about a stream: whoever owns the stream is bound to it."""
    return f"{STATUS_ROUTING_PREFIX}{stream_id}"


def event_routing_key(event_type: str, stream_id: str) -> str:
    """The routing key of an event; ``KeyError`` for a type that the contract does not have.

    It ends in ``unknown`` if ``stream_id`` is none, as in a refused start.
    """
    return f"{EVENT_ROUTES[event_type]}.{addressable(stream_id)}"


def translation_routing_key(event_type: str, language: str, stream_id: str) -> str:
    """The routing key of a translation, with the language that it is in."""
    return f"{EVENT_ROUTES[event_type]}.{_word(language)}.{addressable(stream_id)}"


def upstream_routing_key(message: str, stream_id: str) -> str:
    """The routing key of an upstream message that the contract does not know."""
    return f"upstream.{_word(message)}.{addressable(stream_id)}"


def _word(text: str) -> str:
    """One word of a routing key out of upstream's text: what would add words, or overflow the key,
    is taken out."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)[:64] or UNKNOWN


@dataclass(frozen=True, slots=True)
class Names:
    """Every exchange and queue, under one namespace."""

    namespace: str = "speechmq"

    @property
    def inbound(self) -> str:
        return f"{self.namespace}.in"

    @property
    def events(self) -> str:
        return f"{self.namespace}.events"

    @property
    def start(self) -> str:
        return f"{self.namespace}.start"

    @property
    def unrouted(self) -> str:
        return f"{self.namespace}.unrouted"

    @property
    def early(self) -> str:
        return f"{self.namespace}.early"

    @property
    def temporary_key(self) -> str:
        return f"{self.namespace}.temporary-key"

    @property
    def claims(self) -> str:
        return f"{self.namespace}.claims"

    @property
    def log(self) -> str:
        return f"{self.namespace}.log"

    @property
    def dead(self) -> str:
        return f"{self.namespace}.dead"

    def stream(self, stream_id: str) -> str:
        return f"{self.namespace}.stream.{stream_id}"

    def state(self, stream_id: str) -> str:
        return f"{self.namespace}.state.{stream_id}"

    def status(self, worker: str) -> str:
        return f"{self.namespace}.status.{worker}"

    def memo(self, stream_id: str) -> str:
        return f"{self.namespace}.memo.{stream_id}"
