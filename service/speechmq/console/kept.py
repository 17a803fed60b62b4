"""The events of one stream that its page and its files are made of, as they came. Pure.

Bodies take a tenth of the memory that their models would, so models are made when somebody looks.
Partials are not kept: their finals say it all.
"""

from __future__ import annotations

from collections.abc import Iterator

from speechmq.commandline.received import Received, receive
from speechmq_schemas import (
    AmqpMessage,
    AudioEventEnded,
    AudioEventStarted,
    AudioGap,
    EndOfUtterance,
    FinalTranscript,
    FinalTranslation,
    StreamAccepted,
    StreamDetached,
    StreamEnded,
    StreamFailed,
    StreamInfo,
    StreamResumed,
    StreamStarted,
    StreamWarning,
    Transcript,
)

KEPT = frozenset(
    model.__name__
    for model in (
        AudioEventEnded,
        AudioEventStarted,
        AudioGap,
        EndOfUtterance,
        FinalTranscript,
        FinalTranslation,
        StreamAccepted,
        StreamDetached,
        StreamEnded,
        StreamFailed,
        StreamInfo,
        StreamResumed,
        StreamStarted,
        StreamWarning,
    )
)
START = StreamStarted.__name__

OVERHEAD = 600
"""Bytes that a kept event takes besides its body: half for its place, half for its names."""


class KeptEvents:
    """In order of arrival, each once by its message id."""

    def __init__(self) -> None:
        self._messages: dict[str, AmqpMessage] = {}
        self.size = 0
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[AmqpMessage]:
        return iter(list(self._messages.values()))

    def knows(self, received: Received) -> bool:
        return _key(received) in self._messages

    def add(self, received: Received) -> None:
        """An event that came before, or of a kind that is not kept, changes nothing."""
        message = received.message
        if message.type not in KEPT or self.knows(received):
            return
        epoch, seq = received.position
        self._messages[_key(received)] = AmqpMessage(
            message.routing_key,
            message.type,
            message.body,
            {"epoch": epoch, "seq": seq},
            message_id=message.message_id,
            correlation_id=message.correlation_id,
        )
        self.size += len(message.body) + OVERHEAD

    def forget(self, count: int) -> None:
        """Lets the oldest go; not the newest start, which tells how words are joined."""
        starts = (key for key, one in reversed(self._messages.items()) if one.type == START)
        start = next(starts, None)
        oldest = [key for key in list(self._messages)[:count] if key != start]
        for key in oldest:
            self.size -= len(self._messages.pop(key).body) + OVERHEAD
        self.forgotten += len(oldest)


def _key(received: Received) -> str:
    """A message without an id is told by its place."""
    epoch, seq = received.position
    return received.message.message_id or f"{received.message.type}/{epoch}/{seq}"


def transcript_of(messages: Iterator[AmqpMessage], stream_id: str) -> Transcript:
    """What kept events make; those of another stream's name are left out."""
    transcript = Transcript()
    for message in messages:
        received = receive(message, 0.0)
        if received.event is not None and received.event.stream_id == stream_id:
            epoch, seq = received.position
            transcript.apply(received.event, epoch=epoch, seq=seq)
    return transcript
