"""The transcripts of the streams that a subscriber hears, as far as it has heard them. Pure."""

from __future__ import annotations

from collections import OrderedDict

from speechmq_schemas import Event, Transcript

from .inbox import Position


class Transcripts:
    """Keeps those of the ``most`` streams that were heard last."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._by_stream: OrderedDict[str, Transcript] = OrderedDict()

    def fold(self, event: Event, position: Position) -> Transcript:
        """The transcript of the event's stream, with the event in it."""
        stream_id = event.stream_id
        transcript = self._by_stream.setdefault(stream_id, Transcript())
        self._by_stream.move_to_end(stream_id)
        if len(self._by_stream) > self._most:
            self._by_stream.popitem(last=False)
        transcript.apply(event, epoch=position.epoch, seq=position.seq)
        return transcript

    def get(self, stream_id: str) -> Transcript | None:
        return self._by_stream.get(stream_id)

    def forget(self, stream_id: str) -> None:
        self._by_stream.pop(stream_id, None)
