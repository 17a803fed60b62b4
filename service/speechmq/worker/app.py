"""The composition root: settings in, a running worker out. Nothing else reads the settings."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from aiormq.abc import AbstractChannel

from speechmq_schemas import Names

from ..backoff import backoff
from ..broker.amqp import safe_decode
from ..broker.amqp.error_map import translated
from ..broker.amqp.log_throttle import LogThrottle
from ..broker.amqp.plane import DataPlane, open_plane
from ..broker.amqp.side_channel import SideChannel
from ..broker.control.admission import Admission
from ..broker.control.claims import Claims
from ..broker.control.consumers import ConsumerWatch, has_leader
from ..broker.control.control import ControlPlane
from ..broker.control.early import EarlyAudio
from ..broker.control.grants import Grants
from ..broker.control.key_requests import KeyRequests
from ..broker.control.replies import Answers
from ..broker.control.seats import seats_of
from ..broker.control.status import UnownedStatus, worker_name
from ..broker.topology import declare, topologies
from ..errors import (
    ArgumentsDiffer,
    BrokerError,
    BrokerLost,
    SettingsError,
    SpeechmqError,
    TopologyMismatch,
    first_error,
)
from ..health.monitor import Monitor
from ..settings import Settings
from ..telemetry.logs import configure_logs, describe, get_logger
from ..upstream.service import Upstream
from .manager import Manager

log = get_logger("speechmq")

READY_LINE = "speechmq: worker ready"
# Seconds between tries to reach the broker, doubled each time.
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 2.0
# Seconds between the second signal and the end of the process, in good order or not.
GOODBYE = 1.0
# Between two looks for garbage among what is new: almost all of it goes without being looked for.
YOUNG_OBJECTS = 20_000


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
    try:
        settings = Settings.load()
        configure_logs(settings.log, settings.secrets())
        safe_decode.install()
        worker = Worker(settings, ready=lambda: _announce(settings.log.format))
        _spare_what_stays()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(worker.run())
        log.info("worker_stopped")
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except SpeechmqError as error:
        log.error("worker_failed", **describe(error))
        return 1
    return 0


def _spare_what_stays() -> None:
    """Looking for garbage among all that was imported would stop all streams for 0.1 s."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def _announce(form: str) -> None:
    """To whoever started the process and waits; a log of JSON has no line that is none."""
    log.info("worker_ready")
    if form == "console":
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
        self._clock = time.monotonic
        self._monitor = Monitor(settings, self._clock)
        self._log_throttle = LogThrottle()
        self._stopping = asyncio.Event()
        self._out_of_patience = asyncio.Event()

    async def run(self) -> None:
        """Works until told to stop. Raises ``BrokerError`` if the broker was never reached, and
        ``SettingsError`` if nobody can be told how it goes."""
        self._stop_on_signals()
        async with self._monitor.running():
            await self._run()

    async def _run(self) -> None:
        pauses, was_connected = backoff(FIRST_PAUSE, LONGEST_PAUSE), False
        while not self._stopping.is_set():
            try:
                async with open_plane(self._settings.broker) as plane:
                    pauses, was_connected = backoff(FIRST_PAUSE, LONGEST_PAUSE), True
                    await self._work(plane)
            except BrokerError as error:
                if not was_connected or isinstance(error, TopologyMismatch):
                    raise
                self._monitor.readiness.lost(str(error))
                pause = next(pauses)
                if self._log_throttle.allows(self._clock()):
                    log.warning("broker_lost", **describe(error), retry_in=pause)
                await self._rest(pause)

    def stop(self) -> None:
        """Asks for a clean end; asked again, ends at once, as if it had crashed."""
        log.info("worker_stopping", is_urgent=self._stopping.is_set())
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
        names, name = Names(self._settings.broker.namespace), worker_name()
        channel = await plane.channel()
        await self._declare(channel, names)
        side, answers = SideChannel(self._settings.broker), Answers(self._settings.broker)
        upstream = Upstream(self._settings.upstream, self._clock)
        self._monitor.accounts = upstream.accounts
        control = self._control(plane, side, answers, names, upstream)
        claims = await Claims.open(plane, names, self._settings.worker.capacity)
        manager = Manager(
            plane,
            answers,
            claims,
            upstream,
            self._settings,
            name=name,
            clock=self._clock,
            observer=self._monitor.observer,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                others = [
                    tasks.create_task(side.keep()),
                    tasks.create_task(answers.keep()),
                    tasks.create_task(self._tell_when_lost(control.fail_when_lost())),
                    tasks.create_task(self._note_when_closed(claims)),
                    tasks.create_task(self._drain_when_stopping(manager)),
                ]
                await control.start()
                deserted = self._tell_when_lost(control.fail_when_deserted())
                others.append(tasks.create_task(deserted))

                def ready() -> None:
                    others.append(tasks.create_task(self._watch_consumers(plane, names, name)))
                    self._monitor.readiness.consuming()
                    self._log_throttle.reset()
                    self._ready()

                await manager.run(ready)
                for task in others:
                    task.cancel()
        except* BrokerError as group:
            raise BrokerLost(str(first_error(group))) from group
        finally:
            await control.stop()

    async def _tell_when_lost(self, watching: Coroutine[Any, Any, None]) -> None:
        """At once: until everything is let go and set up again, seconds may pass."""
        try:
            await watching
        except* BrokerError as group:
            self._monitor.readiness.lost(str(first_error(group)))
            raise

    async def _note_when_closed(self, claims: Claims) -> None:
        """The manager fails for it, and has streams to let go first; or closes it in the end."""
        try:
            await claims.fail_when_closed()
        except BrokerLost as error:
            self._monitor.readiness.lost(str(error))

    async def _watch_consumers(self, plane: DataPlane, names: Names, name: str) -> None:
        """Until the worker drains: then it has no consumers of claims any more."""

        def looked(waiting: int) -> None:
            self._monitor.observer.waiting = waiting
            self._monitor.readiness.verified()

        watch = ConsumerWatch(
            plane, names, name, looked, partial(has_leader, self._settings.broker)
        )
        is_draining = self._stopping.is_set
        await self._tell_when_lost(watch.fail_when_lost(until=is_draining))

    async def _declare(self, channel: AbstractChannel, names: Names) -> None:
        try:
            with translated("declaring exchanges and queues"):
                for topology in topologies(names, self._settings.broker):
                    await declare(channel, topology)
        except ArgumentsDiffer as error:
            raise TopologyMismatch(error.reply_text) from error

    def _control(
        self,
        plane: DataPlane,
        side: SideChannel,
        answers: Answers,
        names: Names,
        upstream: Upstream,
    ) -> ControlPlane:
        """What answers strangers may cost ``answers`` its connection, and no early audio."""
        session = self._settings.session
        early = EarlyAudio(
            side,
            names,
            wait=session.early_wait,
            clock=time.time,
            max_bytes=session.max_chunk_bytes,
            look=plane.queue_exists,
        )
        seats = seats_of(plane, self._settings, self._clock)
        admission = Admission(plane, self._settings, upstream.access, seats, self._monitor.observer)
        unowned = UnownedStatus(plane, answers, names)
        keys = KeyRequests(answers, names, Grants(self._settings.limits), upstream.temporary_key)
        return ControlPlane(
            self._settings, admission, early, unowned, keys, side=side, url=plane.url
        )

    async def _drain_when_stopping(self, manager: Manager) -> None:
        await self._stopping.wait()
        self._monitor.readiness.drain()
        grace = self._settings.worker.shutdown_grace
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(manager.drain("the worker is stopping"))
            leaving = tasks.create_task(self._out_of_patience.wait())
            done, _ = await asyncio.wait(
                (draining, leaving), timeout=grace, return_when=asyncio.FIRST_COMPLETED
            )
            if draining not in done:
                why = "a second signal came" if done else f"{grace:.0f} s have passed"
                log.warning("drain_cut_short", why=why)
            draining.cancel()
            leaving.cancel()
        manager.stop()
