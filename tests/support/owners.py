"""Streams that were admitted without a worker, and managers inside the test's own process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tests.support.relay import Relay, relaying
from tests.support.speaker import start_of

from speechmq.broker import topology
from speechmq.broker.amqp.channel import AmqpChannel
from speechmq.broker.amqp.plane import DataPlane, open_plane
from speechmq.broker.control.claims import Claims, publish_claim
from speechmq.broker.control.replies import Answers
from speechmq.broker.control.status import worker_name
from speechmq.broker.topology import StreamTopology
from speechmq.settings import BrokerSettings, Settings
from speechmq.upstream.service import Upstream
from speechmq.worker.manager import Manager
from speechmq_schemas import Names, StartStream

NAMES = Names()


@dataclass(frozen=True, slots=True)
class ByHand:
    """Does what admission does, step by step."""

    channel: AmqpChannel

    async def admit(
        self,
        stream_id: str,
        *,
        claims: int = 1,
        context: Mapping[str, str] = MappingProxyType({}),
        **config: Any,
    ) -> StreamTopology:
        """The claim carries ``context``, that of a trace."""
        start = start_of(stream_id, **config)
        return await self.admit_start(start, claims=claims, context=context)

    async def admit_start(
        self,
        start: StartStream,
        *,
        claims: int = 1,
        context: Mapping[str, str] = MappingProxyType({}),
    ) -> StreamTopology:
        stream_id, body = start.stream_id, _body(start)
        defaults = BrokerSettings()
        queues = topology.per_stream(
            NAMES,
            stream_id,
            body,
            queue_type="quorum",
            max_bytes=defaults.stream_max_bytes,
            expires=defaults.stream_expires,
        )
        await topology.declare_queue(self.channel, queues.stream)
        await topology.declare_queue(self.channel, queues.state)
        await topology.bind(self.channel, queues.inbound)
        for _ in range(claims):
            await publish_claim(self.channel, NAMES, body, context)
        return queues

    async def claim(self, stream_id: str) -> None:
        """Once more, whatever there is of the stream."""
        await publish_claim(self.channel, NAMES, _body(start_of(stream_id)))


def _body(start: StartStream) -> bytes:
    return start.model_dump_json(by_alias=True, exclude_unset=True).encode()


@asynccontextmanager
async def by_hand(url: str) -> AsyncIterator[ByHand]:
    async with open_plane(BrokerSettings.model_validate({"url": url})) as plane:
        channel = await plane.channel()
        await topology.declare(channel, topology.shared(NAMES, "quorum"))
        yield ByHand(channel)


@dataclass
class RunningManager:
    manager: Manager
    plane: DataPlane
    relay: Relay
    task: asyncio.Task[None]

    async def die(self) -> None:
        """As the broker sees a kill -9: the connection breaks, and nothing was said before."""
        self.relay.cut()
        await asyncio.wait([self.task])
        with suppress(ExceptionGroup):
            self.task.result()

    @property
    def streams(self) -> list[str]:
        return list(self.manager._owners)


def manager_on(plane: DataPlane, claims: Claims, upstream: Upstream, settings: Settings) -> Manager:
    """Without the connections over which questions about streams are answered."""
    answers, name = Answers(settings.broker), worker_name()
    return Manager(plane, answers, claims, upstream, settings, name=name, clock=time.monotonic)


@asynccontextmanager
async def running_manager(
    url: str, upstream_url: str, **sections: dict[str, Any]
) -> AsyncIterator[RunningManager]:
    """A worker's data plane, without its control plane: it takes claims, and admits nothing."""
    async with relaying(url) as relay:
        broker = {"url": relay.url, "heartbeat": 1, **sections.pop("broker", {})}
        upstream = {"url": upstream_url, "api_key": "dev", **sections.pop("upstream", {})}
        settings = Settings.model_validate({"broker": broker, "upstream": upstream, **sections})
        async with open_plane(settings.broker) as plane:
            claims = await Claims.open(plane, NAMES, settings.worker.capacity)
            service = Upstream(settings.upstream, time.monotonic)
            manager = manager_on(plane, claims, service, settings)
            ready = asyncio.Event()
            task = asyncio.create_task(manager.run(ready.set))
            await ready.wait()
            try:
                yield RunningManager(manager, plane, relay, task)
            finally:
                manager.stop()
                await asyncio.wait([task])
            if not task.cancelled() and not plane.is_lost:
                task.result()
