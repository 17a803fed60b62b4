"""One claim, from its delivery to its outcome: own the stream, take it over, run it, let it go.

Owns one epoch's resources. What happens inside a stream is the runner's and the core's; settling
the claim is the manager's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    aclosing,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass
from datetime import UTC, datetime

from speechmq_schemas import ContractError, Names, StartStream, StreamFailed

from ..backoff import backoff
from ..broker.amqp.error_map import answered
from ..broker.amqp.plane import DataPlane
from ..broker.control.claims import Claim
from ..broker.control.consumers import has_leader
from ..broker.control.seats import seats_of
from ..broker.control.status import Ownership, StatusDesk
from ..broker.stream.checkpoints import Takeover, take_over, write_checkpoint
from ..broker.stream.event_publisher import EventPublisher
from ..broker.stream.failure import fail_stream, lost_of
from ..broker.stream.memos import read_memo
from ..broker.stream.ownership import acquire, release
from ..broker.stream.stream_queue import StreamQueue, delete_queues
from ..broker.topology import StreamTopology, per_stream
from ..core.status import Status, status_of
from ..core.stream import Stream
from ..core.values.memo import Memo
from ..core.values.outputs import Outcome
from ..core.values.spec import StreamSpec
from ..errors import (
    BrokerError,
    CrashLoop,
    QueueMissing,
    StateUnreadable,
    StreamOwned,
)
from ..settings import Settings
from ..tasks import task_group
from ..telemetry.logs import describe, get_logger
from ..telemetry.observer import Observer
from ..telemetry.trace_context import context_of
from ..upstream.service import Upstream
from .claim_outcome import Acked, ClaimOutcome, DeadLettered, Requeued
from .outbox import Backlog
from .runner import Runner

log = get_logger(__name__)

# Another owner that does not go within so many heartbeats is alive.
PATIENCE = 3
# Seconds between tries to own a stream, doubled each time.
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0
# Redeclaring a queue renews its expiry; three times an expiry is often enough.
RENEWALS = 3


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all owners of a worker share; ``wall_clock`` gives seconds since 1970."""

    plane: DataPlane
    desk: StatusDesk
    upstream: Upstream
    settings: Settings
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    jitter: Callable[[], float]
    observer: Observer
    backlog: Backlog


