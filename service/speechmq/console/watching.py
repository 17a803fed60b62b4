"""Listens to the events of all streams as long as the console runs, whatever the broker does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from speechmq.backoff import backoff
from speechmq.commandline.connection import address, connected
from speechmq.commandline.subscription import subscribe
from speechmq.errors import BrokerError, ExchangeMissing
from speechmq.settings import split_urls
from speechmq_schemas import Names

from .hub import Hub

FIRST_DELAY = 0.25
LONGEST_DELAY = 5.0


async def watch(url: str, names: Names, hub: Hub, tell: Callable[[str], None]) -> None:
    """Runs until cancelled. ``tell`` hears once of each kind of trouble, and when it is over.

    Raises ``RequestError`` for a URL that is none.
    """
    clock, lost_at, told = asyncio.get_running_loop().time, None, ""
    delays = backoff(FIRST_DELAY, LONGEST_DELAY)
    where = " or ".join(map(address, split_urls(url)))
    while True:
        try:
            async with connected(url, "speechmq console") as connection:
                events = await subscribe(connection, names.events)
                hub.tell_broker("connected", f"RabbitMQ at {where}")
                if told:
                    tell(f"connected to RabbitMQ at {where}")
                if lost_at is not None:
                    hub.missed(clock() - lost_at)
                lost_at, told = None, ""
                delays = backoff(FIRST_DELAY, LONGEST_DELAY)
                async for received in events:
                    hub.take(received)
        except BrokerError as error:
            lost_at = clock() if lost_at is None else lost_at
            is_early = isinstance(error, ExchangeMissing)
            hub.tell_broker("waiting" if is_early else "lost", f"{error}; trying again")
            if told != type(error).__name__:
                tell(f"{error}; trying again")
            told = type(error).__name__
        await asyncio.sleep(next(delays))
