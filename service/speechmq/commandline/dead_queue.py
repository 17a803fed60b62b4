"""Reads the dead-letter queue, and takes letters out of it.

Letters are held unacknowledged while one looks at them, and return to their places when the channel
closes, whatever happens: a letter is only ever gone after it was replayed, confirmed, or dropped on
purpose. Meanwhile another reader does not see those that are held.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractIncomingMessage,
    AbstractQueue,
)

from speechmq.broker.amqp.error_map import translated
from speechmq.errors import BrokerError, QueueMissing
from speechmq_schemas import Names

from .letters import DeadLetter

ANSWER_SECONDS = 10.0
# Of one channel. RabbitMQ's quorum queues take back as many as that in the order in which they are
# rejected: from 33 on those that the queue has not taken yet come in any order, as do all that a
# closed channel held.
TOGETHER = 30


@dataclass(frozen=True, slots=True)
class HeldLetters:
    """The oldest letters, in order; ``more`` is how many lie behind them."""

    letters: tuple[DeadLetter, ...]
    more: int
    _messages: tuple[AbstractIncomingMessage, ...] = ()

    async def drop(self, letter: DeadLetter) -> None:
        """It is gone when the block is left."""
        with translated("dropping a dead letter"):
            await self._messages[letter.number - 1].ack()


async def read_letters(connection: AbstractConnection, names: Names, limit: int) -> HeldLetters:
    """The ``limit`` oldest letters, which are back in their places when this returns."""
    async with held_letters(connection, names.dead, limit) as held:
        return HeldLetters(held.letters, held.more)


async def drop_letters(
    connection: AbstractConnection, names: Names, limit: int, chosen: Sequence[DeadLetter]
) -> int:
    """Drops those of ``chosen`` that are still there; how many they were.

    They are known by their ids: numbers may have changed since they were chosen.
    """
    wanted = Counter(letter.id for letter in chosen)
    dropped = 0
    async with held_letters(connection, names.dead, limit) as held:
        for letter in held.letters:
            if wanted[letter.id]:
                wanted[letter.id] -= 1
                await held.drop(letter)
                dropped += 1
    return dropped


@asynccontextmanager
async def held_letters(
    connection: AbstractConnection, queue: str, limit: int
) -> AsyncIterator[HeldLetters]:
    """Holds the ``limit`` oldest letters for the length of the block.

    Raises ``BrokerError``, also when there is no such queue.
    """
    hold = _Hold(connection, queue)
    try:
        with translated("reading dead letters"):
            await hold.take(limit)
        messages = tuple(hold.messages)
        letters = tuple(_letter(number, one) for number, one in enumerate(messages, 1))
        more = (messages[-1].message_count or 0) if messages else 0
        yield HeldLetters(letters, more, messages)
    finally:
        with translated("giving dead letters back"):
            await hold.give_back()


class _Hold:
    """Letters in their order, and the channels that they came by: each has its share of them."""

    def __init__(self, connection: AbstractConnection, queue: str) -> None:
        self._connection = connection
        self._queue = queue
        self._shares: list[tuple[AbstractChannel, list[AbstractIncomingMessage]]] = []

    @property
    def messages(self) -> Iterator[AbstractIncomingMessage]:
        for _, share in self._shares:
            yield from share

    async def take(self, limit: int) -> None:
        """Takes ``limit``, or all that there are. Raises ``BrokerError`` without a queue."""
        source = await self._open()
        for number in range(limit):
            if number and not number % TOGETHER:
                source = await self._open()
            if not await _take_one(source, self._shares[-1][1]):
                return

    async def _open(self) -> AbstractQueue:
        channel = self._connection.channel()
        await channel.initialize(timeout=ANSWER_SECONDS)
        self._shares.append((channel, []))
        try:
            with translated("opening the queue of dead letters"):
                return await channel.get_queue(self._queue)
        except QueueMissing as error:
            raise BrokerError(
                f"no worker has declared the queue {self._queue!r} yet: check --url and --namespace"
            ) from error

    async def give_back(self) -> None:
        """In their order: one channel is closed before the next gives back its share."""
        for channel, share in self._shares:
            for message in share:
                if not message.processed:
                    await message.reject(requeue=True)
            await channel.close()


async def _take_one(source: AbstractQueue, messages: list[AbstractIncomingMessage]) -> bool:
    """False when there is none. Cancelled, it waits for the answer all the same: a question that is
    cut short closes the channel."""
    asked = asyncio.ensure_future(source.get(fail=False, timeout=ANSWER_SECONDS))
    try:
        message = await asyncio.shield(asked)
    except asyncio.CancelledError:
        if (message := await asked) is not None:
            messages.append(message)
        raise
    if message is not None:
        messages.append(message)
    return message is not None


def _letter(number: int, message: AbstractIncomingMessage) -> DeadLetter:
    return DeadLetter(
        number=number,
        type=message.type or "",
        headers=message.headers,
        body=message.body,
        content_type=message.content_type,
        correlation_id=message.correlation_id,
        timestamp=message.timestamp,
    )
