"""Asks speechmq something over RabbitMQ, and hears the answer: plain aio-pika."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from speechmq_schemas import AmqpMessage, Names, Reply, to_reply

DIRECT_REPLY_TO = "amq.rabbitmq.reply-to"


@dataclass
class Asker:
    channel: aio_pika.abc.AbstractChannel
    reply_to: str
    answers: dict[str, asyncio.Future[AmqpMessage]] = field(default_factory=dict)

    async def ask(self, message: AmqpMessage, within: float = 30.0) -> Reply:
        """``message`` needs a correlation id of its own."""
        answer = asyncio.get_running_loop().create_future()
        self.answers[message.correlation_id or ""] = answer
        await self.send(message)
        async with asyncio.timeout(within):
            return to_reply(await answer)

    async def send(self, message: AmqpMessage) -> None:
        inbound = await self.channel.get_exchange(Names().inbound)
        outgoing = aio_pika.Message(
            message.body,
            type=message.type,
            correlation_id=message.correlation_id,
            reply_to=message.reply_to,
        )
        await inbound.publish(outgoing, message.routing_key)

    async def hear(self, answer: AbstractIncomingMessage) -> None:
        heard = AmqpMessage(
            "",
            answer.type or "",
            answer.body,
            dict(answer.headers),
            answer.content_type or "",
            correlation_id=answer.correlation_id,
        )
        self.answers.pop(answer.correlation_id or "").set_result(heard)


@asynccontextmanager
async def asking(url: str, *, direct: bool = False) -> AsyncIterator[Asker]:
    """With a queue of its own, or by ``amq.rabbitmq.reply-to`` when ``direct``."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=not direct)
        if direct:
            queue = await channel.get_queue(DIRECT_REPLY_TO, ensure=False)
        else:
            queue = await channel.declare_queue(exclusive=True)
        asker = Asker(channel, queue.name)
        await queue.consume(asker.hear, no_ack=True)
        yield asker
