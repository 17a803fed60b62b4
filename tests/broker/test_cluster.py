"""Two nodes, one of which stops: what RabbitMQ cannot use for a while is not gone."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.owners import NAMES, ByHand, by_hand, running_manager
from tests.support.speaker import Speaker, said, speaking, start_of

from speechmq.broker import topology
from speechmq.broker.amqp.plane import open_plane
from speechmq.broker.control.consumers import ConsumerWatch, has_leader
from speechmq.dev.rabbitmq_node import PrivateNode, private_node
from speechmq.dev.rabbitmq_source import find_server
from speechmq.errors import QueueUnavailable
from speechmq.settings import BrokerSettings
from speechmq_emulator.server import Emulator, serve

pytestmark = pytest.mark.timeout(240)

NUMBERS = list(range(100, 130))


@pytest.fixture
def script() -> Path:
    found = find_server(os.environ["PATH"])
    if found is None:
        pytest.skip("needs an installed rabbitmq-server: two nodes of it make a cluster")
    return found


def settings(node: PrivateNode, **more: Any) -> BrokerSettings:
    return BrokerSettings.model_validate({"url": node.url, **more})


@asynccontextmanager
async def first_node(script: Path) -> AsyncIterator[PrivateNode]:
    async with private_node(script, cookie=secrets.token_hex(16)) as node:
        yield node


async def declare_on(node: PrivateNode, queue: topology.Queue) -> None:
    """A classic queue stays on the node that its declaration came to."""
    async with open_plane(settings(node)) as plane, plane.asking() as channel:
        await topology.declare_queue(channel, queue)


@asynccontextmanager
async def stage(node: PrivateNode) -> AsyncIterator[tuple[Emulator, ByHand, Speaker]]:
    async with (
        serve("ledger") as upstream,
        by_hand(node.url) as hand,
        speaking(node.url) as speaker,
    ):
        yield upstream, hand, speaker


def queues_of(stream_id: str) -> topology.StreamTopology:
    defaults = BrokerSettings()
    body = start_of(stream_id).model_dump_json(by_alias=True, exclude_unset=True).encode()
    return topology.per_stream(
        NAMES,
        stream_id,
        body,
        queue_type="quorum",
        max_bytes=defaults.stream_max_bytes,
        expires=defaults.stream_expires,
    )


async def test_streams_whose_state_is_on_a_stopped_node_wait_for_it_and_lose_nothing(
    script: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One stream is in mid-sentence when the node stops, and another is claimed meanwhile."""
    async with first_node(script) as home, stage(home) as (upstream, hand, speaker):
        # While the cluster has one node, the quorum queues have one member, which stays.
        for stream_id in ("early", "late"):
            await topology.declare_queue(hand.channel, queues_of(stream_id).stream)
        async with private_node(script, joins=home) as other:
            for stream_id in ("early", "late"):
                await declare_on(other, queues_of(stream_id).state)
            async with running_manager(home.url, upstream.url) as manager:
                await hand.admit("early")
                seq = await speaker.say("early", NUMBERS[:15], finish=False)
                await speaker.ears.wait_for(lambda: len(speaker.ears.words("early")) >= 5)
                await other.stop()
                await speaker.say("early", NUMBERS[15:], first_seq=seq)
                async with open_plane(settings(home)) as plane:
                    with pytest.raises(QueueUnavailable, match="down or inaccessible"):
                        await plane.queue_exists(NAMES.state("late"))
                await publish_late(hand, speaker)
                for stream_id in ("early", "late"):
                    await given_back(caplog, stream_id, times=3)
                assert not manager.task.done(), "no other stream suffers for it"
                async with open_plane(settings(home)) as plane:
                    for stream_id in ("early", "late"):
                        assert await plane.queue_exists(NAMES.stream(stream_id)) is not None
                await other.start()
                await speaker.ears.until_over("early", "late", within=90.0)
            for stream_id in ("early", "late"):
                assert speaker.ears.of(stream_id, "StreamFailed") == []
                assert speaker.ears.words(stream_id) == said(NUMBERS)
                assert len(speaker.ears.of(stream_id, "StreamEnded")) == 1


async def publish_late(hand: ByHand, speaker: Speaker) -> None:
    """What admission did before the node stopped, but for the claim."""
    queues = queues_of("late")
    await topology.bind(hand.channel, queues.inbound)
    await speaker.say("late", NUMBERS)
    await hand.claim("late")


async def given_back(caplog: pytest.LogCaptureFixture, stream_id: str, *, times: int) -> None:
    def count() -> int:
        return sum(
            "stream_given_back" in one.getMessage() and stream_id in one.getMessage()
            for one in caplog.records
        )

    async with asyncio.timeout(60):
        while count() < times:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_queue_whose_leader_does_not_answer_is_not_deserted(script: Path) -> None:
    """A passive declare says that such a queue has no consumers."""
    async with (
        first_node(script) as home,
        private_node(script, joins=home) as other,
        open_plane(settings(home)) as plane,
    ):
        async with open_plane(settings(other)) as there, there.asking() as declaring:
            # A leader begins on the node that its declaration came to.
            await topology.declare(declaring, topology.shared(NAMES, "quorum"))
        channel = await plane.channel()
        await channel.queue_declare(NAMES.status("me"), exclusive=True)
        queues = (NAMES.claims, NAMES.start, NAMES.early, NAMES.temporary_key, NAMES.status("me"))
        for queue in queues:
            await channel.basic_consume(queue, lambda _: None)  # type: ignore[arg-type,return-value]
        looks = 0

        def looked(_: int) -> None:
            nonlocal looks
            looks += 1

        watch = ConsumerWatch(plane, NAMES, "me", looked, partial(has_leader, settings(home)))
        watching = asyncio.create_task(watch.fail_when_lost(until=lambda: False))
        async with asyncio.timeout(30):
            while not looks:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await other.stop()
        done, _ = await asyncio.wait([watching], timeout=15)
        assert done == set()
        await other.start()
        seen = looks
        async with asyncio.timeout(60):
            while looks < seen + 3:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        watching.cancel()
