"""All streams that the console knows, and what it lets go when it holds too much. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from speechmq.commandline.captions import Seen, one_line
from speechmq.commandline.received import Received, receive
from speechmq_schemas import StreamInfo, from_event
from speechmq_schemas.routing import is_stream_id

from .record import Record, end_of_line


@dataclass(frozen=True, slots=True)
class Limits:
    """Of what is held in memory; ``bytes`` are of all events, ``events`` and a quarter of the bytes
    are what one stream may have."""

    streams: int = 1000
    bytes: int = 256 * 2**20
    events: int = 50_000
    event_bytes: int = 4 * 2**20


class Board:
    """Fed with ``take``. ``changed`` has the streams that are others now, until somebody clears
    it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._records: OrderedDict[str, Record] = OrderedDict()  # the longest unheard first
        self._seen = Seen()
        self._bytes = 0
        self._gaps_in_listening = 0
        self.changed: dict[str, None] = {}
        self.forgotten = 0
        self.unreadable = 0
        self.problem: str | None = None

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    def record(self, stream_id: str) -> Record | None:
        return self._records.get(stream_id)

    def take(self, received: Received, now: float) -> Record | None:
        """Takes an event in; gives the stream that it changed.

        Never raises: an event that is no event is counted.
        """
        if not self._is_readable(received) or received.event is None:
            return None
        if self._seen.again(received.message.message_id):
            return None
        record = self._record_for(received, now)
        before = record.kept.size
        if not record.apply(received, now):
            return None
        self._bytes += record.kept.size - before
        self._records.move_to_end(record.stream_id)
        self.changed[record.stream_id] = None
        self._keep_to_limits(record)
        return record

    def _is_readable(self, received: Received) -> bool:
        problem = received.problem
        if len(received.message.body) > self._limits.event_bytes:
            problem = f"an event of {len(received.message.body)} bytes is too large to be shown"
        elif not is_stream_id(received.stream_id):
            problem = f"{received.stream_id!r} is no stream's id"
        if problem is not None:
            self.unreadable += 1
            self.problem = end_of_line(one_line(problem))
        return problem is None

    def _record_for(self, received: Received, now: float) -> Record:
        stream_id = received.stream_id
        known = self._records.get(stream_id)
        if known is not None and known.begins_anew(received):
            self._bytes -= known.kept.size
            known = None
        if known is None:
            known = self._records[stream_id] = Record(stream_id, now)
        return known

    def _keep_to_limits(self, newest: Record) -> None:
        limits = self._limits
        while len(self._records) > limits.streams:
            self._forget(next(self._to_forget(newest)))
        if len(newest.kept) > limits.events or newest.kept.size > limits.bytes // 4:
            self._shorten(newest)
        while self._bytes > limits.bytes:
            over = next((one for one in self if one.is_over and one is not newest), None)
            if over is not None:
                self._forget(over)
            else:
                self._shorten(max(self, key=lambda one: one.kept.size))

    def _to_forget(self, newest: Record) -> Iterator[Record]:
        """Streams that are over, then those that have not been heard for the longest."""
        yield from (one for one in self if one.is_over and one is not newest)
        yield from (one for one in self if one is not newest)

    def _forget(self, record: Record) -> None:
        del self._records[record.stream_id]
        self._bytes -= record.kept.size
        self.forgotten += 1
        self.changed[record.stream_id] = None

    def _shorten(self, record: Record) -> None:
        """A quarter at once, so that it is not to be done again with the next event."""
        before = record.kept.size
        record.kept.forget(max(1, len(record.kept) // 4))
        self._bytes -= before - record.kept.size
        self.changed[record.stream_id] = None
        if record.kept.size == before:
            self._forget(record)

    def missed(self, seconds: float) -> list[Received]:
        """Nobody listened for a while: what each stream that was live is to be told by ``take``.

        It has the form of an event, so that it is kept and shown like one.
        """
        self._gaps_in_listening += 1
        return [self._missed(one, seconds) for one in self if not one.is_over]

    def _missed(self, record: Record, seconds: float) -> Received:
        reason = f"the console heard nothing for {seconds:.1f} s: what was said then may be missing"
        event = StreamInfo(stream_id=record.stream_id, code="not_listening", reason=reason)
        message = from_event(event, epoch=record.epoch, seq=-self._gaps_in_listening)
        own = f"{record.stream_id}/console/{self._gaps_in_listening}"
        return receive(replace(message, message_id=own), 0.0)
