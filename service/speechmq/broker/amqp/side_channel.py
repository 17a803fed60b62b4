"""A channel on a connection beside the data plane, made anew whenever it is lost.

For what may cost its connection: RabbitMQ 3.10 closes one that publishes to a quorum queue which is
being deleted, or which has no leader. No stream of the worker may pay for that.
"""

from __future__ import annotations

import asyncio
from typing import NoReturn

from aiormq.abc import AbstractChannel

from ...backoff import backoff
from ...errors import BrokerError, BrokerLost
from ...settings import BrokerSettings
from ...telemetry.logs import describe, get_logger
from .log_throttle import LogThrottle
from .plane import open_plane

log = get_logger(__name__)

# Seconds between tries, doubled each time.
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 2.0


class SideChannel:
    """It takes a task that ``keep``s it."""

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        self._channel: AbstractChannel | None = None
        self._is_open = asyncio.Event()

    async def channel(self) -> AbstractChannel:
        """Open as far as is known. Raises ``BrokerLost`` when there is none for long."""
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                while self._channel is None:
                    await self._is_open.wait()
        except TimeoutError as error:
            raise BrokerLost("there is no connection for early audio") from error
        return self._channel

    async def keep(self) -> NoReturn:
        """Returns by being cancelled, which closes the connection."""
        pauses, throttle = backoff(FIRST_PAUSE, LONGEST_PAUSE), LogThrottle()
        clock = asyncio.get_running_loop().time
        while True:
            pause = FIRST_PAUSE
            try:
                async with open_plane(self._settings) as plane:
                    self._channel = await plane.channel()
                    pauses = backoff(FIRST_PAUSE, LONGEST_PAUSE)
                    throttle.reset()
                    self._is_open.set()
                    await plane.wait_lost()
            except BrokerError as error:
                pause = next(pauses)
                if throttle.allows(clock()):
                    log.warning("side_channel_lost", **describe(error), retry_in=pause)
            finally:
                self._channel = None
                self._is_open.clear()
            await asyncio.sleep(pause)
