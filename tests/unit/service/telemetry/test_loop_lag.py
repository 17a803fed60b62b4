"""The event loop's lateness, on a loop whose clock the test moves."""

from __future__ import annotations

import asyncio
import time

from speechmq.telemetry import loop_lag
from speechmq.telemetry.loop_lag import LoopLag


async def test_block_of_the_loop_is_seen() -> None:
    told: list[float] = []
    lag = LoopLag(told.append)
    watching = asyncio.create_task(lag.watch())
    await asyncio.sleep(0)
    time.sleep(loop_lag.EVERY + 0.2)  # noqa: ASYNC251  # a loop that is blocked is what is tested
    async with asyncio.timeout(10):
        while not told:  # noqa: ASYNC110
            await asyncio.sleep(0)
    watching.cancel()
    assert told[0] >= 0.2
    assert lag.last == told[-1]
