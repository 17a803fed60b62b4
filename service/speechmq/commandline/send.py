"""Sends a recording as a live publisher would, and follows its stream to the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aio_pika.abc import AbstractConnection

from speechmq.errors import NoAnswer
from speechmq_schemas import (
    AudioChunk,
    EndStream,
    Names,
    StartStream,
    StreamAccepted,
    StreamEnded,
    StreamFailed,
    StreamStarted,
    from_command,
)

from ..tasks import task_group
from .audio_file import EncodedRecording
from .pacing import Schedule, SendTimes
from .publisher import Publisher, open_publisher
from .received import Received
from .recording import Recording
from .screen import Screen
from .subscription import Subscription, subscribe
from .summary import Summary, Tally


@dataclass(frozen=True, slots=True)
class SendRequest:
    """``speed`` 2 sends twice as fast as one speaks; ``answer_seconds`` is how long to wait for
    the stream's end after its last message was sent."""

    start: StartStream
    recording: Recording | EncodedRecording
    chunk_milliseconds: float = 100.0
    speed: float = 1.0
    answer_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class SendResult:
    """How the stream ended, and what came of it."""

    end: StreamEnded | StreamFailed
    summary: Summary


async def send(
    request: SendRequest,
    connection: AbstractConnection,
    names: Names,
    screen: Screen,
    halt: asyncio.Event,
) -> SendResult:
    """Sends until the audio, the stream, or the sender's patience (``halt``) is at its end.

    Events are listened to before the start is published, so none is missed. Raises ``NoAnswer``,
    ``BrokerError`` and its kin, ``RecordingError``. Cancelling leaves without an ``EndStream``.
    """
    async with task_group() as tasks:
        events = await subscribe(connection, names.events, request.start.stream_id)
        publisher = await open_publisher(connection, names.inbound, tasks)
        sending = _Sending(request, publisher, screen, halt)
        following = tasks.create_task(sending.follow(events))
        await sending.send_all()
        end = await sending.wait_for_end(following)
    return SendResult(end, sending.tally.summary())


class _Sending:
    """One recording on its way: what was sent, what came back."""

    def __init__(
        self, request: SendRequest, publisher: Publisher, screen: Screen, halt: asyncio.Event
    ) -> None:
        cut = request.recording.cut(request.chunk_milliseconds)
        self._request = request
        self._chunks = cut.chunks
        self._chunk_seconds = cut.seconds
        self._publisher = publisher
        self._screen = screen
        self._halt = halt
        self._stage = "no worker has accepted the stream. Does one run?"
        self._over = False
        self._sent = SendTimes(self._chunk_seconds)
        self.tally = Tally(self._sent)

    async def send_all(self) -> None:
        """The start, the audio at its pace, the end."""
        stream_id = self._request.start.stream_id
        await self._publisher.publish(from_command(stream_id, self._request.start))
        async for chunk in self._paced():
            command = AudioChunk(seq=len(self._sent) + 1)
            self._sent.note(asyncio.get_running_loop().time())
            await self._publisher.post(from_command(stream_id, command, chunk))
            position = len(self._sent) * self._chunk_seconds
            self._screen.advance(min(position, self._request.recording.seconds))
        if not self._over:
            await self._publisher.post(from_command(stream_id, EndStream(seq=len(self._sent) + 1)))

    async def _paced(self) -> AsyncIterator[bytes]:
        """Each chunk when it is due; ends early when told to halt."""
        clock = asyncio.get_running_loop().time
        schedule = Schedule(clock(), self._chunk_seconds, self._request.speed)
        for n, chunk in enumerate(self._chunks):
            if await self._halted_before(schedule.due(n)):
                return
            yield chunk

    async def _halted_before(self, due: float) -> bool:
        try:
            async with asyncio.timeout_at(due):
                return await self._halt.wait()
        except TimeoutError:
            return False

    async def follow(self, events: Subscription) -> StreamEnded | StreamFailed:
        """Shows and counts what comes, until the stream is over; that ends the sending too."""
        async for received in events:
            self.tally.add(received)
            self._screen.hear(received)
            if isinstance(received.event, StreamEnded | StreamFailed):
                self._over = True
                self._halt.set()
                return received.event
            self._note_stage(received)
        raise AssertionError("a subscription ends only with an error")

    def _note_stage(self, received: Received) -> None:
        if isinstance(received.event, StreamAccepted):
            self._stage = "it was accepted, but no worker has taken it. Have they room?"
        elif isinstance(received.event, StreamStarted):
            self._stage = "it has started, but not ended. The worker's log may tell why"

    async def wait_for_end(
        self, following: asyncio.Task[StreamEnded | StreamFailed]
    ) -> StreamEnded | StreamFailed:
        """The stream's last event; raises ``NoAnswer`` when it does not come in time."""
        patience = self._request.answer_seconds
        if not following.done():
            self._screen.tell(f"end sent; waiting {patience:g} s at most for the last words")
        try:
            async with asyncio.timeout(patience):
                return await asyncio.shield(following)
        except TimeoutError as error:
            stream_id = self._request.start.stream_id
            raise NoAnswer(
                f"stream {stream_id!r} had no end within {patience:g} s: {self._stage}"
            ) from error
