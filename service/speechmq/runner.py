"""One stream's shell: moves bytes between the session core, the upstream and the broker.

Decides nothing. Every output of the core is carried out in order; whatever happens meanwhile goes
into one inbox and comes back to the core as an input.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NoReturn

from .broker.event_publisher import EventPublisher
from .broker.stream_queue import StreamQueue
from .errors import HandshakeRefused, UpstreamLost, UpstreamUnreachable, first_error
from .session.inputs import (
    ConnectionFailed,
    ConnectionLost,
    ConnectionOpened,
    DeadLettered,
    DeadlinePassed,
    DrainRequested,
    Input,
    Published,
)
from .session.outputs import (
    Acknowledge,
    CloseConnection,
    DeadLetter,
    EndAudio,
    Finish,
    OpenConnection,
    Outcome,
    Output,
    Publish,
    SaveCheckpoint,
    SendAudio,
    StartRecognition,
)
from .session.stream import Stream
from .upstream.connection import ABNORMAL_CLOSURE, Connection
from .upstream.messages import MalformedMessage, end_of_stream, start_recognition

Connect = Callable[[], AbstractAsyncContextManager[Connection]]
BrokerWork = Publish | SaveCheckpoint | Acknowledge | DeadLetter

# The connection that an input comes from, or nothing for the broker and the clock.
Source = asyncio.Task[None] | None

# Upstream is not read while more events than these wait for the broker.
MAX_UNPUBLISHED = 256


class Runner:
    """Runs a stream to its outcome. Cancelling it closes the upstream socket and nothing else."""

    def __init__(
        self,
        stream: Stream,
        *,
        queue: StreamQueue,
        publisher: EventPublisher,
        connect: Connect,
        clock: Callable[[], float],
    ) -> None:
        self.stream = stream
        self._queue = queue
        self._publisher = publisher
        self._connect = connect
        self._clock = clock
        self._inbox: deque[tuple[Source, Input]] = deque()
        self._wake = asyncio.Event()
        self._broker_work: asyncio.Queue[BrokerWork] = asyncio.Queue()
        self._broker_has_room = asyncio.Event()
        self._broker_has_room.set()
        self._upstream_work: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._connection: asyncio.Task[None] | None = None
        self._outcome: Outcome | None = None

    async def run(self) -> Outcome:
        """Raises ``BrokerLost`` as soon as the broker is gone; then nothing more is published."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                writer = tasks.create_task(self._work_for_broker())
                watcher = tasks.create_task(self._queue.fail_when_closed())
                self._perform(self.stream.open(self._clock()))
                await self._queue.consume(self._deliver)
                outcome = await self._drive()
                for task in (writer, watcher):
                    task.cancel()
                self._close_connection()
        except BaseExceptionGroup as group:
            raise first_error(group) from group
        return outcome

    def drain(self, reason: str) -> None:
        """Asks the stream to leave itself to another worker."""
        self._deliver(DrainRequested(reason))

    async def _drive(self) -> Outcome:
        while self._outcome is None:
            await self._wait_for_input()
            while self._inbox and self._outcome is None:
                source, received = self._inbox.popleft()
                if source is None or source is self._connection:
                    self._perform(self.stream.receive(received, self._clock()))
        return self._outcome

    async def _wait_for_input(self) -> None:
        """Returns with something in the inbox, if only the deadline."""
        deadline = self.stream.deadline
        delay = None if deadline is None else max(0.0, deadline - self._clock())
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            self._deliver(DeadlinePassed())
        self._wake.clear()

    def _deliver(self, received: Input, source: Source = None) -> None:
        self._inbox.append((source, received))
        self._wake.set()

    # -- outputs ---------------------------------------------------------------------------------

    def _perform(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case SendAudio(audio):
                    self._upstream_work.put_nowait(audio)
                case Publish() | SaveCheckpoint() | Acknowledge() | DeadLetter():
                    self._give_broker(output)
                case EndAudio(chunks):
                    self._upstream_work.put_nowait(end_of_stream(chunks))
                case StartRecognition():
                    self._upstream_work.put_nowait(self._start_message())
                case OpenConnection():
                    self._open_connection()
                case CloseConnection():
                    self._close_connection()
                case Finish(outcome):
                    self._outcome = outcome

    def _start_message(self) -> str:
        spec = self.stream.spec
        audio_format = {
            "type": "raw",
            "encoding": spec.encoding,
            "sample_rate": spec.sample_rate,
        }
        return start_recognition(audio_format, dict(spec.transcription_config))

    # -- the broker ------------------------------------------------------------------------------

    def _give_broker(self, work: BrokerWork) -> None:
        self._broker_work.put_nowait(work)
        if self._broker_work.qsize() >= MAX_UNPUBLISHED:
            self._broker_has_room.clear()

    async def _work_for_broker(self) -> None:
        while True:
            match await self._broker_work.get():
                case Publish() as publish:
                    await self._publisher.publish(publish)
                    if publish.confirm:
                        self._deliver(Published(publish.seq))
                case SaveCheckpoint(seq, checkpoint):
                    await self._publisher.save(checkpoint)
                    self._deliver(Published(seq))
                case Acknowledge(tag):
                    await self._queue.acknowledge(tag)
                case DeadLetter(tag, code, reason):
                    await self._queue.dead_letter(tag, code, reason)
                    self._deliver(DeadLettered(tag))
            if self._broker_work.qsize() < MAX_UNPUBLISHED:
                self._broker_has_room.set()

    # -- the upstream ----------------------------------------------------------------------------

    def _open_connection(self) -> None:
        self._upstream_work = asyncio.Queue()
        self._connection = self._tasks.create_task(self._hold_connection(self._upstream_work))

    def _close_connection(self) -> None:
        """What is in the inbox from this connection is passed over: it is not current any more."""
        if self._connection is not None:
            self._connection.cancel()
            self._connection = None

    async def _hold_connection(self, work: asyncio.Queue[str | bytes]) -> None:
        """Holds one connection until it ends, and tells the core how it ended."""
        source = asyncio.current_task()
        try:
            async with self._connect() as connection:
                self._deliver(ConnectionOpened(), source)
                self._deliver(await self._converse(connection, work), source)
        except HandshakeRefused as error:
            self._deliver(ConnectionFailed(str(error), error.status), source)
        except UpstreamUnreachable as error:
            self._deliver(ConnectionFailed(str(error)), source)

    async def _converse(
        self, connection: Connection, work: asyncio.Queue[str | bytes]
    ) -> ConnectionLost:
        """Sends and receives at once, until either meets the end of the connection."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(connection, work))
                await self._receive(connection)
        except* (UpstreamLost, MalformedMessage) as group:
            ended = _how_lost(group)
        return ended

    async def _send(self, connection: Connection, work: asyncio.Queue[str | bytes]) -> NoReturn:
        while True:
            await connection.send(await work.get())

    async def _receive(self, connection: Connection) -> NoReturn:
        source = asyncio.current_task()
        while True:
            await self._broker_has_room.wait()
            self._deliver(await connection.receive(), source)


def _how_lost(group: BaseExceptionGroup[UpstreamLost | MalformedMessage]) -> ConnectionLost:
    error = first_error(group)
    if isinstance(error, UpstreamLost):
        return ConnectionLost(error.code, error.reason)
    return ConnectionLost(ABNORMAL_CLOSURE, str(error))
