"""Carries out the faults of a schedule, and keeps a record of when each was in force."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.crowd import Crowd
from tests.chaos.fleet import Fleet, Log, Worker
from tests.chaos.node import Node
from tests.chaos.observer import Observer
from tests.chaos.recogniser import Recogniser
from tests.chaos.schedule import COMING_KINDS, SESSION_KINDS, Strike

# Behind a fault a worker, or the broker, is given so long before it is met by the next.
REST = 3.0
CALM_SECONDS = 20.0
QUEUE_IS_NEW = 6.0


@dataclass(slots=True)
class Deed:
    """``worker`` is nothing where all are hit. ``until`` is when the cause was gone."""

    kind: str
    at: float
    worker: str | None
    until: float = float("inf")


class Saboteur:
    """``deeds`` are those that hit workers or the broker; ``done`` counts all, by kind."""

    def __init__(
        self,
        dice: random.Random,
        fleet: Fleet,
        node: Node,
        recogniser: Recogniser,
        *,
        crowd: Crowd,
        observer: Observer,
        log: Log,
    ) -> None:
        self._log = log
        self.deeds: list[Deed] = []
        self.done: Counter[str] = Counter()
        self._dice = dice
        self._fleet = fleet
        self._node = node
        self._recogniser = recogniser
        self._crowd = crowd
        self._observer = observer
        self._broker_lock = asyncio.Lock()

    async def work(self, strikes: Sequence[Strike]) -> None:
        """Returns when every fault is over, as far as it depends on us."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for strike in strikes:
                await asyncio.sleep(began + strike.at - time.monotonic())
                tasks.create_task(self._strike(strike.kind))
        self._recogniser.clear()

    async def _strike(self, kind: str) -> None:
        actor, _, what = kind.partition(": ")
        match actor:
            case "worker":
                await self._hit_worker(kind, what)
            case "broker":
                await self._hit_broker(kind, what)
            case "publisher":
                self._disturb(kind, what)
            case _ if kind in COMING_KINDS:
                self._recogniser.add(kind, COMING_KINDS[kind][0])
                self._count(kind, "any")
            case _:
                await self._hit_session(kind)

    def _count(self, kind: str, whom: str) -> None:
        self.done[kind] += 1
        self._log("chaos", f"{kind}: {whom}")

    # -- upstream --------------------------------------------------------------------------------

    async def _hit_session(self, kind: str) -> None:
        listening = self._recogniser.listening()
        if not listening:
            return
        session = self._dice.choice(listening)
        self._recogniser.strike(kind, SESSION_KINDS[kind][0], session.id)
        self._count(kind, f"{session.stream} of {session.worker}")
        if kind.endswith(", drop"):
            await asyncio.sleep(2.0)
            self._recogniser.strike(kind, "drop", session.id)

    # -- publishers ------------------------------------------------------------------------------

    def _disturb(self, kind: str, what: str) -> None:
        """A late chunk and a broker that is away would be a gap, and rightly so."""
        speaking = self._crowd.speaking()
        if not speaking or (what == "chunk late" and self._broker_lock.locked()):
            return
        self._count(kind, "some")
        for speech in self._dice.sample(speaking, k=min(5, len(speaking))):
            if what == "chunk late":
                speech.hold = self._dice.uniform(0.15, 1.0)
            else:
                speech.repeat = self._dice.uniform(0.0, 2.0)

    # -- workers ---------------------------------------------------------------------------------

    async def _hit_worker(self, kind: str, what: str) -> None:
        worker = self._fleet.pick(self._dice)
        if worker is None:
            return
        self._count(kind, worker.name)
        deed = Deed(kind, time.monotonic(), worker.name)
        self.deeds.append(deed)
        worker.busy_until = float("inf")
        await self._hurt(worker, what)
        deed.until = time.monotonic()
        self._log("chaos", f"{kind} of {worker.name} is over")
        worker.busy_until = deed.until + REST

    async def _hurt(self, worker: Worker, what: str) -> None:
        match what:
            case "kill -9":
                worker.signal(signal.SIGKILL)
            case "SIGTERM":
                worker.signal(signal.SIGTERM)
            case "SIGTERM twice":
                worker.signal(signal.SIGTERM)
                await asyncio.sleep(self._dice.uniform(0.0, 0.3))
                worker.signal(signal.SIGTERM)
            case "broker TCP cut":
                worker.proxy.cut()
            case "broker TCP black hole":
                worker.proxy.swallow()
                await asyncio.sleep(self._dice.uniform(3.0, 20.0))
                worker.proxy.heal()
            case _:
                worker.signal(signal.SIGSTOP)
                long = what == "frozen, long"
                await asyncio.sleep(self._dice.uniform(*((12.0, 18.0) if long else (0.5, 4.0))))
                worker.signal(signal.SIGCONT)

    # -- the broker ------------------------------------------------------------------------------

    async def _hit_broker(self, kind: str, what: str) -> None:
        if self._broker_lock.locked():
            return
        async with self._broker_lock:
            self._crowd.may_begin.clear()
            if not await self._calm():
                self._crowd.may_begin.set()
                return
            self._count(kind, "all")
            deed = Deed(kind, time.monotonic(), None)
            self.deeds.append(deed)
            await self._hurt_broker(what)
            deed.until = time.monotonic()
            self._log("chaos", f"{kind} is over")
            self._crowd.may_begin.set()
            await asyncio.sleep(REST)

    async def _calm(self) -> bool:
        """Whether no chunk is late, and no queue is new.

        RabbitMQ 3.10.8 leaves a quorum queue without a leader for ever when its node is killed
        within seconds of the queue's declaration, confirmed or not (seen at 2.0 s): nobody can
        consume from it, who publishes to it waits for ever, and either loses the connection.
        """
        deadline = time.monotonic() + CALM_SECONDS
        while self._is_busy and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return not self._is_busy

    @property
    def _is_busy(self) -> bool:
        accepted = [self._observer.streams.get(one) for one in self._crowd.speeches]
        newest = max((one[0].at if one else float("inf") for one in accepted), default=0.0)
        return self._crowd.has_late or newest > time.monotonic() - QUEUE_IS_NEW

    async def _hurt_broker(self, what: str) -> None:
        match what:
            case "stop and start":
                await self._node.broker.stop()
                await self._node.broker.start()
            case "kill -9 and start":
                await self._node.broker.kill()
                await self._node.broker.start()
            case "memory alarm":
                await self._node.raise_alarm()
                await asyncio.sleep(self._dice.uniform(1.0, 6.0))
                await self._node.clear_alarm()
