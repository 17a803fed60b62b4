"""One stream's queues, held by the worker that owns the stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from aiormq.abc import AbstractChannel, DeliveredMessage

from speechmq_schemas import Names

from ..session.inputs import Delivered
from .dead_letters import Letter, bury
from .deliveries import read_delivery
from .plane import close_quietly, fail_when_closed, translated
from .topology import StreamTopology, declare_queue


@dataclass(slots=True)
class StreamQueue:
    """Consumes, settles, and at the end deletes.

    Keeps what is not acknowledged, for dead-lettering: as many messages as the prefetch allows.
    """

    channel: AbstractChannel
    topology: StreamTopology
    dead: str
    _recent: dict[int, DeliveredMessage] = field(default_factory=dict)

    async def consume(self, deliver: Callable[[Delivered], None]) -> None:
        """``deliver`` is called for each message in the broker's order, and must not block."""

        def on_message(message: DeliveredMessage) -> None:
            self._recent[message.delivery_tag or 0] = message
            deliver(read_delivery(message))

        with translated(f"consuming {self.topology.stream.name}"):
            await self.channel.basic_consume(self.topology.stream.name, on_message)  # type: ignore[arg-type]

    async def fail_when_closed(self) -> NoReturn:
        """Raises ``BrokerLost`` when the queue or the channel is gone."""
        await fail_when_closed(self.channel, f"the consumer of {self.topology.stream.name}")

    async def acknowledge(self, tag: int) -> None:
        """Acknowledges every delivery up to ``tag``."""
        with translated(f"acknowledging audio of {self.topology.stream.name}"):
            await self.channel.basic_ack(tag, multiple=True)
        while self._recent and (oldest := next(iter(self._recent))) <= tag:
            del self._recent[oldest]

    async def dead_letter(self, tag: int, code: str, reason: str) -> None:
        """Returns when the copy is safe."""
        letter = Letter.of_delivery(self.topology.stream.name, self._recent[tag])
        await bury(self.channel, self.dead, letter, code=code, reason=reason)

    async def renew(self) -> None:
        """Keeps the state queue from expiring, which has no consumer to keep it alive."""
        with translated(f"renewing {self.topology.state.name}"):
            await declare_queue(self.channel, self.topology.state)

    async def close(self) -> None:
        """Lets go: what was not acknowledged goes back, in order."""
        await close_quietly(self.channel)


async def delete_queues(channel: AbstractChannel, names: Names, stream_id: str) -> None:
    """The stream's own queue first: while its state is there, a successor can finish this."""
    with translated(f"deleting the queues of stream {stream_id}"):
        await channel.queue_delete(names.stream(stream_id))
        await channel.queue_delete(names.state(stream_id))
