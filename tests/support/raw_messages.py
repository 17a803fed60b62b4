"""Messages as frames: what our client would not encode, or not send so fast."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import aiormq
from aiormq.abc import ChannelFrame
from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.header import ContentHeader
from tests.support.broker import Namespace
from tests.support.speaker import to_pika

from speechmq_schemas import AmqpMessage, Names


async def publish_raw(
    namespace: Namespace,
    properties: spec.Basic.Properties,
    *,
    exchange: str = "speechmq.in",
    routing_key: str,
    body: bytes = b"x",
    replace: tuple[bytes, bytes] = (b"", b""),
) -> None:
    """Publishes what a publisher in another language can, and pamqp would not encode."""
    frames: list[Any] = [
        spec.Basic.Publish(exchange=exchange, routing_key=routing_key),
        ContentHeader(properties=properties, body_size=len(body)),
        ContentBody(body),
    ]
    await _write(namespace, frames, replace)


async def publish_at_once(namespace: Namespace, messages: Iterable[AmqpMessage]) -> None:
    """Publishes all messages with one write, so that the broker alone sets the pace.

    Returns when the broker has read them; it confirms none.
    """
    frames: list[Any] = []
    for message in messages:
        frames += [
            spec.Basic.Publish(exchange=Names().inbound, routing_key=message.routing_key),
            ContentHeader(properties=to_pika(message).properties, body_size=len(message.body)),
            ContentBody(message.body),
        ]
    await _write(namespace, frames)


async def _write(
    namespace: Namespace, frames: list[Any], replace: tuple[bytes, bytes] = (b"", b"")
) -> None:
    connection = await aiormq.connect(namespace.url)
    try:
        channel: Any = await connection.channel(publisher_confirms=False)
        drained = asyncio.get_running_loop().create_future()
        frame = ChannelFrame.marshall(channel.number, frames, drain_future=drained)
        payload = frame.payload.replace(*replace) if replace[0] else frame.payload
        assert len(payload) == len(frame.payload)
        await channel.write_queue.put(
            ChannelFrame(payload=payload, should_close=False, drain_future=drained)
        )
        await drained
        await channel.queue_declare(Names().dead, passive=True)  # everything before it has arrived
    finally:
        await connection.close()
