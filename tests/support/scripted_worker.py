"""A worker made of plain aio-pika: takes what publishers send, in order, answers by a script.

For tests of publishers and consumers. It recognises nothing, and shares no code with the real one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage
from tests.support.received_events import ended

from speechmq_schemas import (
    AmqpMessage,
    CommandMessage,
    EndStream,
    Event,
    Names,
    StartStream,
    StreamAccepted,
    from_event,
    to_command,
)

Answers = Sequence[Event | AmqpMessage]
Script = Callable[[str, CommandMessage], Answers]
"""From the stream's id and what came for it to what is published: events get the next seq."""


def accept_and_end(stream_id: str, came: CommandMessage) -> Answers:
    """The least that a worker does."""
    match came.command:
        case StartStream():
            return [StreamAccepted(stream_id=stream_id)]
        case EndStream(seq=seq):
            return [ended(stream_id, chunks=seq - 1)]
        case _:
            return []


@dataclass
class ScriptedWorker:
    """Made by ``scripted_worker``."""

    channel: AbstractChannel
    names: Names
    script: Script
    max_bytes: int
    received: dict[str, list[CommandMessage]] = field(default_factory=dict)
    _waiting: dict[tuple[str, int], CommandMessage] = field(default_factory=dict)
    _seq: dict[str, int] = field(default_factory=dict)

    async def declare(self) -> None:
        """What a real worker declares for everyone."""
        names, channel = self.names, self.channel
        unrouted = await channel.declare_exchange(names.unrouted, "fanout", durable=True)
        arguments = {"alternate-exchange": names.unrouted}
        inbound = await channel.declare_exchange(
            names.inbound, "direct", durable=True, arguments=dict(arguments)
        )
        self.events: AbstractExchange = await channel.declare_exchange(
            names.events, "topic", durable=True
        )
        start = await channel.declare_queue(names.start, durable=True)
        early = await channel.declare_queue(names.early, durable=True)
        await start.bind(inbound, "start")
        await early.bind(unrouted)
        await start.consume(self._take_start)
        await early.consume(self._take)

    async def _take_start(self, message: AbstractIncomingMessage) -> None:
        stream_id = message.correlation_id or ""
        queue = await self.channel.declare_queue(
            self.names.stream(stream_id),
            arguments={"x-max-length-bytes": self.max_bytes, "x-overflow": "reject-publish"},
        )
        await queue.bind(self.names.inbound, f"stream.{stream_id}")
        if self.max_bytes:
            await queue.consume(self._take)
        await self._take(message)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        stream_id = message.correlation_id or ""
        came = to_command(
            AmqpMessage(
                message.routing_key or "", message.type or "", message.body, message.headers
            )
        )
        self._waiting[stream_id, getattr(came.command, "seq", 0)] = came
        await message.ack()
        await self._go_on(stream_id)

    async def _go_on(self, stream_id: str) -> None:
        """Early audio comes another way than the rest: the script gets all in order of seq."""
        received = self.received.setdefault(stream_id, [])
        while came := self._waiting.pop((stream_id, len(received)), None):
            received.append(came)
            for answer in self.script(stream_id, came):
                await self.publish(answer)

    async def publish(self, answer: Event | AmqpMessage) -> None:
        """Publishes an event with its stream's next seq, or a message as it is."""
        message = answer if isinstance(answer, AmqpMessage) else self._numbered(answer)
        await self.events.publish(
            aio_pika.Message(
                message.body,
                type=message.type,
                headers=dict(message.headers),
                content_type=message.content_type,
                message_id=message.message_id,
                correlation_id=message.correlation_id,
            ),
            message.routing_key,
        )

    def _numbered(self, event: Event) -> AmqpMessage:
        seq = self._seq[event.stream_id] = self._seq.get(event.stream_id, 0) + 1
        return from_event(event, epoch=1, seq=seq)


@asynccontextmanager
async def scripted_worker(
    url: str, script: Script = accept_and_end, *, max_bytes: int = 10_000_000
) -> AsyncIterator[ScriptedWorker]:
    """Works for the length of the block. With no ``max_bytes`` a stream's queue is always full."""
    async with await aio_pika.connect(url) as connection:
        worker = ScriptedWorker(await connection.channel(), Names(), script, max_bytes)
        await worker.declare()
        yield worker
