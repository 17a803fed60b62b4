"""Sends dead letters to where they were meant to go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aio_pika.abc import AbstractConnection

from speechmq.errors import MessageRefused, RequestError
from speechmq_schemas import Names

from ..tasks import task_group
from .dead_queue import held_letters
from .letters import DeadLetter
from .publisher import open_publisher

Choose = Callable[[Sequence[DeadLetter]], Sequence[DeadLetter]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many arrived, why others did not, and how many lie behind those that were looked at."""

    count: int
    problems: tuple[str, ...]
    more: int


async def replay_letters(
    connection: AbstractConnection,
    names: Names,
    limit: int,
    choose: Choose,
    routing_key: str | None = None,
) -> Replayed:
    """Each letter leaves the queue when RabbitMQ has confirmed its message; others stay.

    What is refused anew becomes a new letter, which this does not touch. Raises what ``choose``
    raises, ``BrokerError`` and its kin.
    """
    problems: list[str] = []
    async with (
        held_letters(connection, names.dead, limit) as held,
        task_group() as tasks,
    ):
        chosen = choose(held.letters)
        publisher = await open_publisher(connection, names.inbound, tasks)
        for letter in chosen:
            try:
                await publisher.publish(letter.original(names, routing_key))
            except (RequestError, MessageRefused) as error:
                problems.append(str(error))
            else:
                await held.drop(letter)
    return Replayed(len(chosen) - len(problems), tuple(problems), held.more)
