"""Where an event goes, and in which order."""

from __future__ import annotations

import asyncio
from typing import Any

from speechmq.broker.amqp.identity import WorkerUsers
from speechmq.broker.stream.event_publisher import EventPublisher
from speechmq.core.values.checkpoint import Checkpoint
from speechmq.core.values.events import EndOfUtterance, FinalTranscript
from speechmq.core.values.outputs import Publish
from speechmq_schemas import Names

STATE, TOLD = "speechmq.state.s", "speechmq.events"


class UnconfirmedChannel:
    """Notes what is published, and confirms nothing before ``confirm``."""

    def __init__(self) -> None:
        self.users = WorkerUsers("worker")
        self.published: list[tuple[str, str, bool]] = []
        self.confirm = asyncio.Event()

    async def publish(
        self,
        _body: bytes,
        _properties: object,
        *,
        exchange: str,
        routing_key: str,
        mandatory: bool = False,
    ) -> None:
        self.published.append((exchange, routing_key, mandatory))
        await self.confirm.wait()


async def publishing(publish: Publish) -> list[list[tuple[str, str, bool]]]:
    """What was published before the first confirm, and in the end."""
    channel: Any = UnconfirmedChannel()
    publisher = EventPublisher(channel, Names(), "s", epoch=1)
    task = asyncio.create_task(publisher.publish(publish, b"{}"))
    await asyncio.sleep(0)
    before = channel.published.copy()
    channel.confirm.set()
    await task
    return [before, channel.published]


async def test_final_is_told_only_when_its_checkpoint_is_confirmed() -> None:
    """A broker that is killed may keep either; told without its checkpoint, it comes again."""
    final = FinalTranscript("s", 1, 0.0, 1.0, "hello ", [])
    saved, told = (("", STATE, True), (TOLD, "transcript.final.s", False))
    before, after = await publishing(Publish(final, 1, checkpoint=Checkpoint()))
    assert (before, after) == ([saved], [saved, told])


async def test_event_without_a_checkpoint_is_told_at_once() -> None:
    told = (TOLD, "utterance.end.s", False)
    before, after = await publishing(Publish(EndOfUtterance("s", 1.0, 1.0), 2))
    assert (before, after) == ([told], [told])
