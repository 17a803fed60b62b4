"""A connection to the broker that outlives the broker: publishes until it is confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from pamqp import commands as spec

from speechmq_schemas import AmqpMessage, Names
from speechmq_schemas.dead_letters import HEADERS

PAUSE = 0.1
CONNECT_SECONDS = 10.0
CONFIRM_SECONDS = 60.0


class Post:
    """Delivers every message at least once; made by ``posting``.

    ``again`` names the messages that had to be published once more, by stream and ``seq``.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}?heartbeat=5"
        self._lock = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self.again: set[tuple[str, object]] = set()

    async def send(self, message: AmqpMessage) -> None:
        """Returns when the broker has confirmed it."""
        while not await self._try(message):
            self.again.add((message.correlation_id or "", message.headers.get("seq")))
            await asyncio.sleep(PAUSE)

    async def _try(self, message: AmqpMessage) -> bool:
        properties = spec.Basic.Properties(
            message_type=message.type,
            headers=dict(message.headers),
            content_type=message.content_type,
            correlation_id=message.correlation_id,
            delivery_mode=2,
        )
        channel = await self.channel()
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                await channel.basic_publish(
                    message.body,
                    exchange=Names().inbound,
                    routing_key=message.routing_key,
                    properties=properties,
                    mandatory=True,
                )
        except Exception:  # noqa: BLE001  # aiormq raises many kinds, of which all mean: not sure
            await self.drop(channel)
            return False
        return True

    async def channel(self) -> AbstractChannel:
        """One that is open, as far as is known; waits for the broker."""
        async with self._lock:
            while self._channel is None or self._channel.is_closed:
                with suppress(Exception):
                    async with asyncio.timeout(CONNECT_SECONDS):
                        self._connection = await aiormq.connect(self._url)
                        self._channel = await self._connection.channel(on_return_raises=True)
                    continue
                await asyncio.sleep(PAUSE)
            return self._channel

    async def drop(self, channel: AbstractChannel) -> None:
        """It has failed: the next one will be another."""
        async with self._lock:
            if self._channel is channel:
                await self.close()

    async def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with suppress(Exception):
                async with asyncio.timeout(2.0):
                    await connection.close()


@asynccontextmanager
async def posting(url: str) -> AsyncIterator[Post]:
    post = Post(url)
    try:
        yield post
    finally:
        await post.close()


async def dead_letters(post: Post) -> set[tuple[str, object]]:
    """Takes out all dead letters; by stream and ``seq``.

    What was published again may be among them: the second copy of a stream's last message finds
    no stream any more.
    """
    channel, found = await post.channel(), set[tuple[str, object]]()
    while True:
        letter = await channel.basic_get(Names().dead, no_ack=True)
        if not isinstance(letter.delivery, spec.Basic.GetOk):
            return found
        properties = letter.header.properties
        kept: Any = (properties.headers or {}).get(HEADERS, {})
        found.add((properties.correlation_id or "", kept.get("seq")))


async def consume_for_ever(
    post: Post, queue: str, take: Callable[[DeliveredMessage], None], prefetch: int = 1000
) -> None:
    """Consumes a queue through every loss of the broker; acknowledges half a prefetch at a time."""
    while True:
        channel = await post.channel()
        with suppress(aiormq.exceptions.AMQPError, OSError, RuntimeError):
            await channel.basic_qos(prefetch_count=prefetch)
            latest: asyncio.Queue[int] = asyncio.Queue()

            def on_message(message: DeliveredMessage, latest: asyncio.Queue[int] = latest) -> None:
                take(message)
                latest.put_nowait(message.delivery_tag or 0)

            await channel.basic_consume(queue, on_message)  # type: ignore[arg-type]
            await _acknowledge(channel, latest)
        await post.drop(channel)


async def _acknowledge(channel: AbstractChannel, latest: asyncio.Queue[int]) -> None:
    """Returns when the channel is gone."""
    closing = channel.closing
    while not closing.done():
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                tag = await latest.get()
                while not latest.empty():
                    tag = latest.get_nowait()
                await channel.basic_ack(tag, multiple=True)
        await asyncio.sleep(0.05)
