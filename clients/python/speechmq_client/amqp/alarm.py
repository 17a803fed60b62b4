"""One timer for a time that changes often: it is set again only when it would come too late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls ``ring`` at the time that was set last, or earlier: ``ring`` looks what is due."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at: float | None) -> None:
        """``at`` is a time of the loop's clock; None leaves a timer that is set as it is."""
        if at is None or (self._handle is not None and self._handle.when() <= at):
            return
        self.cancel()
        self._handle = self._loop.call_at(at, self._go_off)

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _go_off(self) -> None:
        self._handle = None
        self._ring()
