"""Publishes streams of audio, and survives what happens to RabbitMQ meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

from aio_pika.abc import AbstractIncomingMessage

from speechmq_schemas import (
    ContractError,
    CreateTemporaryKey,
    FileAudioFormat,
    GetStreamStatus,
    Names,
    RawAudioFormat,
    StartStream,
    StreamStatus,
    TemporaryKey,
    TranscriptionConfig,
    to_event,
)
from speechmq_schemas.config import Encoding

from .amqp.consumer import Consumer, QueueSpec
from .amqp.error_map import translated
from .amqp.link import SETUP_SECONDS, Link
from .amqp.messages import from_aio_pika
from .amqp.requests import ask
from .errors import BrokerUnavailable, ClientError, ExchangeMissing, NoAnswer, StreamError
from .outbox import OutboxLimits
from .sender import Pressure, Sender
from .stream import StreamHandle, StreamOptions
from .tasks import task_group

log = logging.getLogger("speechmq_client")

EXPIRES_MILLISECONDS = 300_000
FEED_PREFETCH = 256
STATUS_EVERY = 3.0
RETRY_SECONDS = 0.5

STREAM_ID_BYTES = 8

PressureChanged = Callable[[StreamHandle, Pressure], None]


def new_stream_id() -> str:
    """One that no other stream has."""
    return f"stream-{token_hex(STREAM_ID_BYTES)}"


@dataclass(eq=False, slots=True)
class _Group:
    """A connection and how many streams send over it."""

    link: Link
    streams: int = 0


@dataclass(eq=False, slots=True)
class _Running:
    stream: StreamHandle
    sender: Sender
    group: _Group
    reported: Pressure | None = None


class Publisher:
    """Streams of audio to RabbitMQ, each with its own ``StreamHandle``.

    What a stream sends is numbered and kept until RabbitMQ has confirmed it. When the connection
    is lost, another is made, to any of ``urls``, and what is not confirmed is sent again in order.

    An asynchronous context manager: entering connects; leaving ends the streams that still run and
    waits for ``close_timeout`` seconds until all is confirmed.

    ``urls``: one AMQP URL, or one for each node of a cluster.
    ``namespace``: that of the workers.
    ``listen``: whether to hear what becomes of the streams. Without it a refused start goes
    unnoticed, and ``wait_ended`` cannot be used; a user that may only publish needs False.
    ``chunk_seconds``: audio in smaller pieces is put together up to this length. RabbitMQ takes as
    long for a small message as for a large one.
    ``max_unconfirmed_bytes``, ``max_unconfirmed_seconds``: what a stream keeps unconfirmed;
    ``send`` waits beyond it.
    ``connect_timeout``: seconds to find RabbitMQ, and a worker's exchanges in it, at first.
    ``start_timeout``: seconds for a worker to accept a stream.
    ``patience``: seconds that ``send`` and ``end`` wait for RabbitMQ before they raise.
    ``streams_per_connection``: a connection that RabbitMQ closes over one stream is that of so
    many others at most.
    ``on_pressure``: called when something begins or ceases to keep a stream's audio from going
    out. It must neither block nor raise.
    """

    def __init__(  # noqa: PLR0913  # keywords with defaults, as its users read them
        self,
        urls: str | Sequence[str],
        *,
        namespace: str = "speechmq",
        listen: bool = True,
        name: str = "speechmq-client publisher",
        chunk_seconds: float = 0.1,
        max_unconfirmed_bytes: int = 8 * 1024 * 1024,
        max_unconfirmed_seconds: float = 60.0,
        connect_timeout: float = 30.0,
        start_timeout: float = 30.0,
        close_timeout: float = 10.0,
        patience: float = 300.0,
        streams_per_connection: int = 100,
        on_pressure: PressureChanged | None = None,
    ) -> None:
        self._urls = urls
        self._names = Names(namespace)
        self._name = name
        self._listens = listen
        self._limits = OutboxLimits(max_unconfirmed_bytes, max_unconfirmed_seconds)
        self._chunk_seconds = chunk_seconds
        self._connect_timeout = connect_timeout
        self._start_timeout = start_timeout
        self._close_timeout = close_timeout
        self._patience = patience
        self._streams_per_connection = streams_per_connection
        self._on_pressure = on_pressure
        self._control = Link(urls, f"{name} (control)")
        self._links: list[_Group] = []
        self._streams: dict[str, _Running] = {}
        self._resources = AsyncExitStack()
        self._tasks: asyncio.TaskGroup
        self._services: list[asyncio.Task[None]] = []
        self._feed = Consumer(
            self._control,
            QueueSpec(
                f"consumer.publisher.{token_hex(8)}",
                {"x-expires": EXPIRES_MILLISECONDS},
                is_temporary=True,
            ),
            self._names.events,
            prefetch=FEED_PREFETCH,
            receive=self._receive,
            lost=lambda: None,
        )

    def __repr__(self) -> str:
        return f"<Publisher to {self._control}, {len(self._streams)} streams>"

    async def __aenter__(self) -> Self:
        """Raises ``BrokerUnavailable``, ``AccessRefused``, ``ExchangeMissing``."""
        async with AsyncExitStack() as resources:
            self._tasks = await resources.enter_async_context(task_group())
            resources.callback(self._stop_services)
            await self._control.open(self._connect_timeout)
            self._serve(self._control.run())
            await self._wait_for_exchange()
            if self._listens:
                self._serve(self._feed.run())
                await self._wait_for_feed()
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raises ``BrokerUnavailable`` if something could not be confirmed, unless the block
        raised already."""
        try:
            left = await self._end_streams()
            with suppress(ClientError):  # it expires
                await self._feed.delete()
        finally:
            await self._resources.__aexit__(None, None, None)
        if left and kind is None:
            raise BrokerUnavailable(
                f"RabbitMQ did not confirm everything within {self._close_timeout:g} s: "
                f"{', '.join(left)}"
            )

    # -- streams ----------------------------------------------------------------------------------

    async def start(
        self,
        start: StartStream,
        *,
        wait: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> StreamHandle:
        """Starts a stream; returns when a worker has accepted it, or at once without ``wait``.

        Audio may be sent at once in both cases. ``headers`` go with the start, as ``traceparent``
        does. Raises ``StartRefused`` with the reason; ``NoAnswer`` when no worker has answered
        within ``start_timeout`` (the stream is ended then); ``ValueError`` for an id that a stream
        of this publisher has. Without ``wait``, or without ``listen``, a refusal is raised by a
        later call, or not at all. Cancelled, the stream is ended.
        """
        self._require_new(start.stream_id)
        if self._listens:
            await self._feed_bind(start.stream_id)
            self._require_new(start.stream_id)
        stream = self._begin(start, headers or {})
        try:
            if wait and self._listens:
                await self._wait_accepted(stream)
        except BaseException:
            stream.ask_end()
            raise
        return stream

    async def start_raw(
        self,
        stream_id: str | None = None,
        *,
        sample_rate: int = 16_000,
        encoding: Encoding = "pcm_s16le",
        language: str = "en",
        wait: bool = True,
        **config: Any,
    ) -> StreamHandle:
        """``start`` for mono samples. ``config`` is more of ``TranscriptionConfig``, such as
        ``enable_partials=True``. Without an id it gets a new one."""
        start = StartStream(
            stream_id=stream_id or new_stream_id(),
            audio_format=RawAudioFormat(encoding=encoding, sample_rate=sample_rate),
            transcription_config=TranscriptionConfig(language=language, **config),
        )
        return await self.start(start, wait=wait)

    async def start_file(
        self,
        stream_id: str | None = None,
        *,
        language: str = "en",
        wait: bool = True,
        **config: Any,
    ) -> StreamHandle:
        """``start`` for the bytes of an audio file, as a recorder or a browser makes them."""
        start = StartStream(
            stream_id=stream_id or new_stream_id(),
            audio_format=FileAudioFormat(type="file"),
            transcription_config=TranscriptionConfig(language=language, **config),
        )
        return await self.start(start, wait=wait)

    @property
    def streams(self) -> list[StreamHandle]:
        """Those that are not over yet."""
        return [running.stream for running in self._streams.values()]

    # -- requests ---------------------------------------------------------------------------------

    async def status(self, stream_id: str, *, within: float = 10.0) -> StreamStatus:
        """How any stream is doing now. Raises ``RequestRefused`` (``unknown_stream`` for one that
        there is not), ``NoAnswer`` after ``within`` seconds. May be cancelled."""
        return await self._status(stream_id, within)

    async def _status(self, stream_id: str, within: float) -> StreamStatus:
        request = GetStreamStatus(stream_id=stream_id)
        reply = await ask(self._control, self._names.inbound, request, within)
        if not isinstance(reply, StreamStatus):
            raise NoAnswer(f"GetStreamStatus was answered by {type(reply).__name__}")
        return reply

    async def temporary_key(
        self,
        ttl: int,
        *,
        client_ref: str | None = None,
        credential: str | None = None,
        within: float = 30.0,
    ) -> TemporaryKey:
        """A key that opens sessions at the recogniser for ``ttl`` seconds, for a browser.

        Raises ``RequestRefused``, ``NoAnswer`` after ``within`` seconds. May be cancelled.
        """
        named = {"client_ref": client_ref, "credential": credential}
        given = {name: value for name, value in named.items() if value is not None}
        request = CreateTemporaryKey.model_validate({"ttl": ttl, **given})
        reply = await ask(self._control, self._names.inbound, request, within)
        if not isinstance(reply, TemporaryKey):
            raise NoAnswer(f"CreateTemporaryKey was answered by {type(reply).__name__}")
        return reply

    # -- inside -----------------------------------------------------------------------------------

    def _serve(self, service: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._tasks.create_task(service)
        self._services.append(task)
        task.add_done_callback(self._services.remove)
        return task

    def _stop_services(self) -> None:
        for task in list(self._services):
            task.cancel()

    async def _wait_for_exchange(self) -> None:
        """A worker may start later than its publishers."""
        missing: ExchangeMissing | None = None
        try:
            async with asyncio.timeout(self._connect_timeout):
                while True:
                    try:
                        return await self._look_for_exchange()
                    except ExchangeMissing as error:
                        missing = error
                    except BrokerUnavailable as error:
                        log.warning("%s; another try follows", error)
                    await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError as error:
            raise missing or BrokerUnavailable(f"RabbitMQ at {self._control} was lost") from error

    async def _look_for_exchange(self) -> None:
        connected = await self._control.connected()
        async with connected.channel() as channel:
            with translated(f"looking for the exchange {self._names.inbound}"):
                async with asyncio.timeout(SETUP_SECONDS):
                    await channel.aio_pika.get_exchange(self._names.inbound)

    async def _wait_for_feed(self) -> None:
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._feed.ready()
        except TimeoutError as error:
            raise self._feed.refusal or BrokerUnavailable(
                f"RabbitMQ at {self._control} gave no queue for events"
            ) from error

    def _require_new(self, stream_id: str) -> None:
        if stream_id in self._streams:
            raise ValueError(f"this publisher has a stream {stream_id!r} already")

    def _begin(self, start: StartStream, headers: Mapping[str, str]) -> StreamHandle:
        group = self._group_with_room()

        def changed() -> None:
            """The sender calls it first while the stream is being made."""
            found = self._streams.get(start.stream_id)
            if found is not None:
                found.stream.notify()
                self._report(found)

        sender = Sender(group.link, self._names.inbound, start.stream_id, self._limits, changed)
        connected = self._control.current
        options = StreamOptions(
            chunk_seconds=self._chunk_seconds,
            patience=self._patience,
            headers=headers,
            user=connected.address.user if connected else None,
        )
        stream = StreamHandle(start, sender, options, self._status)
        running = _Running(stream, sender, group)
        self._streams[start.stream_id] = running
        group.streams += 1
        self._serve(self._run(running))
        return stream

    async def _run(self, running: _Running) -> None:
        """Sends for one stream until nothing of it is left to do."""
        stream = running.stream
        sending = self._tasks.create_task(running.sender.run())
        try:
            await stream.wait_sent()
            sending.cancel()
            if self._listens:
                with suppress(NoAnswer, StreamError):
                    await stream.wait_ended(self._patience)
        finally:
            sending.cancel()
            running.group.streams -= 1
            del self._streams[stream.stream_id]
        if self._listens:
            with suppress(ClientError):  # a lost queue is bound again for those that are left
                await self._feed.unbind(_key(stream.stream_id))

    def _group_with_room(self) -> _Group:
        for group in self._links:
            if group.streams < self._streams_per_connection:
                return group
        group = _Group(Link(self._urls, f"{self._name} {len(self._links) + 1}"))
        self._links.append(group)
        self._serve(group.link.run())
        return group

    async def _feed_bind(self, stream_id: str) -> None:
        """Bound before the start is published: no answer to it is missed."""
        try:
            await self._feed.bind(_key(stream_id))
        except BrokerUnavailable:
            await self._wait_for_feed()  # which binds it with the others

    async def _wait_accepted(self, stream: StreamHandle) -> None:
        asking = asyncio.create_task(self._ask_until_known(stream))
        try:
            await stream.wait_accepted(self._start_timeout)
        finally:
            asking.cancel()
            await asyncio.wait([asking])

    async def _ask_until_known(self, stream: StreamHandle) -> None:
        """Nothing answers a start that a worker takes for a repetition of another."""
        while True:
            await asyncio.sleep(STATUS_EVERY)
            with suppress(ClientError):
                await self.status(stream.stream_id, within=STATUS_EVERY)
                return stream.accept()

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        heard = from_aio_pika(message)
        try:
            event = to_event(heard)
        except ContractError as error:
            log.warning("an event cannot be read: %s", error.reason)
        else:
            running = self._streams.get(event.stream_id)
            epoch = heard.headers.get("epoch")
            if running is not None and isinstance(epoch, int):
                running.stream.hear(event, epoch)
        await self._feed.acknowledge(message.delivery_tag)

    def _report(self, running: _Running) -> None:
        pressure = running.sender.pressure
        if pressure is running.reported:
            return
        before, running.reported = running.reported, pressure
        stream_id = running.stream.stream_id
        if pressure is not Pressure.NONE and before is not None:
            log.warning("stream %s: its audio is held back: %s", stream_id, pressure.value)
        elif before is not None:
            log.info("stream %s: its audio goes out again", stream_id)
        if self._on_pressure is not None:
            self._on_pressure(running.stream, pressure)

    async def _end_streams(self) -> list[str]:
        """What of which stream was not confirmed in time."""
        for stream in self.streams:
            stream.ask_end()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._close_timeout):
                for stream in self.streams:
                    await stream.wait_confirmed()
        return [
            f"{stream.unconfirmed} messages of stream {stream.stream_id}"
            for stream in self.streams
            if stream.unconfirmed
        ]


def _key(stream_id: str) -> str:
    """What happens to a stream, without what is said in it."""
    return f"stream.*.{stream_id}"
