"""One stream's page, as long as somebody looks at it: its events read, and what changed of it.

Pure, but for the time that reading takes, which is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from speechmq.commandline.received import Received, receive
from speechmq_schemas import AmqpMessage

from .reading import Reading
from .record import Record
from .versions import Versions, encode

SHARE_OF_TIME = 0.1
"""Reading a transcript of hours takes its time; it is not to take more than this share of it."""

BATCH = 100
"""So many kept events are read at once."""


class Pace:
    """Does something when it is due, and rests behind it the longer it took."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.is_due = True
        self._clock = clock
        self._not_before = 0.0

    def go(self, work: Callable[[], None]) -> None:
        began = self._clock()
        if not self.is_due or began < self._not_before:
            return
        self.is_due = False
        work()
        ended = self._clock()
        self._not_before = ended + (ended - began) / SHARE_OF_TIME


class Watched:
    """Made for a record and its events so far, which ``catch_up`` reads; ``hear`` all others."""

    def __init__(self, record: Record, token: str, clock: Callable[[], float]) -> None:
        self.record = record
        self.rows = Versions(token)
        self._reading = Reading(record.stream_id)
        self._unread: Iterator[AmqpMessage] | None = iter(record.kept)
        self._heard_meanwhile: list[Received] = []
        self._forgotten = record.kept.forgotten
        self._saying, self._entries = Pace(clock), Pace(clock)

    def is_of(self, record: Record | None) -> bool:
        """False when the stream's id is another stream's now, or its oldest events were let go."""
        return self.record is record and self._forgotten == self.record.kept.forgotten

    def catch_up(self) -> bool:
        """Reads some of what was kept before; True when nothing of it is left."""
        for _ in range(BATCH if self._unread is not None else 0):
            message = next(self._unread, None) if self._unread is not None else None
            if message is None:
                self._unread = None
                self._read_heard()
                break
            self._reading.apply(receive(message, 0.0))
        return self._unread is None

    def _read_heard(self) -> None:
        for received in self._heard_meanwhile:
            self._reading.apply(received)
        self._heard_meanwhile.clear()

    def hear(self, received: Received) -> None:
        if self._unread is not None:
            self._heard_meanwhile.append(received)
            return
        self._reading.apply(received)
        self._saying.is_due = self._entries.is_due = True

    def refresh(self) -> None:
        """Takes in what changed since the last time, unless that would be too often."""
        if self._unread is not None:
            return
        self.rows.put("stream", encode({"key": "stream", **self.record.row()}))
        self._saying.go(self._put_saying)
        self._entries.go(self._put_entries)

    @property
    def is_due(self) -> bool:
        """Whether something waits for the next refresh."""
        return self._unread is None and (self._saying.is_due or self._entries.is_due)

    def _put_saying(self) -> None:
        reading = self._reading
        row = {"live": reading.live(), "translations": reading.live_translations()}
        self.rows.put("saying", encode({"key": "saying", **row}))

    def _put_entries(self) -> None:
        found = self._reading.entries()
        for key in self.rows.keys - found.keys() - {"stream", "saying", "kept", "@console"}:
            self.rows.drop(key)
        for key, entry in found.items():
            self.rows.put(key, encode({"key": key, **entry}))
        kept = {"missing": self._reading.transcript.missing[:20], "forgotten": self._forgotten}
        self.rows.put("kept", encode({"key": "kept", **kept}))
