"""The registry of sessions: takes claims, runs each stream, drains.

Owns one epoch's resources of each stream from claim to outcome. What happens inside a stream is
the runner's and the core's.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from functools import partial

from aiormq.abc import AbstractChannel

from speechmq_schemas import ContractError, Names, StartStream, StreamFailed

from .broker.announcements import announce
from .broker.checkpoints import Takeover, take_over
from .broker.claims import Claim, Claims
from .broker.event_publisher import EventPublisher
from .broker.plane import DataPlane, close_quietly
from .broker.stream_queue import StreamQueue, delete_queues
from .broker.topology import StreamTopology, per_stream
from .errors import BrokerError, BrokerLost, first_error
from .runner import Runner
from .session.outputs import Outcome
from .session.spec import StreamSpec
from .session.stream import Stream
from .settings import Settings
from .upstream.connection import open_connection

log = logging.getLogger(__name__)

# A claim whose stream has another consumer for this many heartbeats is a duplicate.
PATIENCE = 3
# Seconds before a stream whose channel was closed is tried again, so that it does not spin.
PAUSE = 1.0
# Redeclaring a queue renews its expiry; three times an expiry is often enough.
RENEWALS = 3


class Manager:
    """Runs streams on one data plane for as long as the plane lives."""

    def __init__(
        self,
        plane: DataPlane,
        claims: Claims,
        settings: Settings,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._plane = plane
        self._claims = claims
        self._settings = settings
        self._names = Names(settings.broker.namespace)
        self._clock = clock
        self._wall_clock = wall_clock
        self._jitter = jitter
        self._owned: set[str] = set()
        self._runners: dict[str, Runner] = {}
        self._draining: str | None = None
        self._stopped = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self, ready: Callable[[], None]) -> None:
        """Takes claims until ``stop``.

        ``ready`` is called once claims are being consumed. Raises ``BrokerLost`` when the plane is
        lost; every stream is then let go on the spot, unpublished. Cancelling does the same.
        """
        async with asyncio.TaskGroup() as tasks:
            watchers = [
                tasks.create_task(self._claims.fail_when_closed()),
                tasks.create_task(self._fail_when_lost()),
            ]
            await self._run_streams(ready)
            for watcher in watchers:
                watcher.cancel()
        await self._claims.close()

    async def _run_streams(self, ready: Callable[[], None]) -> None:
        streams: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as tasks:

            def on_claim(claim: Claim) -> None:
                stream = tasks.create_task(self._serve(claim))
                streams.add(stream)
                stream.add_done_callback(streams.discard)

            if self._draining is None:
                await self._claims.consume(on_claim)
                ready()
            await self._stopped.wait()
            for stream in streams:
                stream.cancel()

    async def _fail_when_lost(self) -> None:
        await self._plane.wait_lost()
        raise BrokerLost(
            "the connection to RabbitMQ is gone; every stream of this worker is let go"
        )

    async def drain(self, reason: str) -> None:
        """Hands every stream to another worker. Returns when all have been let go."""
        self._draining = reason
        await self._claims.stop()
        for runner in self._runners.values():
            runner.drain(reason)
        await self._idle.wait()

    def stop(self) -> None:
        """Lets go of what is left, which another worker takes over as after a crash."""
        self._stopped.set()

    # -- one stream ------------------------------------------------------------------------------

    async def _serve(self, claim: Claim) -> None:
        """One claim, whatever comes of it. A failure of one stream is never another's."""
        try:
            start = claim.start()
        except ContractError as error:
            await self._claims.bury(claim, error.code, error.reason)
            return
        if self._draining is not None:
            await self._claims.give_back(claim)
        elif start.stream_id in self._owned:
            log.warning("a second claim of stream %s is dropped", start.stream_id)
            await self._claims.settle(claim)
        else:
            self._owned.add(start.stream_id)
            try:
                await self._own(claim, start)
            finally:
                self._owned.discard(start.stream_id)

    async def _own(self, claim: Claim, start: StartStream) -> None:
        try:
            await self._run(claim, start)
        except BrokerLost as error:
            if self._plane.is_lost:
                raise
            log.warning("stream %s is given back: %s", start.stream_id, error)
            await asyncio.sleep(PAUSE)
            await self._claims.give_back(claim)
        except BrokerError as error:
            await self._fail(claim, start, "state_lost", str(error))
        except Exception as error:
            log.exception("stream %s failed inside the worker", start.stream_id)
            await self._fail(claim, start, "internal_error", str(error))

    async def _run(self, claim: Claim, start: StartStream) -> None:
        consumers = await self._other_consumers(start.stream_id)
        if consumers is None:
            await self._clear_up(claim, start)
        elif consumers:
            log.warning("a duplicate claim of stream %s is dropped", start.stream_id)
            await self._claims.settle(claim)
        elif await self._run_stream(claim, start) is Outcome.DETACHED:
            await self._claims.give_back(claim)
        else:
            await self._claims.settle(claim)

    async def _fail(self, claim: Claim, start: StartStream, code: str, reason: str) -> None:
        """The stream cannot go on in any worker."""
        await self._announce_failure(start.stream_id, code, reason)
        await self._claims.bury(claim, code, reason)

    async def _clear_up(self, claim: Claim, start: StartStream) -> None:
        """The stream's queue is gone: at its end, or too early, which nobody has been told yet."""
        stream_id = start.stream_id
        is_over = claim.is_redelivered
        if await self._plane.queue_exists(self._names.state(stream_id)) is not None:
            channel = await self._plane.channel()
            is_over = (await self._take_over(channel, stream_id)).is_over
            await close_quietly(channel)
        if not is_over:
            reason = "the stream's queue expired or was deleted before its end; its audio is gone"
            await self._announce_failure(stream_id, "queue_lost", reason)
        else:
            await self._delete_queues(stream_id)
        await self._claims.settle(claim)

    async def _announce_failure(self, stream_id: str, code: str, reason: str) -> None:
        channel = await self._plane.channel()
        failed = StreamFailed(stream_id=stream_id, code=code, reason=reason, retryable=True)
        await announce(channel, self._names, failed, epoch=self._new_epoch())
        await close_quietly(channel)
        await self._delete_queues(stream_id)

    async def _delete_queues(self, stream_id: str) -> None:
        channel = await self._plane.channel()
        await delete_queues(channel, self._names, stream_id)
        await close_quietly(channel)

    async def _other_consumers(self, stream_id: str) -> int | None:
        """Consumers that stay for three heartbeats; nothing when the stream's queue is gone."""
        consumers = None
        for _ in range(PATIENCE):
            consumers = await self._plane.queue_exists(self._names.stream(stream_id))
            if not consumers:
                return consumers
            await asyncio.sleep(self._settings.broker.heartbeat)
        return consumers

    async def _take_over(self, channel: AbstractChannel, stream_id: str) -> Takeover:
        epoch = self._new_epoch()
        return await take_over(channel, self._names, stream_id, first_epoch=epoch)

    def _new_epoch(self) -> int:
        """Higher than any that a stream of the same id has had."""
        return int(self._wall_clock() * 1000)

    def _topology(self, claim: Claim, start: StartStream) -> StreamTopology:
        broker = self._settings.broker
        return per_stream(
            self._names,
            start.stream_id,
            claim.body,
            queue_type=broker.queue_type,
            max_bytes=broker.stream_max_bytes,
            expires=broker.stream_expires,
        )

    async def _open_queue(self, topology: StreamTopology) -> StreamQueue:
        channel = await self._plane.channel(prefetch=self._settings.session.prefetch)
        return StreamQueue(channel, topology, self._names.dead)

    async def _run_stream(self, claim: Claim, start: StartStream) -> Outcome:
        queue = await self._open_queue(self._topology(claim, start))
        try:
            takeover = await self._take_over(queue.channel, start.stream_id)
            outcome = Outcome.ENDED
            if not takeover.is_over:
                outcome = await self._run_kept_alive(queue, start, takeover)
            if outcome is not Outcome.DETACHED:
                await delete_queues(queue.channel, self._names, start.stream_id)
            return outcome
        finally:
            await queue.close()

    async def _run_kept_alive(
        self, queue: StreamQueue, start: StartStream, takeover: Takeover
    ) -> Outcome:
        try:
            async with asyncio.TaskGroup() as tasks:
                renewal = tasks.create_task(self._keep_alive(queue))
                outcome = await self._run_session(queue, start, takeover)
                renewal.cancel()
        except BaseExceptionGroup as group:
            raise first_error(group) from group
        return outcome

    async def _run_session(
        self, queue: StreamQueue, start: StartStream, takeover: Takeover
    ) -> Outcome:
        stream_id = start.stream_id
        runner = Runner(
            Stream(
                spec_of(start),
                self._settings.session.limits(),
                now=self._clock(),
                jitter=self._jitter,
                checkpoint=takeover.checkpoint,
            ),
            queue=queue,
            publisher=EventPublisher(
                queue.channel,
                self._names,
                stream_id,
                epoch=takeover.epoch,
                timeout=self._settings.broker.publish_timeout,
            ),
            connect=partial(open_connection, self._settings.upstream),
            clock=self._clock,
        )
        self._runners[stream_id] = runner
        self._idle.clear()
        if self._draining is not None:
            runner.drain(self._draining)
        try:
            return await runner.run()
        finally:
            del self._runners[stream_id]
            if not self._runners:
                self._idle.set()

    async def _keep_alive(self, queue: StreamQueue) -> None:
        while True:
            await asyncio.sleep(self._settings.broker.stream_expires / RENEWALS)
            await queue.renew()


def spec_of(start: StartStream) -> StreamSpec:
    """The start in the terms of the session core."""
    config = start.transcription_config.model_dump(by_alias=True, exclude_unset=True)
    return StreamSpec(
        stream_id=start.stream_id,
        encoding=start.audio_format.encoding,
        sample_rate=start.audio_format.sample_rate,
        transcription_config=config,
        idle_timeout=start.idle_timeout,
        labels=start.labels,
    )