class StreamOwner:
    """Made by the manager for each claim; ``serve`` is called once."""

    def __init__(self, claim: Claim, start: StartStream, surroundings: Surroundings) -> None:
        self._claim = claim
        self._start = start
        self._stream_id = start.stream_id
        self._plane = surroundings.plane
        self._desk = surroundings.desk
        self._upstream = surroundings.upstream
        self._settings = surroundings.settings
        self._backlog = surroundings.backlog
        self._clock = surroundings.clock
        self._wall_clock = surroundings.wall_clock
        self._jitter = surroundings.jitter
        self.observer = surroundings.observer.claimed(start.stream_id)
        self._names = Names(surroundings.settings.broker.namespace)
        self._seats = seats_of(self._plane, self._settings, self._clock)
        self._runner: Runner | None = None
        self._draining: str | None = None
        self.is_last = False
        """Nobody goes on with the stream: a claim of its id that comes from now on is another's."""
        self.left = asyncio.Event()
        """Set by the manager when the outcome is there."""

    async def serve(self) -> ClaimOutcome:
        """What is to become of the claim, when nothing of the stream is held any more.

        Raises ``BrokerError`` when that is not to be had: the connection has to end then, and with
        it goes what is held. The same is true for cancelling.
        """
        try:
            async with self._ownership() as queue, self._questions():
                outcome = await self._outcome_of(queue)
                if self._claim.seat and not isinstance(outcome, Requeued):
                    await self._free_seat(self._claim.seat)
                return outcome
        except StreamOwned:
            return self._judge_other_owner()

    def drain(self, reason: str) -> None:
        """Asks for an early outcome: the stream is to be left to another worker."""
        self._draining = reason
        if self._runner is not None:
            self._runner.drain(reason)

    # -- what an owner holds, from the outside in ------------------------------------------------

    @asynccontextmanager
    async def _ownership(self) -> AsyncIterator[StreamQueue]:
        """The lock, and a channel that is opened meanwhile. Raises ``StreamOwned``.

        A block that raises leaves the lock to the end of the connection: nothing else makes sure
        that what the block published comes before the next owner.
        """
        async with task_group() as tasks:
            opening = tasks.create_task(self._open_queue())
            is_owner = await self._acquire()
        async with aclosing(opening.result()) as queue:
            if not is_owner:
                raise StreamOwned(f"another worker keeps stream {self._stream_id}")
            yield queue
        async with self._answered():
            await release(self._plane, self._names, self._stream_id)

    @asynccontextmanager
    async def _questions(self) -> AsyncIterator[None]:
        """Questions about the stream come here from ``_register`` on, until this block ends."""
        yield
        async with self._answered():
            await self._desk.unregister(self._stream_id)

    @asynccontextmanager
    async def _audio(self, queue: StreamQueue, takeover: Takeover) -> AsyncIterator[None]:
        """The consumer, opened behind the fence, which counts the owners: they may die of it."""
        try:
            async with self._answered():
                await queue.consume()
        except QueueMissing:
            raise
        except BrokerError:
            await self._withdraw(takeover)
            raise
        yield

    @asynccontextmanager
    async def _upkeep(self, queue: StreamQueue, epoch: int) -> AsyncIterator[None]:
        """Renews what would expire, and has questions answered; audio need not wait for that."""
        async with task_group() as tasks:
            renewing = tasks.create_task(self._renew(queue))
            tasks.create_task(self._register(epoch))
            yield
            renewing.cancel()

    # -- owning ----------------------------------------------------------------------------------

    async def _acquire(self) -> bool:
        """False when another owner stays for three heartbeats, or past a drain."""
        deadline = self._clock() + PATIENCE * self._settings.broker.heartbeat
        for pause in backoff(FIRST_PAUSE, LONGEST_PAUSE, self._jitter):
            try:
                async with self._answered():
                    await acquire(self._plane, self._names, self._stream_id)
            except StreamOwned:
                if self._draining is not None or self._clock() > deadline:
                    return False
            else:
                return True
            await asyncio.sleep(pause)
        raise AssertionError("the delays have no end")

    def _judge_other_owner(self) -> ClaimOutcome:
        """The other has a claim of its own. If this one is new, it is one too many; if it had an
        owner before, it may be the only one, whatever the other is."""
        if self._claim.is_redelivered or self._draining is not None:
            return Requeued()
        log.warning("duplicate_claim_dropped", stream_id=self._stream_id)
        return Acked()

    async def _open_queue(self) -> StreamQueue:
        session = self._settings.session
        async with self._answered():
            channel = await self._plane.channel(prefetch=session.prefetch)
        return StreamQueue(
            channel, self._topology(), self._names.dead, max_bytes=session.max_chunk_bytes
        )

    def _topology(self) -> StreamTopology:
        broker = self._settings.broker
        return per_stream(
            self._names,
            self._stream_id,
            self._claim.body,
            queue_type=broker.queue_type,
            max_bytes=broker.stream_max_bytes,
            expires=broker.stream_expires,
        )

    # -- what becomes of a stream that is owned --------------------------------------------------

    async def _outcome_of(self, queue: StreamQueue) -> ClaimOutcome:
        """One stream's trouble with the broker is no other's, as long as the connection lives."""
        try:
            return await self._run_or_fail(queue)
        except BrokerError as error:
            if self._plane.is_lost:
                raise
            return Requeued(LONGEST_PAUSE, **describe(error))

    async def _run_or_fail(self, queue: StreamQueue) -> ClaimOutcome:
        try:
            return await self._run(queue)
        except CrashLoop as error:
            return await self._fail("crash_loop", str(error))
        except ContractError as error:
            # It was admitted by a worker with other settings than this one's.
            return await self._fail(error.code, error.reason)
        except StateUnreadable as error:
            return await self._fail("state_lost", str(error))
        except BrokerError:
            raise
        except Exception as error:
            log.exception("stream_crashed", stream_id=self._stream_id)
            return await self._fail("internal_error", str(error))

    async def _run(self, queue: StreamQueue) -> ClaimOutcome:
        try:
            outcome = await self._run_stream(queue)
        except QueueMissing:
            return await self._clear_up()
        return Requeued() if outcome is Outcome.DETACHED else Acked()

    async def _run_stream(self, queue: StreamQueue) -> Outcome:
        takeover, memo = await self._take_over(queue)
        if takeover.series.count > self._settings.worker.max_takeovers:
            raise CrashLoop(self._stream_id, takeover.series.count)
        outcome = Outcome.ENDED
        if not takeover.is_over:
            async with self._audio(queue, takeover), self._upkeep(queue, takeover.epoch):
                self._runner = self._runner_of(queue, takeover, memo)
                if self._draining is not None:
                    self._runner.drain(self._draining)
                outcome = await self._runner.run()
        if outcome is not Outcome.DETACHED:
            self.is_last = True
            async with self._answered():
                await delete_queues(queue.channel, self._names, self._stream_id)
        return outcome

    async def _withdraw(self, takeover: Takeover) -> None:
        """An owner that gives the stream back did not crash on it, and is not counted as if.

        The fence of this owner is still the newest that the state has: nothing was heard yet.
        """
        if self._plane.is_lost:
            return
        with suppress(BrokerError):
            async with self._answered(), self._plane.asking(confirms=True) as channel:
                await write_checkpoint(
                    channel,
                    self._names.state(self._stream_id),
                    takeover.epoch,
                    takeover.checkpoint,
                    takeover.series.before(),
                )

    async def _take_over(self, queue: StreamQueue) -> tuple[Takeover, Memo | None]:
        """A claim that had an owner before may have left a memo, which is read meanwhile."""
        window = round(self._settings.worker.takeover_window * 1000)
        async with self._answered(), task_group() as tasks:
            reading = tasks.create_task(self._memo()) if self._claim.is_redelivered else None
            takeover = await take_over(
                queue.channel,
                self._names,
                self._stream_id,
                now=self._wall_milliseconds(),
                window=window,
                require_leader=self._require_leader,
            )
            if takeover.checkpoint is None:
                # What was not acknowledged comes again, so nothing can be missing.
                return takeover, None
            return takeover, await (reading or self._memo())

    async def _require_leader(self) -> None:
        """Asked on a connection of its own: the question may cost it. Raises ``BrokerError``."""
        queue = self._names.stream(self._stream_id)
        if not await has_leader(self._settings.broker, queue):
            raise BrokerError(f"the leader of {queue} does not answer; the stream waits for it")

    async def _memo(self) -> Memo | None:
        return await read_memo(self._plane, self._names.memo(self._stream_id))

    def _runner_of(self, queue: StreamQueue, takeover: Takeover, memo: Memo | None) -> Runner:
        """Raises ``ContractError`` where this worker's settings do not allow the stream."""
        access = self._upstream.access(self._start)
        stream = Stream(
            StreamSpec.from_start(self._start),
            self._settings.session.limits(),
            now=self._clock(),
            jitter=self._jitter,
            checkpoint=takeover.checkpoint,
            memo=memo,
            regions=access.regions,
        )
        self.observer.began(
            stream,
            epoch=takeover.epoch,
            checkpoint=takeover.checkpoint,
            headers=self._claim.headers,
            deliveries=queue,
        )
        publisher = EventPublisher(
            queue.channel, self._names, self._stream_id, epoch=takeover.epoch
        )
        return Runner(
            stream,
            queue=queue,
            publisher=publisher,
            upstream=access,
            clock=self._clock,
            broker_timeout=self._settings.broker.answer_timeout,
            backlog=self._backlog,
            observer=self.observer,
        )

    # -- beside a stream that runs ---------------------------------------------------------------

    async def _register(self, epoch: int) -> None:
        since = datetime.fromtimestamp(self._wall_clock(), UTC)
        async with self._answered():
            await self._desk.register(self._stream_id, Ownership(epoch, since, self._look))

    def _look(self) -> Status | None:
        return None if self._runner is None else status_of(self._runner.stream)

    async def _renew(self, queue: StreamQueue) -> None:
        while True:
            await asyncio.sleep(self._settings.broker.stream_expires / RENEWALS)
            async with self._answered():
                await queue.renew()
                if self._claim.seat:
                    await self._hold_seat(self._claim.seat)

    async def _hold_seat(self, seat: str) -> None:
        with self._seat_trouble(seat):
            await self._seats.hold(seat, self._stream_id)

    async def _free_seat(self, seat: str) -> None:
        with self._seat_trouble(seat):
            async with self._answered():
                await self._seats.free(seat, self._stream_id)

    @contextmanager
    def _seat_trouble(self, seat: str) -> Iterator[None]:
        """A seat that the broker refuses, or whose node is down, expires by itself: no reason to
        end a connection that other streams use."""
        try:
            yield
        except BrokerError as error:
            if self._plane.is_lost:
                raise
            log.warning("seat_refused", stream_id=self._stream_id, seat=seat, **describe(error))

    # -- streams that cannot be run --------------------------------------------------------------

    async def _clear_up(self) -> ClaimOutcome:
        """A queue is gone: at the stream's end, or too early, which nobody has been told yet.

        Of a stream that is over all was told, and this claim is one too many.
        """
        self.is_last = True
        async with self._answered():
            lost = await lost_of(self._plane, self._names, self._stream_id)
        if lost is None:
            log.info("late_claim_dropped", stream_id=self._stream_id)
            return Acked()
        reason = f"the stream's {lost} expired or was deleted before its end; its audio is gone"
        await self._report_failure(f"{lost}_lost", reason, has_state=lost != "state")
        return Acked()

    async def _fail(self, code: str, reason: str) -> ClaimOutcome:
        self.is_last = True
        await self._report_failure(code, reason, has_state=True)
        return DeadLettered(code, reason)

    async def _report_failure(self, code: str, reason: str, *, has_state: bool) -> None:
        about = {"stream_id": self._stream_id, "code": code, "reason": reason, "retryable": True}
        log.error("stream_failed", **about)
        async with self._answered():
            await fail_stream(
                self._plane,
                self._names,
                StreamFailed.model_validate(about),
                epoch=self._wall_milliseconds(),
                headers=context_of(self._claim.headers),
                has_state=has_state,
            )

    # -- small things ----------------------------------------------------------------------------

    def _answered(self) -> AbstractAsyncContextManager[None]:
        return answered(self._settings.broker.answer_timeout)

    def _wall_milliseconds(self) -> int:
        return int(self._wall_clock() * 1000)
