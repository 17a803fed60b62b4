"""What the worker sees of its consumers when nobody tells it that they are gone."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from tests.support.broker import Namespace

from speechmq.broker import topology
from speechmq.broker.amqp.plane import open_plane
from speechmq.broker.control.consumers import ConsumerWatch, has_leader
from speechmq.errors import BrokerLost
from speechmq.settings import BrokerSettings
from speechmq_schemas import Names

NAMES = Names()
QUEUES = [NAMES.claims, NAMES.start, NAMES.early, NAMES.temporary_key, NAMES.status("me")]


@pytest.mark.parametrize("deserted", QUEUES)
async def test_queue_without_a_consumer_is_noticed_although_no_cancel_came(
    namespace: Namespace, deserted: str
) -> None:
    settings = BrokerSettings.model_validate({"url": namespace.url})
    looks: list[int] = []
    async with asyncio.timeout(20), open_plane(settings) as plane:
        channel = await plane.channel()
        await topology.declare(channel, topology.shared(NAMES, "quorum"))
        await channel.queue_declare(NAMES.status("me"), exclusive=True)
        tags = {queue: await channel.basic_consume(queue, lambda _: None) for queue in QUEUES}  # type: ignore[arg-type,return-value]
        has_looked = asyncio.Event()

        def looked(waiting: int) -> None:
            looks.append(waiting)
            has_looked.set()

        watch = ConsumerWatch(plane, NAMES, "me", looked, partial(has_leader, settings))
        watching = asyncio.create_task(watch.fail_when_lost(until=lambda: False))
        await has_looked.wait()
        await channel.basic_cancel(tags[deserted].consumer_tag or "")
        with pytest.raises(BrokerLost) as lost:
            await watching
    assert str(lost.value) == f"the broker has no consumer of {deserted} any more"
    assert set(looks) == {0}
