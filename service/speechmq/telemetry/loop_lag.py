"""How late the event loop is: whoever blocks it delays every stream of the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

EVERY = 0.5
"""Seconds between looks."""


class LoopLag:
    """``last`` is the newest lateness in seconds; ``told`` is called with each."""

    def __init__(self, told: Callable[[float], None] = lambda _: None) -> None:
        self.last = 0.0
        self._told = told

    async def watch(self) -> NoReturn:
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + EVERY
            await asyncio.sleep(EVERY)
            self.last = max(0.0, clock() - due)
            self._told(self.last)
