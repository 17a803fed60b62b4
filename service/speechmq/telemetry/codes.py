"""Labels of bounded number: upstream may send any text for an error's type."""

from __future__ import annotations

import re

OTHER = "other"
MOST = 64
_FORM = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Codes:
    """Lets the first 64 different codes through; whatever comes then, or is no code, is another."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def bounded(self, code: str) -> str:
        if code in self._known:
            return code
        if len(self._known) >= MOST or not _FORM.fullmatch(code):
            return OTHER
        self._known.add(code)
        return code
