"""One browser's server-sent events: an HTTP response that goes on until somebody has enough."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable

from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from .hub import Hub, TooMany
from .versions import Cursor, Versions

HEARTBEAT_SECONDS = 15.0
SEND_SECONDS = 30.0
"""A browser that takes nothing for so long is left. It comes back by itself and goes on behind what
it has."""

RETRY = b"retry: 2000\n\n"
HEARTBEAT = b": still here\n\n"


class Feed(StreamingResponse):
    """All streams, or the page of one. Answers 503 when too many watch."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, stream_id: str | None, last_event_id: str | None) -> None:
        super().__init__(frames(hub, stream_id, last_event_id))
        self._hub = hub
        self._stream_id = stream_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._hub.browser(self._stream_id):
                await super().__call__(scope, receive, send)
        except TooMany as error:
            answer = PlainTextResponse(f"{error}\n", 503, {"Retry-After": "10"})
            await answer(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            return


async def frames(
    hub: Hub, stream_id: str | None, last_event_id: str | None
) -> AsyncIterator[bytes]:
    """Ends when the hub closes."""
    yield RETRY
    table: Versions | None = None
    cursor: Cursor | None = None
    while not hub.is_closing:
        pulse = hub.pulse
        current = hub.overview() if stream_id is None else await hub.page(stream_id)
        if current is not table:
            table, cursor = current, current.cursor(last_event_id)
        frame = hub.frame(table, cursor)
        if frame is not None:
            text, cursor = frame
            yield text
        elif not await _within(pulse.wait(), HEARTBEAT_SECONDS):
            yield HEARTBEAT


async def _within(wait: Awaitable[object], seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await wait
    except TimeoutError:
        return False
    return True
