"""A broker in a few lines: queues that give back, one active consumer, bindings, late frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any


@dataclass(eq=False, slots=True)
class Message:
    body: Any
    is_redelivered: bool = False


@dataclass(eq=False, slots=True)
class Consumer:
    """``on_delivery`` is called with a tag and the message."""

    on_delivery: Callable[[int, Message], None]
    unacked: dict[int, Message] = field(default_factory=dict)
    tags: count[int] = field(default_factory=lambda: count(1))


@dataclass(eq=False, slots=True)
class Queue:
    """With ``is_exclusive`` only the first consumer is active."""

    name: str
    is_exclusive: bool = True
    ready: deque[Message] = field(default_factory=deque)
    consumers: list[Consumer] = field(default_factory=list)

    def publish(self, body: Any) -> None:
        self.ready.append(Message(body))

    def attach(self, consumer: Consumer) -> None:
        if consumer not in self.consumers:
            self.consumers.append(consumer)

    def detach(self, consumer: Consumer) -> None:
        """What the consumer held comes back, in order, before all else."""
        if consumer in self.consumers:
            self.consumers.remove(consumer)
        for message in reversed(consumer.unacked.values()):
            message.is_redelivered = True
            self.ready.appendleft(message)
        consumer.unacked.clear()

    def depose(self) -> None:
        """The consumer is taken for lost, unknown to it, and stands last in the line."""
        consumer = self.consumers[0]
        self.detach(consumer)
        self.consumers.append(consumer)

    def ack(self, consumer: Consumer, tag: int) -> Message | None:
        """Nothing happens for a message that was given back meanwhile."""
        return consumer.unacked.pop(tag, None)

    @property
    def can_deliver(self) -> bool:
        return bool(self.ready and self.consumers)

    def deliver(self) -> None:
        if not self.can_deliver:
            return
        consumer = self.consumers[0]
        if not self.is_exclusive:  # in turn
            self.consumers.append(self.consumers.pop(0))
        tag, message = next(consumer.tags), self.ready.popleft()
        consumer.unacked[tag] = message
        consumer.on_delivery(tag, message)


@dataclass(eq=False, slots=True)
class Connection:
    """What its process asks for reaches the broker later, in order; even after the process died,
    where a node was frozen in between."""

    is_alive: bool = True
    frames: deque[Callable[[], None]] = field(default_factory=deque)
    attached: list[tuple[Queue, Consumer]] = field(default_factory=list)

    def ask(self, do: Callable[[], Any], then: Callable[[], None] | None = None) -> None:
        def run() -> None:
            do()
            if then is not None and self.is_alive:
                then()

        self.frames.append(run)

    def consume(self, queue: Queue, consumer: Consumer) -> None:
        self.attached.append((queue, consumer))
        self.ask(lambda: queue.attach(consumer) if self.is_alive else None)

    def leave(self, queue: Queue, consumer: Consumer) -> None:
        self.ask(lambda: queue.detach(consumer))

    def run_one(self) -> None:
        if self.frames:
            self.frames.popleft()()

    def die(self) -> None:
        self.is_alive = False
        for queue, consumer in self.attached:
            queue.detach(consumer)
