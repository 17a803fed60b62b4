"""The registry of sessions: takes claims, runs each stream, drains.

Owns one epoch's resources of each stream from claim to outcome. What happens inside a stream is
the runner's and the core's.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from functools import partial

from speechmq_schemas import ContractError, Names, StartStream

from .broker.checkpoints import Takeover, take_over
from .broker.claims import Claim, Claims
from .broker.event_publisher import EventPublisher
from .broker.plane import DataPlane
from .broker.stream_queue import StreamQueue
from .broker.topology import StreamTopology, per_stream
from .errors import BrokerLost
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
        settings: Settings,
        *,
        clock: Callable[[], float],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._plane = plane
        self._settings = settings
        self._names = Names(settings.broker.namespace)
        self._clock = clock
        self._jitter = jitter
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
        self._claims = await Claims.open(self._plane, self._names, self._settings.worker.capacity)
        self._stopped = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            streams = tasks.create_task(self._run_streams(ready))
            lost = tasks.create_task(self._fail_when_lost())
            await streams
            lost.cancel()

    async def _run_streams(self, ready: Callable[[], None]) -> None:
        streams: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as tasks:

            def on_claim(claim: Claim) -> None:
                stream = tasks.create_task(self._serve(claim))
                streams.add(stream)
                stream.add_done_callback(streams.discard)

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
            return
        try:
            await self._own(claim, start)
        except BrokerLost as error:
            if self._plane.is_lost:
                raise
            await self._let_go(claim, start, error)
        except Exception as error:
            log.exception("stream %s failed inside the worker", start.stream_id)
            await self._claims.bury(claim, "internal_error", str(error))

    async def _let_go(self, claim: Claim, start: StartStream, error: BrokerLost) -> None:
        """The broker closed this stream's channel alone: whoever claims it next starts afresh."""
        log.warning("stream %s is given back: %s", start.stream_id, error)
        await asyncio.sleep(PAUSE)
        await self._claims.give_back(claim)

    async def _own(self, claim: Claim, start: StartStream) -> None:
        stream_id = start.stream_id
        if not await self._is_ours(stream_id):
            await self._claims.settle(claim)
            return
        queue = await self._open_queue(self._topology(claim, start))
        try:
            outcome = await self._run(queue, start)
        finally:
            await queue.close()
        if outcome is Outcome.DETACHED:
            await self._claims.give_back(claim)
        else:
            await self._claims.settle(claim)

    async def _is_ours(self, stream_id: str) -> bool:
        """False when the stream is gone, or has had another owner for three heartbeats."""
        for _ in range(PATIENCE):
            consumers = await self._plane.queue_exists(self._names.stream(stream_id))
            if not consumers:
                return consumers is not None
            await asyncio.sleep(self._settings.broker.heartbeat)
        log.warning("a duplicate claim of stream %s is dropped", stream_id)
        return False

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

    async def _run(self, queue: StreamQueue, start: StartStream) -> Outcome:
        takeover = await take_over(queue.channel, self._names, start.stream_id)
        outcome = Outcome.ENDED
        if not takeover.is_over:
            async with asyncio.TaskGroup() as tasks:
                renewal = tasks.create_task(self._keep_alive(queue))
                outcome = await self._run_session(queue, start, takeover)
                renewal.cancel()
        if outcome is not Outcome.DETACHED:
            await queue.delete()
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
