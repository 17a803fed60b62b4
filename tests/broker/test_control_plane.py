"""When the control plane stops, nothing of it is left that could take another message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiormq.abc import AbstractChannel
from tests.support.broker import Namespace
from tests.support.tcp_proxy import TcpProxy, proxying, through

from speechmq.broker.amqp.plane import broker_urls, open_plane
from speechmq.broker.control.admission import Admission
from speechmq.broker.control.control import ControlPlane
from speechmq.broker.control.early import EarlyAudio
from speechmq.broker.topology import declare, topologies
from speechmq.errors import BrokerLost
from speechmq.settings import BrokerSettings, Settings
from speechmq_schemas import AmqpMessage, Names

SECONDS = 20.0


class StuckAdmission(Admission):
    """Never done with a start, like one that waits for a broker that is away."""

    def __init__(self) -> None:
        self.has_start = asyncio.Event()
        self.redelivered: list[bool] = []

    async def admit(self, message: AmqpMessage, redelivered: bool) -> None:
        self.redelivered.append(redelivered)
        self.has_start.set()
        await asyncio.get_running_loop().create_future()


def control_plane(url: str) -> tuple[ControlPlane, StuckAdmission]:
    admission, unused = StuckAdmission(), object.__new__(EarlyAudio)
    nothing: Any = None
    settings = Settings(broker=BrokerSettings.model_validate({"url": url, "heartbeat": 1}))
    [address] = broker_urls(settings.broker)
    plane = ControlPlane(settings, admission, unused, nothing, nothing, side=nothing, url=address)
    return plane, admission


@asynccontextmanager
async def one_start_waits(namespace: Namespace) -> AsyncIterator[AbstractChannel]:
    settings = BrokerSettings.model_validate({"url": namespace.url})
    async with open_plane(settings) as plane:
        channel = await plane.channel()
        for topology in topologies(Names(), settings):
            await declare(channel, topology)
        await channel.basic_publish(b"{}", exchange=Names().inbound, routing_key="start")
        yield channel


def reconnecting() -> list[str]:
    """What the client does for ever where a robust connection was not closed."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in names if "connection_factory" in name]


async def nothing_happens(_proxy: TcpProxy, _plane: ControlPlane) -> None: ...


async def connection_is_reset(proxy: TcpProxy, plane: ControlPlane) -> None:
    proxy.cut()
    with pytest.raises(BrokerLost, match="control plane"):
        await plane.fail_when_lost()


async def network_swallows_everything(proxy: TcpProxy, _plane: ControlPlane) -> None:
    proxy.swallow()


@pytest.mark.parametrize(
    "befalls", [nothing_happens, connection_is_reset, network_swallows_everything]
)
async def test_start_in_hand_goes_to_another_and_no_connection_comes_back(
    namespace: Namespace, befalls: Callable[[TcpProxy, ControlPlane], Awaitable[None]]
) -> None:
    """A robust connection that is not closed comes back, with consumers that nobody serves."""
    parts = urlsplit(namespace.url)
    target = (parts.hostname or "", parts.port or 5672)
    async with (
        asyncio.timeout(SECONDS),
        one_start_waits(namespace),
        proxying(target) as proxy,
    ):
        first, stuck = control_plane(through(proxy, namespace.url))
        await first.start()
        await stuck.has_start.wait()
        await befalls(proxy, first)
        await first.stop()
        assert reconnecting() == []

        second, other = control_plane(namespace.url)
        await second.start()
        await other.has_start.wait()
        await second.stop()
        assert (stuck.redelivered, other.redelivered) == ([False], [True])
