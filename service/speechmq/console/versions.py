"""A table whose readers each want to know what changed since they last looked. Pure.

This is what makes slow browsers harmless: for each nothing is kept but the number of the last
change that it has seen. Who comes seldom gets each row once, as it is then.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

REMEMBERED_REMOVALS = 2000


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a reader has seen: changes up to ``version``.

    ``floor`` is the table's when the reader began: while that is the same, the reader has missed no
    removal, though it may not have all rows yet.
    """

    version: int
    floor: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows as they are now, and keys that are gone; ``upto`` is what to ask from the next time.

    With ``reset`` the reader forgets all that it had: it is new, or too far behind.
    """

    upto: Cursor
    reset: bool = False
    rows: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.reset or self.rows or self.gone)


class Versions:
    """Rows are texts; ``token`` tells this table from all others, also of other processes."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.version = 0
        self._rows: OrderedDict[str, tuple[int, str | None]] = OrderedDict()
        self._removed: OrderedDict[str, None] = OrderedDict()
        self._floor = 0  # changes up to here may have been removals that are forgotten

    @property
    def keys(self) -> set[str]:
        return {key for key, (_, row) in self._rows.items() if row is not None}

    def put(self, key: str, row: str) -> None:
        """The same row again is no change."""
        known = self._rows.get(key)
        if known is None or known[1] != row:
            self._removed.pop(key, None)
            self._set(key, row)

    def drop(self, key: str) -> None:
        known = self._rows.get(key)
        if known is None or known[1] is None:
            return
        self._set(key, None)
        self._removed[key] = None
        if len(self._removed) > REMEMBERED_REMOVALS:
            oldest, _ = self._removed.popitem(last=False)
            self._floor, _ = self._rows.pop(oldest)

    def _set(self, key: str, row: str | None) -> None:
        self.version += 1
        self._rows[key] = (self.version, row)
        self._rows.move_to_end(key)

    def since(self, cursor: Cursor | None, limit: int) -> Changes:
        """What changed behind the cursor, the oldest changes first, ``limit`` of them at most.

        ``None`` stands for a reader who knows nothing.
        """
        if cursor is None or not self._is_usable(cursor):
            newer = [one for one in self._newer(0) if one[2] is not None][:limit]
            floor, reset = self._floor, True
        else:
            newer = self._newer(cursor.version)[:limit]
            floor, reset = cursor.floor, False
        return Changes(
            upto=Cursor(newer[-1][1] if newer else self.version, floor),
            reset=reset,
            rows=[row for _, _, row in newer if row is not None],
            gone=[key for key, _, row in newer if row is None],
        )

    def _is_usable(self, cursor: Cursor) -> bool:
        has_all = self._floor <= max(cursor.version, cursor.floor)
        return has_all and cursor.version <= self.version

    def _newer(self, after: int) -> list[tuple[str, int, str | None]]:
        found = []
        for key in reversed(self._rows):
            at, row = self._rows[key]
            if at <= after:
                break
            found.append((key, at, row))
        return found[::-1]

    def event_id(self, cursor: Cursor) -> str:
        return f"{self.token}.{cursor.version}"

    def cursor(self, event_id: str | None) -> Cursor | None:
        """``None`` for an id that is not of this table."""
        token, _, number = (event_id or "").rpartition(".")
        is_ours = token == self.token and number.isascii() and number.isdecimal()
        return Cursor(int(number)) if is_ours and len(number) < 19 else None


def encode(content: Any) -> str:
    """JSON in ASCII, so that neither a line's end nor half a character can be in it."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False)
