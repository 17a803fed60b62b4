"""Asks speechmq something over RabbitMQ, and hears the answer: plain aio-pika."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from speechmq_schemas import AmqpMessage, Names, Reply, to_reply

DIRECT_REPLY_TO = "amq.rabbitmq.reply-to"


@dataclass
class Asker:
    channel: aio_pika.abc.AbstractChannel
    reply_to: str
    answers: dict[str, asyncio.Future[AmqpMessage]] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

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
            headers=dict(message.headers),
            correlation_id=message.correlation_id,
            reply_to=message.reply_to,
        )
        await inbound.publish(outgoing, message.routing_key)

    async def hear(self, answer: AbstractIncomingMessage) -> None:
        """A second answer to one question is an error."""
        heard = AmqpMessage(
            "",
            answer.type or "",
            answer.body,
            dict(answer.headers),
            answer.content_type or "",
            correlation_id=answer.correlation_id,
        )
        self.answers.pop(answer.correlation_id or "").set_result(heard)

    # -- the status of streams -------------------------------------------------------------------

    async def question(self, routing_key: str, **properties: Any) -> Reply:
        """Whatever is sent to where questions about streams go."""
        sent: dict[str, Any] = {"type": "GetStreamStatus", "body": b"", **properties}
        number = f"question-{next(self.numbers)}"
        return await self.ask(
            AmqpMessage(routing_key, **sent, correlation_id=number, reply_to=self.reply_to)
        )

    async def status(self, stream_id: str) -> Any:
        return await self.question(f"status.{stream_id}")

    async def until(self, stream_id: str, wanted: Callable[[Any], bool]) -> Any:
        """A question that was with a worker when it was killed is lost: it is asked again."""
        async with asyncio.timeout(60.0):
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(3.0):
                        told = await self.status(stream_id)
                    if wanted(told):
                        return told
                await asyncio.sleep(0.05)

    async def until_state(self, stream_id: str, state: str) -> Any:
        return await self.until(stream_id, lambda told: getattr(told, "state", None) == state)


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
