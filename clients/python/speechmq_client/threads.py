"""The publisher and the subscriber for programs with threads and without asyncio.

One thread runs an event loop with all of a publisher, or all of a subscriber; every method may be
called from any thread and waits for its result. What is raised is what the asynchronous one raises.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from speechmq_schemas import (
    Event,
    MidSessionConfig,
    StartStream,
    StreamEnded,
    StreamStatus,
    TemporaryKey,
    Transcript,
)

from . import publisher, subscriber
from .inbox import Position
from .sender import Pressure
from .states import StreamState
from .stream import StreamHandle as AsyncStreamHandle

T = TypeVar("T")
Resource = TypeVar("Resource")


class LoopThread(Generic[Resource]):
    """A thread whose event loop holds one resource open from ``open`` to ``close``."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[Resource]]) -> None:
        self._make = make
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="speechmq-client", daemon=True)
        self._leave = asyncio.Event()
        self._held: asyncio.Task[None] | None = None

    def open(self) -> Resource:
        """Raises what entering raises; the thread has ended then."""
        self._thread.start()
        try:
            return self.call(self._begin())
        except BaseException:
            self._stop()
            raise

    async def _begin(self) -> Resource:
        opened: asyncio.Future[Resource] = asyncio.get_running_loop().create_future()
        self._held = asyncio.create_task(self._hold(opened))
        waiting: list[asyncio.Future[Any]] = [opened, self._held]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not opened.done():
            await self._held  # which has raised
        return opened.result()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs ``work`` in the loop, and waits for it; an interrupt of the caller cancels it."""
        running = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return running.result()
        except BaseException:
            running.cancel()
            raise

    def close(self) -> None:
        """Leaves the resource; raises what leaving raises."""
        try:
            self.call(self._leave_resource())
        finally:
            self._stop()

    async def _hold(self, opened: asyncio.Future[Resource]) -> None:
        """One task enters and leaves."""
        async with self._make() as resource:
            opened.set_result(resource)
            await self._leave.wait()

    async def _leave_resource(self) -> None:
        self._leave.set()
        if self._held is not None:
            await self._held

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.get_loop().run_forever()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


class StreamHandle:
    """``speechmq_client.StreamHandle`` for threads."""

    def __init__(self, stream: AsyncStreamHandle, loop: LoopThread[publisher.Publisher]) -> None:
        self._stream = stream
        self._loop = loop
        self.stream_id = stream.stream_id

    @property
    def state(self) -> StreamState:
        return self._stream.state

    @property
    def pressure(self) -> Pressure:
        return self._stream.pressure

    @property
    def unconfirmed(self) -> int:
        return self._stream.unconfirmed

    def send(self, audio: bytes | bytearray | memoryview, *, channel: str | None = None) -> None:
        self._loop.call(self._stream.send(audio, channel=channel))

    def update_config(self, config: MidSessionConfig) -> None:
        self._loop.call(self._stream.update_config(config))

    def force_end_of_utterance(
        self, *, timestamp: float | None = None, channel: str | None = None
    ) -> None:
        self._loop.call(self._stream.force_end_of_utterance(timestamp=timestamp, channel=channel))

    def get_speakers(self, *, final: bool = False) -> None:
        self._loop.call(self._stream.get_speakers(final=final))

    def end_channel(self, channel: str) -> None:
        self._loop.call(self._stream.end_channel(channel))

    def end(self) -> None:
        self._loop.call(self._stream.end())

    def wait_ended(self, within: float = 60.0) -> StreamEnded:
        return self._loop.call(self._stream.wait_ended(within))

    def status(self, within: float = 10.0) -> StreamStatus:
        return self._loop.call(self._stream.status(within))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call(self._stream.__aexit__(kind, error, traceback))


class _Held(Generic[Resource]):
    """A context manager for threads: an asynchronous one, held open by a loop of its own."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[Resource]]) -> None:
        self._loop = LoopThread(make)
        self._held: Resource

    def __enter__(self) -> Self:
        self._held = self._loop.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.close()


class Publisher(_Held[publisher.Publisher]):
    """``speechmq_client.Publisher`` for threads, with the same settings. A context manager."""

    def __init__(self, urls: str | Sequence[str], **settings: Any) -> None:
        super().__init__(lambda: publisher.Publisher(urls, **settings))

    def start(self, start: StartStream, *, wait: bool = True) -> StreamHandle:
        return self._handle(self._held.start(start, wait=wait))

    def start_raw(self, stream_id: str | None = None, **options: Any) -> StreamHandle:
        return self._handle(self._held.start_raw(stream_id, **options))

    def start_file(self, stream_id: str | None = None, **options: Any) -> StreamHandle:
        return self._handle(self._held.start_file(stream_id, **options))

    def status(self, stream_id: str, *, within: float = 10.0) -> StreamStatus:
        return self._loop.call(self._held.status(stream_id, within=within))

    def temporary_key(self, ttl: int, **options: Any) -> TemporaryKey:
        return self._loop.call(self._held.temporary_key(ttl, **options))

    def _handle(self, starting: Coroutine[Any, Any, AsyncStreamHandle]) -> StreamHandle:
        return StreamHandle(self._loop.call(starting), self._loop)


class Delivery:
    """``speechmq_client.Delivery`` for threads. ``transcript`` may go on to change meanwhile."""

    def __init__(
        self, delivery: subscriber.Delivery, loop: LoopThread[subscriber.Subscriber]
    ) -> None:
        self._delivery = delivery
        self._loop = loop

    @property
    def event(self) -> Event:
        return self._delivery.event

    @property
    def stream_id(self) -> str:
        return self._delivery.stream_id

    @property
    def position(self) -> Position:
        return self._delivery.position

    @property
    def transcript(self) -> Transcript | None:
        return self._delivery.transcript

    def ack(self) -> None:
        self._loop.call(self._delivery.ack())

    def give_back(self) -> None:
        self._loop.call(self._delivery.give_back())


class Subscriber(_Held[subscriber.Subscriber]):
    """``speechmq_client.Subscriber`` for threads, with the same settings. A context manager, and
    iterable."""

    def __init__(self, urls: str | Sequence[str], **settings: Any) -> None:
        super().__init__(lambda: subscriber.Subscriber(urls, **settings))

    def __iter__(self) -> Iterator[Delivery]:
        return self

    def __next__(self) -> Delivery:
        """The next event; never ends by itself."""
        return Delivery(self._loop.call(self._held.__anext__()), self._loop)

    def receive(self, within: float) -> Delivery | None:
        """The next event, or None when none came within so many seconds."""

        async def receive() -> subscriber.Delivery | None:
            try:
                async with asyncio.timeout(within):
                    return await self._held.__anext__()
            except TimeoutError:
                return None

        delivery = self._loop.call(receive())
        return Delivery(delivery, self._loop) if delivery is not None else None
