"""One stream's queues, held by the worker that owns the stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from aiormq.abc import AbstractChannel, DeliveredMessage

from speechmq_schemas import Names

from ...core.values.inputs import Delivered
from ...core.values.memo import Memo
from ..amqp.channel import AmqpChannel
from ..amqp.error_map import translated
from ..amqp.plane import close_quietly, fail_when_closed
from ..dead_letters import RejectedMessage, cut, dead_letter
from ..topology import StreamTopology, declare_queue
from .deliveries import read_delivery
from .memos import write_memo


@dataclass(slots=True)
class StreamQueue:
    """Consumes, settles, and at the end deletes.

    Keeps what is not acknowledged, for dead-lettering: as many messages as the prefetch allows, and
    of one with more than ``max_bytes`` its beginning.
    """

    channel: AmqpChannel
    topology: StreamTopology
    dead: str
    max_bytes: int
    _recent: dict[int, DeliveredMessage] = field(default_factory=dict)
    _deliver: Callable[[Delivered], None] | None = None
    _has_memo: bool = False
    _acknowledged: int = 0

    async def consume(self) -> None:
        """Begins to consume; deliveries wait for ``deliver_to``.

        Raises ``QueueMissing`` and ``BrokerError``.
        """
        name = self.topology.stream.name
        with translated(f"consuming {name}"):
            await self.channel.consume(name, self._on_message)

    def _on_message(self, message: DeliveredMessage) -> None:
        if len(message.body) > self.max_bytes:
            message = cut(message)
        self._recent[message.delivery_tag or 0] = message
        if self._deliver is not None:
            self._deliver(read_delivery(message))

    def headers_of(self, tag: int) -> Mapping[str, Any] | None:
        """Those of a delivery, as long as it is not acknowledged."""
        message = self._recent.get(tag)
        return None if message is None else message.header.properties.headers

    def unsettled(self) -> tuple[int | None, int]:
        """The oldest delivery tag that is not acknowledged, and the newest that came."""
        if not self._recent:
            return None, self._acknowledged
        return next(iter(self._recent)), next(reversed(self._recent))

    def deliver_to(self, deliver: Callable[[Delivered], None]) -> None:
        """``deliver`` is called for each message in the broker's order, and must not block."""
        for message in self._recent.values():
            deliver(read_delivery(message))
        self._deliver = deliver

    async def fail_when_closed(self) -> NoReturn:
        """Raises ``BrokerLost`` when the queue or the channel is gone."""
        await fail_when_closed(self.channel, f"the consumer of {self.topology.stream.name}")

    def acknowledge(self, tag: int) -> None:
        """Acknowledges every delivery up to ``tag``. Raises ``BrokerError``."""
        with translated(f"acknowledging audio of {self.topology.stream.name}"):
            self.channel.acknowledge(tag)
        self._acknowledged = tag
        while self._recent and (oldest := next(iter(self._recent))) <= tag:
            del self._recent[oldest]

    async def dead_letter(self, tag: int, code: str, reason: str) -> None:
        """Returns when the copy is safe."""
        rejected = RejectedMessage.of_delivery(self.topology.stream.name, self._recent[tag])
        await dead_letter(self.channel, self.dead, rejected, code=code, reason=reason)

    async def keep_memo(self, memo: Memo) -> None:
        """Returns when the broker has it."""
        if not self._has_memo:
            with translated(f"declaring {self.topology.memo.name}"):
                await declare_queue(self.channel, self.topology.memo)
            self._has_memo = True
        await write_memo(self.channel, self.topology.memo.name, memo)

    async def renew(self) -> None:
        """Keeps the queues without a consumer from expiring."""
        queues = [self.topology.state, *([self.topology.memo] if self._has_memo else [])]
        for queue in queues:
            with translated(f"renewing {queue.name}"):
                await declare_queue(self.channel, queue)

    async def aclose(self) -> None:
        """Lets go: what was not acknowledged goes back, in order."""
        await close_quietly(self.channel)


async def delete_queues(channel: AbstractChannel, names: Names, stream_id: str) -> None:
    """The stream's own queue first: while its state is there, a successor can finish this."""
    with translated(f"deleting the queues of stream {stream_id}"):
        await channel.queue_delete(names.stream(stream_id))
        await channel.queue_delete(names.memo(stream_id))
        await channel.queue_delete(names.state(stream_id))
