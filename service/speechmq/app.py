"""The composition root: settings in, a running worker out. Nothing else reads the settings."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable

from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelPreconditionFailed

from speechmq_schemas import Names

from .broker import tolerance
from .broker.admission import Admission
from .broker.claims import Claims
from .broker.control import ControlPlane
from .broker.early import EarlyAudio
from .broker.key_requests import KeyRequests
from .broker.plane import DataPlane, open_plane, translated
from .broker.side_channel import SideChannel
from .broker.status import UnownedStatus
from .broker.topology import declare, topologies
from .errors import (
    BrokerError,
    BrokerLost,
    SettingsError,
    SpeechmqError,
    TopologyMismatch,
    first_error,
)
from .manager import Manager
from .settings import Settings
from .upstream.service import Upstream

log = logging.getLogger("speechmq")

READY_LINE = "speechmq: worker ready"
# Seconds between tries to reach the broker, doubled each time.
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 2.0
# Seconds between the second signal and the end of the process, in good order or not.
GOODBYE = 1.0


def check_settings() -> int:
    """Prints the settings, secrets hidden; the exit code says whether they can be used."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(settings.redacted(), indent=2))
    return 0


def run_worker() -> int:
    """Runs a worker until SIGTERM or SIGINT; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # The clients log every loss once more, with a traceback; it is told once, by us.
    for noisy in ("aiormq", "aio_pika"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    # One line for each request says nothing that an error would not.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = Settings.load()
        tolerance.install()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(Worker(settings, ready=_announce).run())
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except SpeechmqError as error:
        log.error("%s", error)
        return 1
    return 0


def _announce() -> None:
    print(READY_LINE, flush=True)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415 - an extra

    return uvloop.new_event_loop


class Worker:
    """A control plane, a data plane and the streams between them.

    ``ready`` is called whenever every queue is being consumed, first at start-up and again behind
    each loss of the broker.
    """

    def __init__(self, settings: Settings, *, ready: Callable[[], None]) -> None:
        self._settings = settings
        self._ready = ready
        self._stopping = asyncio.Event()
        self._out_of_patience = asyncio.Event()

    async def run(self) -> None:
        """Works until told to stop. Raises ``BrokerError`` if the broker was never reached."""
        self._stop_on_signals()
        pause, was_connected = FIRST_PAUSE, False
        while not self._stopping.is_set():
            try:
                async with open_plane(self._settings.broker) as plane:
                    pause, was_connected = FIRST_PAUSE, True
                    await self._work(plane)
            except BrokerError as error:
                if not was_connected or isinstance(error, TopologyMismatch):
                    raise
                log.warning("%s; trying again in %.1f s", error, pause)
                await self._rest(pause)
                pause = min(LONGEST_PAUSE, pause * 2)

    def stop(self) -> None:
        """Asks for a clean end; asked again, ends at once, as if it had crashed."""
        if self._stopping.is_set():
            self._out_of_patience.set()
        self._stopping.set()

    def _stop_on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)

    def _on_signal(self) -> None:
        """The second one ends the process, whoever does not answer its goodbyes: the broker gives
        what is held here to another worker either way."""
        if self._stopping.is_set():
            asyncio.get_running_loop().call_later(GOODBYE, os._exit, 1)
        self.stop()

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _work(self, plane: DataPlane) -> None:
        """Runs on one data plane until it is lost or the worker is to stop."""
        names = Names(self._settings.broker.namespace)
        channel = await plane.channel()
        await self._declare(channel, names)
        side = SideChannel(self._settings.broker)
        upstream = Upstream(self._settings.upstream, time.monotonic)
        control = self._control(plane, side, names, upstream)
        claims = await Claims.open(plane, names, self._settings.worker.capacity)
        manager = Manager(plane, claims, upstream, self._settings, clock=time.monotonic)
        try:
            async with asyncio.TaskGroup() as tasks:
                others = [
                    tasks.create_task(side.keep()),
                    tasks.create_task(control.fail_when_lost()),
                    tasks.create_task(self._drain_when_stopping(manager)),
                ]
                await control.start()
                await manager.run(self._ready)
                for task in others:
                    task.cancel()
        except* BrokerError as group:
            raise BrokerLost(str(first_error(group))) from group
        finally:
            await control.stop()

    async def _declare(self, channel: AbstractChannel, names: Names) -> None:
        try:
            with translated("declaring exchanges and queues"):
                for topology in topologies(names, self._settings.broker):
                    await declare(channel, topology)
        except BrokerLost as error:
            if isinstance(error.__cause__, ChannelPreconditionFailed):
                raise TopologyMismatch(error.__cause__) from error
            raise

    def _control(
        self, plane: DataPlane, side: SideChannel, names: Names, upstream: Upstream
    ) -> ControlPlane:
        wait = self._settings.session.early_wait
        early = EarlyAudio(side, names, wait=wait, clock=time.time)
        admission = Admission(plane, self._settings.broker, upstream.access)
        unowned = UnownedStatus(plane, side, names)
        keys = KeyRequests(side, names, upstream.temporary_key)
        return ControlPlane(self._settings, admission, early, unowned, keys)

    async def _drain_when_stopping(self, manager: Manager) -> None:
        await self._stopping.wait()
        grace = self._settings.worker.shutdown_grace
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(manager.drain("the worker is stopping"))
            leaving = tasks.create_task(self._out_of_patience.wait())
            done, _ = await asyncio.wait(
                (draining, leaving), timeout=grace, return_when=asyncio.FIRST_COMPLETED
            )
            if draining not in done:
                why = "a second signal came" if done else f"{grace:.0f} s have passed"
                log.warning("streams were still being handed over when %s; leaving them", why)
            draining.cancel()
            leaving.cancel()
        manager.stop()
