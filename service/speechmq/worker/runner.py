"""One stream's shell: moves bytes between the core, the upstream and the broker.

Decides nothing. Every output of the core is carried out in order; whatever happens meanwhile goes
into one inbox and comes back to the core as an input.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from ..broker.amqp.error_map import answered
from ..broker.stream.event_publisher import EventPublisher
from ..broker.stream.stream_queue import StreamQueue
from ..core.stream import Stream
from ..core.values.events import encode
from ..core.values.inputs import (
    BacklogExceeded,
    ConnectionFailed,
    ConnectionLost,
    ConnectionOpened,
    DeadLettered,
    DeadlinePassed,
    DrainRequested,
    Input,
    Published,
    StandbyLost,
    StandbyReady,
)
from ..core.values.outputs import (
    Acknowledge,
    CloseConnection,
    CloseStandby,
    DeadLetter,
    EndAudio,
    EndChannelAudio,
    Finish,
    OpenConnection,
    OpenStandby,
    Outcome,
    Output,
    Publish,
    SaveCheckpoint,
    SaveMemo,
    SendAudio,
    SendCommand,
    StartRecognition,
    SwitchToStandby,
)
from ..speechmatics.messages import (
    RecognitionStarted,
    add_channel_audio,
    end_of_channel,
    end_of_stream,
)
from ..tasks import task_group
from ..telemetry.observer import StreamObserver
from ..upstream.service import Access
from .outbox import MAX_UNCONFIRMED, Backlog, Entry, Outbox
from .upstream_link import UpstreamLink


class Runner:
    """Runs a stream to its outcome. Cancelling it closes the upstream sockets and nothing else.

    ``broker_timeout`` bounds each thing that is asked of the broker, in seconds; ``backlog`` the
    bytes that wait for it, of all streams of the worker.
    """

    def __init__(  # noqa: PLR0913  # by name
        self,
        stream: Stream,
        *,
        queue: StreamQueue,
        publisher: EventPublisher,
        upstream: Access,
        clock: Callable[[], float],
        broker_timeout: float,
        backlog: Backlog,
        observer: StreamObserver | None = None,
    ) -> None:
        self.stream = stream
        self._queue = queue
        self._publisher = publisher
        self._upstream = upstream
        self._clock = clock
        self._broker_timeout = broker_timeout
        self._observer = observer or StreamObserver()
        # With the link that an input comes from, or nothing for the broker and the clock.
        self._inbox: deque[tuple[UpstreamLink | None, Input]] = deque()
        self._is_busy = True  # until the stream is open
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0
        self._outbox = Outbox(backlog)
        self._has_work = asyncio.Event()
        self._broker_has_room = asyncio.Event()
        self._broker_has_room.set()
        self._link: UpstreamLink | None = None
        self._standby: UpstreamLink | None = None
        self._standby_config: Mapping[str, Any] = {}
        self._over: asyncio.Future[Outcome]

    async def run(self) -> Outcome:
        """Raises ``BrokerLost`` as soon as the broker is gone; then nothing more is published."""
        self._over = asyncio.get_running_loop().create_future()
        async with task_group() as tasks:
            self._tasks = tasks
            writer = tasks.create_task(self._work_for_broker())
            watcher = tasks.create_task(self._queue.fail_when_closed())
            self._perform(self.stream.open(self._clock()))
            self._queue.deliver_to(self._deliver)
            self._drive()
            try:
                outcome = await self._over
            finally:
                self._hear_no_more()
                self._outbox.clear()
            for task in (writer, watcher):
                task.cancel()
            self._close_standby()
            self._close_link()
        return outcome

    def _hear_no_more(self) -> None:
        """What comes now is for the next owner."""
        self._is_busy = True
        if self._alarm is not None:
            self._alarm.cancel()

    def drain(self, reason: str) -> None:
        """Asks the stream to leave itself to another worker."""
        self._deliver(DrainRequested(reason))

    # -- inputs ----------------------------------------------------------------------------------

    def _deliver(self, received: Input) -> None:
        self._deliver_from(None, received)

    def _deliver_from(self, source: UpstreamLink | None, received: Input) -> None:
        """Takes it at once, in the callback that brings it: a task to wake would cost as much as
        the core does. What an output brings about comes behind the outputs beside it."""
        self._inbox.append((source, received))
        if not self._is_busy:
            self._drive()

    def _drive(self) -> None:
        """Whoever brought the input is not to suffer for what comes of it."""
        self._is_busy = True
        try:
            while self._inbox and not self._over.done():
                self._take(*self._inbox.popleft())
            self._set_alarm()
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this stream's end
            if not self._over.done():
                self._over.set_exception(error)
        finally:
            self._is_busy = False

    def _take(self, source: UpstreamLink | None, received: Input) -> None:
        """What comes from a link that has been closed is passed over."""
        if source is not None and source is self._standby:
            self._take_from_standby(source, received)
        elif source is None or source is self._link:
            self._receive(received)

    def _receive(self, received: Input) -> None:
        now = self._clock()
        self._perform(self.stream.receive(received, now))
        if self._observer.is_sampling:
            self._observer.sample(received, now)

    def _set_alarm(self) -> None:
        """One that would come too early is left, and set again when it comes."""
        deadline = self.stream.deadline
        if deadline is None or self._over.done():
            return
        if self._alarm is not None:
            if self._alarm_at <= deadline:
                return
            self._alarm.cancel()
        self._alarm_at = deadline
        delay = max(0.0, deadline - self._clock())
        self._alarm = asyncio.get_running_loop().call_later(delay, self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        deadline = self.stream.deadline
        if deadline is not None and deadline <= self._clock():
            self._deliver(DeadlinePassed())
        else:
            self._set_alarm()

    # -- outputs ---------------------------------------------------------------------------------

    def _perform(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case SendAudio(audio, None):
                    self._say(audio)
                case SendAudio(audio, str(channel)):
                    self._say(add_channel_audio(channel, audio))
                case Acknowledge(tag):
                    self._queue.acknowledge(tag)
                case _:
                    self._observer.on_output(output)
                    self._perform_rarely(output)

    def _perform_rarely(self, output: Output) -> None:
        match output:
            case Publish(confirm=False) if self._outbox.is_empty:
                entry = Entry(output, encode(output.event))
                if self._outbox.unconfirmed + len(entry.body) > MAX_UNCONFIRMED:
                    self._give_broker(entry)
                else:
                    self._tell(output, entry.body)
            case Publish(event=event):
                self._give_broker(Entry(output, encode(event)))
            case SaveCheckpoint() | SaveMemo() | DeadLetter():
                self._give_broker(Entry(output))
            case Finish(outcome):
                self._over.set_result(outcome)
            case _:
                self._perform_upstream(output)

    def _perform_upstream(self, output: Output) -> None:
        match output:
            case EndAudio(chunks):
                self._say(end_of_stream(chunks))
            case EndChannelAudio(channel, chunks):
                self._say(end_of_channel(channel, chunks))
            case StartRecognition(config):
                self._say(self.stream.spec.to_wire(config))
            case SendCommand(command):
                self._say(command.to_wire())
            case OpenConnection(region):
                self._link = self._open(region)
            case CloseConnection():
                self._close_link()
            case OpenStandby(region, config):
                self._standby, self._standby_config = self._open(region), config
            case SwitchToStandby():
                self._close_link()
                self._link, self._standby = self._standby, None
            case CloseStandby():
                self._close_standby()

    # -- the broker ------------------------------------------------------------------------------

    def _give_broker(self, entry: Entry) -> None:
        self._outbox.put(entry)
        self._has_work.set()
        if self._outbox.is_full:
            self._broker_has_room.clear()
        if self._outbox.is_over_bound:
            self._deliver(BacklogExceeded(self._outbox.held))

    async def _work_for_broker(self) -> None:
        while True:
            await self._has_work.wait()
            entry = self._outbox.take()
            async with answered(self._broker_timeout):
                await self._do(entry)
            self._outbox.done()
            if self._outbox.is_empty:
                self._has_work.clear()
            if not self._outbox.is_full:
                self._broker_has_room.set()

    async def _do(self, entry: Entry) -> None:
        match entry.work:
            case Publish() as publish:
                await self._publish(publish, entry.body)
            case SaveCheckpoint(seq, checkpoint):
                await self._publisher.save(checkpoint)
                self._deliver(Published(seq))
            case SaveMemo(memo):
                await self._queue.keep_memo(memo)
            case DeadLetter(tag, code, reason):
                await self._queue.dead_letter(tag, code, reason)
                self._deliver(DeadLettered(tag))

    async def _publish(self, publish: Publish, body: bytes) -> None:
        """Once a confirm has come, all that went before has left this process."""
        if not publish.confirm and self._outbox.unconfirmed + len(body) <= MAX_UNCONFIRMED:
            self._tell(publish, body)
            return
        await self._publisher.publish(publish, body, self._observer.sending(publish))
        self._outbox.unconfirmed = 0
        self._observer.published(publish)
        if publish.confirm:
            self._deliver(Published(publish.seq))

    def _tell(self, publish: Publish, body: bytes) -> None:
        self._publisher.publish_unconfirmed(publish, body, self._observer.sending(publish))
        self._outbox.unconfirmed += len(body)
        self._observer.published(publish)

    # -- the upstream ----------------------------------------------------------------------------

    def _open(self, region: int) -> UpstreamLink:
        link = UpstreamLink(self._deliver_from, self._broker_has_room)
        link.open(self._upstream.connect(region), self._tasks)
        return link

    def _say(self, message: str | bytes) -> None:
        if self._link is not None:
            self._link.send(message)

    def _close_link(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _close_standby(self) -> None:
        if self._standby is not None:
            self._standby.close()
            self._standby = None

    def _take_from_standby(self, link: UpstreamLink, received: Input) -> None:
        """It introduces itself by itself, and is of interest when it is ready, or gone."""
        match received:
            case ConnectionOpened():
                link.send(self.stream.spec.to_wire(self._standby_config))
            case RecognitionStarted():
                self._receive(StandbyReady(received))
            case ConnectionFailed(reason) | ConnectionLost(_, reason):
                self._close_standby()
                self._receive(StandbyLost(reason))
