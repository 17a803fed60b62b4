"""One stream, in its publisher's hands."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from speechmq_schemas import (
    AudioChunk,
    Command,
    EndChannel,
    EndStream,
    Event,
    ForceEndOfUtterance,
    GetSpeakers,
    MidSessionConfig,
    StartStream,
    StreamEnded,
    StreamFailed,
    StreamStatus,
    StreamWarning,
    UpdateConfig,
    from_command,
)

from .amqp.alarm import Alarm
from .errors import (
    BrokerUnavailable,
    NoAnswer,
    StartRefused,
    StreamError,
    StreamFailure,
    StreamOver,
)
from .frames import ChunkSize, FrameJoiner
from .sender import Pressure, Sender
from .states import IS_OVER, StreamInput, StreamState, input_of, next_state

log = logging.getLogger("speechmq_client")

AskStatus = Callable[[str, float], Awaitable[StreamStatus]]

ACCEPTABLE = frozenset({StreamState.STARTING, StreamState.OPEN})


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """``chunk_seconds`` of audio are put together; ``patience`` is how many seconds a call waits
    for RabbitMQ. ``headers`` go with the start, ``traceparent`` for one."""

    chunk_seconds: float = 0.1
    patience: float = 300.0
    headers: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None


class StreamHandle:
    """A stream that was started; made by ``Publisher.start``.

    Every call that sends takes its place in the audio: what it concerns is the audio that was
    handed over before. Calls of several tasks keep the order in which they got room.

    As an asynchronous context manager it ends the stream when its block is left, whatever ended
    the block.
    """

    def __init__(
        self, start: StartStream, sender: Sender, options: StreamOptions, ask: AskStatus
    ) -> None:
        self.stream_id = start.stream_id
        self._ask = ask
        self._sender = sender
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._size = ChunkSize.of(start, options.chunk_seconds)
        self._joiners: dict[str | None, FrameJoiner] = {}
        self._alarm = Alarm(self._flush_due)
        self._state = StreamState.STARTING
        self._error: StreamError | None = None
        self._ended: StreamEnded | None = None
        self._changed = asyncio.Event()
        message = from_command(self.stream_id, start, headers=options.headers)
        # Workers may count the streams of each user; RabbitMQ checks who it is.
        sender.post(replace(message, user_id=options.user))

    def __repr__(self) -> str:
        return f"<StreamHandle {self.stream_id} {self._state.name.lower()}>"

    @property
    def state(self) -> StreamState:
        return self._state

    @property
    def pressure(self) -> Pressure:
        """What keeps audio from going out now."""
        return self._sender.pressure

    @property
    def unconfirmed(self) -> int:
        """How many messages RabbitMQ has not confirmed."""
        return len(self._sender.outbox)

    @property
    def unconfirmed_seconds(self) -> float:
        """Seconds of audio that RabbitMQ has not confirmed; 0 for files, of unknown length."""
        return self._sender.outbox.kept_seconds

    # -- audio and commands -----------------------------------------------------------------------

    async def send(
        self, audio: bytes | bytearray | memoryview, *, channel: str | None = None
    ) -> None:
        """Hands audio over: raw samples, or the next bytes of a file, in pieces of any size.

        ``channel`` names the channel where the stream's channels are separate. Pieces are put
        together up to ``chunk_seconds``. Returns as soon as the audio is kept; while more than the
        publisher's bounds is kept unconfirmed, waits first. Raises ``StreamFailure`` or
        ``StartRefused`` if the stream has failed, ``StreamOver`` after its end, and
        ``BrokerUnavailable`` after ``patience`` seconds without room. Cancelled, or when it
        raises, it has taken nothing of ``audio``.
        """
        await self._wait_for_room()
        joiner = self._joiners.get(channel)
        if joiner is None:
            joiner = self._joiners[channel] = FrameJoiner(self._size)
        for chunk in joiner.add(audio, self._loop.time()):
            self._post_audio(chunk, channel)
        self._alarm.set(joiner.deadline)

    async def update_config(self, config: MidSessionConfig) -> None:
        """Changes the recognition from this place in the audio on. Raises as ``send`` does."""
        await self._command(lambda seq: UpdateConfig(seq=seq, transcription_config=config))

    async def force_end_of_utterance(
        self, *, timestamp: float | None = None, channel: str | None = None
    ) -> None:
        """Asks for the final of all audio so far, or up to ``timestamp`` in seconds of the stream;
        of one ``channel`` or of all. Raises as ``send`` does."""
        await self._command(
            lambda seq: ForceEndOfUtterance(seq=seq, **_given(timestamp=timestamp, channel=channel))
        )

    async def get_speakers(self, *, final: bool = False) -> None:
        """Asks for a ``SpeakersResult`` event: now, or at the end when ``final``. Raises as
        ``send`` does."""
        await self._command(lambda seq: GetSpeakers(seq=seq, final=final))

    async def end_channel(self, channel: str) -> None:
        """Says that no more audio of one separate channel comes. Raises as ``send`` does."""
        await self._command(lambda seq: EndChannel(seq=seq, channel=channel))

    async def end(self) -> None:
        """Ends the stream; returns when RabbitMQ has confirmed everything that was sent.

        The last finals follow; ``wait_ended`` waits for them. Ending twice is no error. Raises
        ``StartRefused`` or ``StreamFailure`` if the stream has failed, and ``BrokerUnavailable``
        when RabbitMQ has not confirmed all within ``patience`` seconds. Cancelled, the stream
        still ends, as long as the publisher is open.
        """
        self.ask_end()
        await self._wait_until(lambda: not self.unconfirmed, "confirm the end of the stream")
        self._raise_failure()

    def ask_end(self) -> None:
        """Puts the end behind what was sent, and waits for nothing."""
        if self._state not in ACCEPTABLE:
            return
        self._flush(*self._joiners)
        for channel, joiner in self._joiners.items():
            if joiner.held:
                of_channel = f" of channel {channel}" if channel else ""
                log.warning(
                    "stream %s: its audio%s ends with %d bytes that are no whole sample; they are "
                    "left out",
                    *(self.stream_id, of_channel, joiner.held),
                )
        self._post(EndStream(seq=self._next_seq))
        self._enter(StreamInput.END_ASKED)

    # -- what comes back --------------------------------------------------------------------------

    async def wait_accepted(self, within: float) -> None:
        """Returns when a worker has accepted the stream.

        Raises ``StartRefused``; ``NoAnswer`` after ``within`` seconds.
        """
        try:
            async with asyncio.timeout(within):
                while self._state is StreamState.STARTING:
                    await self._change()
        except TimeoutError as error:
            raise NoAnswer(
                f"no worker accepted stream {self.stream_id} within {within:g} s. Does one run, "
                "and has it the same vhost and namespace?"
            ) from error
        self._raise_failure()

    async def wait_ended(self, within: float = 60.0) -> StreamEnded:
        """The last event of the stream, with its totals, once it was heard.

        Needs a publisher that listens. Raises ``StreamFailure``, ``StartRefused``; ``NoAnswer``
        after ``within`` seconds. May be cancelled.
        """
        try:
            async with asyncio.timeout(within):
                while self._state not in IS_OVER:
                    await self._change()
        except TimeoutError as error:
            raise NoAnswer(
                f"stream {self.stream_id} has not ended within {within:g} s; ask for its status"
            ) from error
        self._raise_failure()
        if self._ended is None:
            raise StreamOver(f"stream {self.stream_id} is over", stream_id=self.stream_id)
        return self._ended

    async def status(self, within: float = 10.0) -> StreamStatus:
        """How the stream is doing now; see ``Publisher.status``."""
        return await self._ask(self.stream_id, within)

    def hear(self, event: Event, epoch: int) -> None:
        """Takes in an event of the stream: its publisher calls this."""
        is_accepted = self._state is not StreamState.STARTING
        heard = input_of(event, epoch, is_accepted=is_accepted)
        if heard is None or self._state in IS_OVER:
            return
        if heard is StreamInput.REFUSED and isinstance(event, StreamFailed | StreamWarning):
            self._error = StartRefused(
                stream_id=self.stream_id,
                code=event.code,
                reason=event.reason,
                retryable=isinstance(event, StreamFailed) and event.retryable,
                fields=event.fields,
            )
        elif isinstance(event, StreamFailed):
            self._error = StreamFailure(
                stream_id=self.stream_id,
                code=event.code,
                reason=event.reason,
                retryable=event.retryable,
            )
        elif isinstance(event, StreamEnded):
            self._ended = event
        self._enter(heard)

    def accept(self) -> None:
        """A worker knows the stream, whatever became of its ``StreamAccepted``."""
        self._enter(StreamInput.ACCEPTED)

    def notify(self) -> None:
        """Something changed that a call may wait for."""
        self._changed.set()

    async def wait_confirmed(self) -> None:
        """Returns when RabbitMQ has all that was sent, or the stream is over."""
        while self.unconfirmed and self._state not in IS_OVER:
            await self._change()

    async def wait_sent(self) -> None:
        """Returns when nothing more is to be sent: the end is confirmed, or the stream is over."""
        while self._state in ACCEPTABLE:
            await self._change()
        await self.wait_confirmed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.ask_end()
        if kind is None:
            await self.end()

    # -- inside -----------------------------------------------------------------------------------

    @property
    def _next_seq(self) -> int:
        return self._sender.outbox.next_number

    def _enter(self, heard: StreamInput) -> None:
        self._state = next_state(self._state, heard)
        if self._state in IS_OVER:
            self._alarm.cancel()
            self._sender.outbox.clear()
        self._changed.set()

    async def _command(self, make: Callable[[int], Command]) -> None:
        await self._wait_for_room()
        self._flush(*self._joiners)
        self._post(make(self._next_seq))

    def _post(self, command: Command) -> None:
        self._sender.post(from_command(self.stream_id, command))

    def _post_audio(self, chunk: bytes, channel: str | None) -> None:
        command = AudioChunk(seq=self._next_seq, channel=channel)
        self._sender.post(
            from_command(self.stream_id, command, chunk), self._size.seconds(len(chunk))
        )

    def _flush(self, *channels: str | None) -> None:
        for channel in channels:
            for chunk in self._joiners[channel].flush():
                self._post_audio(chunk, channel)

    def _flush_due(self) -> None:
        """Audio that waited for more has waited for long enough."""
        now = self._loop.time()
        due = [
            channel
            for channel, joiner in self._joiners.items()
            if joiner.deadline is not None and joiner.deadline <= now
        ]
        self._flush(*due)
        waiting = [one.deadline for one in self._joiners.values() if one.deadline is not None]
        self._alarm.set(min(waiting, default=None))

    async def _wait_for_room(self) -> None:
        self._raise_unless_open()
        outbox = self._sender.outbox
        if not outbox.has_room:
            await self._wait_until(lambda: outbox.has_room, "take more audio")
            self._raise_unless_open()

    async def _wait_until(self, wanted: Callable[[], bool], doing: str) -> None:
        """Waits until ``wanted``, or until the stream is over."""
        patience = self._options.patience
        try:
            async with asyncio.timeout(patience):
                while not wanted() and self._state not in IS_OVER:
                    await self._change()
        except TimeoutError as error:
            raise BrokerUnavailable(
                f"RabbitMQ did not {doing} {self.stream_id} within {patience:g} s "
                f"({self.pressure.value}); {self.unconfirmed} messages with "
                f"{self.unconfirmed_seconds:.1f} s of audio are not confirmed"
            ) from error

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _raise_unless_open(self) -> None:
        self._raise_failure()
        if self._state not in ACCEPTABLE:
            raise StreamOver(
                f"stream {self.stream_id} has ended: nothing can be sent to it",
                stream_id=self.stream_id,
            )

    def _raise_failure(self) -> None:
        if self._error is not None:
            raise self._error


def _given(**values: Any) -> dict[str, Any]:
    """Those that are not None: the body of a command leaves the others out."""
    return {name: value for name, value in values.items() if value is not None}
