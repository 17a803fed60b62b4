"""Shares out what the board knows to any number of browsers.

Nothing is queued for a browser: it has a cursor, and gets what changed behind it, four times a
second at most and once for everything that changed meanwhile. So a slow one costs no more than a
fast one. Frames are encoded once for all who are at the same place.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from speechmq.commandline.received import Received

from .board import Board
from .versions import Cursor, Versions, encode
from .watched import Watched

TICK_SECONDS = 0.25
ROWS_A_TICK = 200
ROWS_A_FRAME = 200
BROWSERS = 200
READ_AT_ONCE = 24
"""Streams whose pages are open; each is held in full while it is."""
IDLE = 4
"""Pages that nobody looks at any more, in case somebody comes back."""


class TooMany(Exception):
    """More browsers, or more open pages of streams, than are served at once."""


class Hub:
    """``clock`` is the time of day in seconds, ``token`` makes a new word each time."""

    def __init__(self, board: Board, clock: Callable[[], float], token: Callable[[], str]) -> None:
        self.board = board
        self._clock, self._token = clock, token
        self._rows, self._unknown = Versions(token()), Versions(token())
        self._unknown.put("stream", encode({"key": "stream", "id": None}))
        self._watched: OrderedDict[str, Watched] = OrderedDict()
        self._broker = {"state": "connecting", "text": ""}
        self._browsers = 0
        self._readers: Counter[str] = Counter()
        self._is_closing = False
        self._due, self._pulse = asyncio.Event(), asyncio.Event()
        self._frames: dict[tuple[str, Cursor | None, int], tuple[bytes, Cursor]] = {}

    # -- from the broker -------------------------------------------------------------------------

    def take(self, received: Received) -> None:
        """Takes an event in."""
        record = self.board.take(received, self._clock())
        watched = None if record is None else self._watched.get(record.stream_id)
        if watched is not None and watched.is_of(record):
            watched.hear(received)
        self._due.set()

    def missed(self, seconds: float) -> None:
        """Nobody listened for so long."""
        for received in self.board.missed(seconds):
            self.take(received)

    def tell_broker(self, state: str, text: str) -> None:
        """``connecting``, ``connected`` or ``lost``, and a sentence about it."""
        self._broker = {"state": state, "text": text}
        self._due.set()

    # -- ticks -----------------------------------------------------------------------------------

    async def tick(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._due.wait()
            if self._browsers:
                self.publish()
            await asyncio.sleep(TICK_SECONDS)

    def publish(self) -> None:
        """Lets every browser know what is new."""
        self._due.clear()
        self._publish_rows()
        for watched in self._watched.values():
            watched.refresh()
        if self.board.changed or any(one.is_due for one in self._watched.values()):
            self._due.set()
        self._frames.clear()
        pulse, self._pulse = self._pulse, asyncio.Event()
        pulse.set()

    def _publish_rows(self) -> None:
        for stream_id in list(self.board.changed)[:ROWS_A_TICK]:
            del self.board.changed[stream_id]
            record = self.board.record(stream_id)
            if record is None:
                self._rows.drop(stream_id)
            else:
                self._rows.put(stream_id, encode({"key": stream_id, **record.row()}))
        console = encode({"key": "@console", **self._console()})
        for table in (self._rows, self._unknown, *(one.rows for one in self._watched.values())):
            table.put("@console", console)

    def _console(self) -> dict[str, object]:
        board = self.board
        live = sum(not one.is_over for one in board)
        return {
            "broker": self._broker,
            "live": live,
            "over": len(board) - live,
            "forgotten": board.forgotten,
            "unreadable": board.unreadable,
            "problem": board.problem,
        }

    def close(self) -> None:
        """Ends all that is being sent."""
        self._is_closing = True
        self._pulse.set()

    # -- to browsers -----------------------------------------------------------------------------

    @property
    def is_closing(self) -> bool:
        return self._is_closing

    @property
    def pulse(self) -> asyncio.Event:
        """Set when there is something new, or when the hub closes. Ask for it anew each time."""
        return self._pulse

    @contextmanager
    def browser(self, stream_id: str | None) -> Iterator[None]:
        """One more watches all streams, or one; raises ``TooMany``."""
        if self._browsers >= BROWSERS:
            raise TooMany(f"{BROWSERS} browsers watch this console already")
        is_new = stream_id is not None and stream_id not in self._readers
        if is_new and len(self._readers) >= READ_AT_ONCE:
            raise TooMany(f"{READ_AT_ONCE} streams are being read here already")
        self._browsers += 1
        if stream_id is not None:
            self._readers[stream_id] += 1
        self._due.set()
        try:
            yield
        finally:
            self._browsers -= 1
            if stream_id is not None:
                self._leave(stream_id)

    def _leave(self, stream_id: str) -> None:
        self._readers[stream_id] -= 1
        if self._readers[stream_id]:
            return
        del self._readers[stream_id]
        idle = [one for one in self._watched if one not in self._readers]
        for one in idle[:-IDLE]:
            del self._watched[one]

    def overview(self) -> Versions:
        """A row for each stream."""
        return self._rows

    async def page(self, stream_id: str) -> Versions:
        """The rows of one stream's page, as long as it is the same stream."""
        record = self.board.record(stream_id)
        if record is None:
            return self._unknown
        watched = self._watched.get(stream_id)
        if watched is None or not watched.is_of(record):
            watched = self._watched[stream_id] = Watched(record, self._token(), self._clock)
        self._watched.move_to_end(stream_id)
        while not watched.catch_up():  # noqa: ASYNC110  # it is this that works
            await asyncio.sleep(0)
        if not watched.rows.version:
            watched.refresh()
            self._due.set()
        return watched.rows

    def frame(self, table: Versions, cursor: Cursor | None) -> tuple[bytes, Cursor] | None:
        """What is behind the cursor as one server-sent event, and the cursor behind that."""
        place = (table.token, cursor, table.version)
        known = self._frames.get(place)
        if known is not None:
            return known
        changes = table.since(cursor, ROWS_A_FRAME)
        if changes.is_empty:
            return None
        head = f'"now":{self._clock():.3f},"reset":{"true" if changes.reset else "false"}'
        rows, gone = ",".join(changes.rows), encode(changes.gone)
        text = (
            f"id: {table.event_id(changes.upto)}\n"
            f'data: {{{head},"rows":[{rows}],"gone":{gone}}}\n\n'
        )
        found = self._frames[place] = (text.encode(), changes.upto)
        return found
