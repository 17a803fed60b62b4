"""Shows events until a stream is over, or for good."""

from __future__ import annotations

from speechmq_schemas import StreamEnded, StreamFailed

from .screen import Screen
from .subscription import Subscription


async def listen(
    events: Subscription, screen: Screen, *, until_end: bool
) -> StreamEnded | StreamFailed:
    """Returns a stream's last event if ``until_end``; else listens until cancelled.

    Raises ``BrokerLost``.
    """
    async for received in events:
        screen.hear(received)
        if until_end and isinstance(received.event, StreamEnded | StreamFailed):
            return received.event
    raise AssertionError("a subscription ends only with an error")
