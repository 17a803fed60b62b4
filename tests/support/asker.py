"""Asks for the status of streams as any client would: with the broker's direct reply-to."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage

from speechmq_schemas import AmqpMessage, Names, to_reply

DIRECT = "amq.rabbitmq.reply-to"


@dataclass
class Asker:
    inbound: AbstractExchange
    _answers: dict[str, asyncio.Future[AmqpMessage]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def hear(self, message: AbstractIncomingMessage) -> None:
        """A second answer to one question is an error."""
        self._answers[message.correlation_id or ""].set_result(
            AmqpMessage("", message.type or "", message.body, dict(message.headers))
        )

    async def ask(self, routing_key: str, **properties: Any) -> AmqpMessage:
        number = str(next(self._numbers))
        answer = self._answers[number] = asyncio.Future[AmqpMessage]()
        sent: dict[str, Any] = {"type": "GetStreamStatus", "body": b"", **properties}
        message = aio_pika.Message(**sent, correlation_id=number, reply_to=DIRECT)
        await self.inbound.publish(message, routing_key)
        async with asyncio.timeout(30.0):
            return await answer

    async def status(self, stream_id: str) -> Any:
        return to_reply(await self.ask(f"status.{stream_id}"))

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
async def asking(url: str) -> AsyncIterator[Asker]:
    """Needs a worker that has declared the exchanges."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        asker = Asker(await channel.get_exchange(Names().inbound))
        replies = await channel.get_queue(DIRECT, ensure=False)
        await replies.consume(asker.hear, no_ack=True)
        yield asker
