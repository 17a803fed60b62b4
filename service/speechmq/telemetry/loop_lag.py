"""How late the event loop is: whoever blocks it delays every stream of the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

EVERY = 0.5
"""Seconds between looks."""


class LoopLag:
    """``last`` is the newest lateness in seconds; ``on_lag`` is called with each."""

    def __init__(self, on_lag: Callable[[float], None] = lambda _: None) -> None:
        self.last = 0.0
        self._on_lag = on_lag

    async def watch(self) -> NoReturn:
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + EVERY
            await asyncio.sleep(EVERY)
            self.last = max(0.0, clock() - due)
            self._on_lag(self.last)
