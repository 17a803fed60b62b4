"""Messages that a publisher in another language can send, and our client would not encode."""

from __future__ import annotations

import asyncio
from typing import Any

import aiormq
from aiormq.abc import ChannelFrame
from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.header import ContentHeader
from tests.support.broker import Namespace

from speechmq_schemas import Names


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
    connection = await aiormq.connect(namespace.url)
    try:
        channel: Any = await connection.channel(publisher_confirms=False)
        frames: list[Any] = [
            spec.Basic.Publish(exchange=exchange, routing_key=routing_key),
            ContentHeader(properties=properties, body_size=len(body)),
            ContentBody(body),
        ]
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
