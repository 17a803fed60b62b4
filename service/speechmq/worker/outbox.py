"""What a stream has yet to give the broker: in order, and in bounds. Pure.

Where more waits than there is room for, a waiting partial is superseded by the next one like it.
Everything else waits for its turn. Bytes are those of the events' bodies.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TypeAlias

from ..core.values.events import Event, PartialTranscript, PartialTranslation
from ..core.values.outputs import DeadLetter, Publish, SaveCheckpoint, SaveMemo

BrokerWork: TypeAlias = Publish | SaveCheckpoint | SaveMemo | DeadLetter

# A stream whose outbox holds so much work does not read its upstream.
MAX_WAITING = 256
# Bytes of partials that may be on their way to the broker without a confirm to wait for.
MAX_UNCONFIRMED = 64 * 1024


@dataclass(slots=True)
class Backlog:
    """The bytes in all outboxes of a worker. ``stream_limit`` is for one of them.

    While all together hold more than ``limit``, one holds no more than ``share``.
    """

    limit: int
    stream_limit: int
    share: int
    held: int = 0

    def bound(self) -> int:
        """The most bytes that one stream may hold now."""
        return self.stream_limit if self.held <= self.limit else min(self.stream_limit, self.share)


@dataclass(frozen=True, slots=True)
class Entry:
    """``work``, and the body of the event that it publishes."""

    work: BrokerWork
    body: bytes = b""


@dataclass(slots=True)
class Outbox:
    backlog: Backlog
    room: int = MAX_UNCONFIRMED
    """Bytes that may wait before partials supersede each other: until then none is left out."""
    held: int = 0
    unconfirmed: int = 0
    """Bytes that were published since the last confirm that was waited for."""
    _entries: deque[Entry] = field(default_factory=deque)
    _current: Entry | None = None

    def put(self, entry: Entry) -> None:
        if isinstance(entry.work, Publish) and self.held + len(entry.body) > self.room:
            self._supersede(entry.work.event)
        self._entries.append(entry)
        self._hold(len(entry.body))

    def _supersede(self, event: Event) -> None:
        """Takes out the waiting partials that ``event`` makes up for."""
        kind = _kind(event)
        if kind is None:
            return
        kept: deque[Entry] = deque()
        for entry in self._entries:
            if isinstance(entry.work, Publish) and _kind(entry.work.event) == kind:
                self._hold(-len(entry.body))
            else:
                kept.append(entry)
        self._entries = kept

    def take(self) -> Entry:
        """The oldest, which is held until ``done``. Raises ``IndexError`` if there is none."""
        self._current = self._entries.popleft()
        return self._current

    def done(self) -> None:
        """The broker has what was taken last."""
        if self._current is not None:
            self._hold(-len(self._current.body))
            self._current = None

    def clear(self) -> None:
        """The stream lets go of everything; its bytes are no longer its worker's."""
        self._entries.clear()
        self._current = None
        self._hold(-self.held)

    @property
    def is_empty(self) -> bool:
        return not self._entries and self._current is None

    @property
    def is_full(self) -> bool:
        """Whether upstream has to wait."""
        return len(self._entries) >= MAX_WAITING

    @property
    def is_over_bound(self) -> bool:
        """Whether the stream has said more than it may."""
        return self.held > self.backlog.bound()

    def _hold(self, size: int) -> None:
        self.held += size
        self.backlog.held += size


def _kind(event: Event) -> tuple[object, ...] | None:
    """Partials of one kind supersede each other; no other event does."""
    match event:
        case PartialTranscript():
            return PartialTranscript, event.channel
        case PartialTranslation():
            return PartialTranslation, event.language
        case _:
            return None
