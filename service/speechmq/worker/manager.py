"""The registry of sessions: takes claims, runs each stream, settles its claim, drains.

What a claim goes through before its outcome is the owner's.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from functools import partial

from speechmq_schemas import ContractError, Names, StartStream

from ..broker.amqp.log_throttle import LogThrottle
from ..broker.amqp.plane import DataPlane
from ..broker.control.claims import Claim, Claims
from ..broker.control.replies import Answers
from ..broker.control.status import StatusDesk
from ..errors import BrokerLost, MessageRefused
from ..settings import Settings, WorkerSettings
from ..telemetry.logs import describe, get_logger
from ..telemetry.observer import Observer
from ..upstream.service import Upstream
from .claim_outcome import Acked, ClaimOutcome, DeadLettered, Requeued
from .outbox import Backlog
from .owner import StreamOwner, Surroundings

log = get_logger(__name__)

# Seconds for which a claim is kept that cannot be dead-lettered.
DEAD_LETTER_PAUSE = 1.0
# Streams given back for an error of whose last warning a worker knows.
MOST_UNLUCKY = 1000


def _backlog(settings: WorkerSettings) -> Backlog:
    """While it is full, every stream may have an equal share of it."""
    share = settings.backlog_bytes // settings.capacity
    return Backlog(settings.backlog_bytes, settings.stream_backlog_bytes, share)


class Manager:
    """Runs streams on one data plane for as long as the plane lives.

    ``answers`` are kept by their maker; what streams are asked is answered that way. ``name`` is of
    the plane.
    """

    def __init__(  # noqa: PLR0913  # by name, and few are given outside of tests
        self,
        plane: DataPlane,
        answers: Answers,
        claims: Claims,
        upstream: Upstream,
        settings: Settings,
        *,
        name: str,
        clock: Callable[[], float],
        wall_clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        observer: Observer | None = None,
    ) -> None:
        self._plane = plane
        self._answers = answers
        self._name = name
        self._claims = claims
        self._observer = observer or Observer()
        self._settings = settings
        self._surround = partial(
            Surroundings,
            plane=plane,
            upstream=upstream,
            settings=settings,
            clock=clock,
            wall_clock=wall_clock,
            jitter=jitter,
            observer=self._observer,
            backlog=_backlog(settings.worker),
        )
        self._owners: dict[str, StreamOwner] = {}
        self._serving: set[asyncio.Task[None]] = set()
        # Streams that were given back for an error, and may be with another worker by now.
        self._unlucky: dict[str, LogThrottle] = {}
        self._clock = clock
        self._draining: str | None = None
        self._stopped = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self, ready: Callable[[], None]) -> None:
        """Takes claims until ``stop``.

        ``ready`` is called once claims are being consumed. Raises ``BrokerLost`` when the plane is
        lost; every stream is then let go on the spot, unpublished. Cancelling does the same.
        """
        names = Names(self._settings.broker.namespace)
        desk = await StatusDesk.open(self._plane, self._answers, names, self._name)
        self._surroundings = self._surround(desk=desk)
        async with asyncio.TaskGroup() as tasks:
            watchers = [
                tasks.create_task(self._claims.fail_when_closed()),
                tasks.create_task(desk.fail_when_closed()),
                tasks.create_task(self._fail_when_lost()),
            ]
            await self._run_streams(ready)
            for watcher in watchers:
                watcher.cancel()
        await self._claims.close()

    async def _run_streams(self, ready: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as tasks:

            def on_claim(claim: Claim) -> None:
                serving = tasks.create_task(self._serve(claim))
                self._serving.add(serving)
                self._idle.clear()
                serving.add_done_callback(self._done_serving)

            if self._draining is None:
                await self._claims.consume(on_claim)
                ready()
            await self._stopped.wait()
            for serving in self._serving:
                serving.cancel()

    def _done_serving(self, serving: asyncio.Task[None]) -> None:
        self._serving.discard(serving)
        if not self._serving:
            self._idle.set()

    async def _fail_when_lost(self) -> None:
        await self._plane.wait_lost()
        raise BrokerLost(
            "the connection to RabbitMQ is gone; every stream of this worker is let go"
        )

    async def drain(self, reason: str) -> None:
        """Hands every stream to another worker. Returns when all have been let go."""
        self._draining = reason
        await self._claims.stop()
        for owner in self._owners.values():
            owner.drain(reason)
        await self._idle.wait()

    def stop(self) -> None:
        """Lets go of what is left, which another worker takes over as after a crash."""
        self._stopped.set()

    # -- one claim -------------------------------------------------------------------------------

    async def _serve(self, claim: Claim) -> None:
        """One claim, whatever comes of it. A failure of one stream is never another's."""
        try:
            start = claim.start()
        except ContractError as error:
            await self._settle(claim, DeadLettered(error.code, error.reason))
            return
        await self._wait_for_last(start.stream_id)
        if self._draining is not None:
            await self._claims.give_back(claim)
        elif start.stream_id in self._owners:
            log.warning("second_claim_dropped", stream_id=start.stream_id)
            await self._claims.settle(claim)
        else:
            outcome = await self._hold(claim, start)
            self._log_outcome(start.stream_id, outcome)
            await self._settle(claim, outcome)

    def _log_outcome(self, stream_id: str, outcome: ClaimOutcome) -> None:
        """The warnings of one stream grow rare: it may be tried for hours."""
        if not (isinstance(outcome, Requeued) and outcome.error):
            self._unlucky.pop(stream_id, None)
            return
        if len(self._unlucky) >= MOST_UNLUCKY:
            self._unlucky.clear()
        if self._unlucky.setdefault(stream_id, LogThrottle()).allows(self._clock()):
            about = {"error": outcome.error, "reason": outcome.reason}
            log.warning("stream_given_back", stream_id=stream_id, **about)

    async def _wait_for_last(self, stream_id: str) -> None:
        """An id may be used again while this worker still clears up behind its last stream."""
        owner = self._owners.get(stream_id)
        if owner is not None and owner.is_last:
            await owner.left.wait()

    async def _hold(self, claim: Claim, start: StartStream) -> ClaimOutcome:
        """Nothing is held any more on return: a claim that is given back may come again at once."""
        owner = self._owners[start.stream_id] = StreamOwner(claim, start, self._surroundings)
        try:
            return await owner.serve()
        finally:
            del self._owners[start.stream_id]
            owner.left.set()
            self._observer.over(owner.observer)

    async def _settle(self, claim: Claim, outcome: ClaimOutcome) -> None:
        match outcome:
            case Acked():
                await self._claims.settle(claim)
            case Requeued():
                await asyncio.sleep(outcome.after)
                await self._claims.give_back(claim)
            case DeadLettered(code, reason):
                await self._dead_letter(claim, code, reason)

    async def _dead_letter(self, claim: Claim, code: str, reason: str) -> None:
        """Where the dead letters take nothing now, the claim waits: no stream is to suffer."""
        try:
            await self._claims.dead_letter(claim, code, reason)
        except MessageRefused as error:
            log.warning("claim_given_back", **describe(error))
            await asyncio.sleep(DEAD_LETTER_PAUSE)
            await self._claims.give_back(claim)
