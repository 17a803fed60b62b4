"""The shell of a stream, its core played by a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from speechmq.core.values.commands import ChangeConfig, ForceUtterance, TellSpeakers
from speechmq.core.values.events import PartialTranscript, StreamInfo
from speechmq.core.values.inputs import (
    BacklogExceeded,
    ChunkDelivered,
    ConnectionLost,
    ConnectionOpened,
    DeadlinePassed,
    DrainRequested,
    Input,
    StandbyLost,
    StandbyReady,
)
from speechmq.core.values.outputs import (
    Finish,
    OpenStandby,
    Outcome,
    Output,
    Publish,
    SendCommand,
    StartRecognition,
    SwitchToStandby,
)
from speechmq.core.values.spec import StreamSpec
from speechmq.speechmatics.messages import Metadata, RecognitionStarted, UtteranceEnded
from speechmq.telemetry.observer import StreamObserver
from speechmq.worker.outbox import MAX_UNCONFIRMED, Backlog
from speechmq.worker.runner import Runner
from speechmq.worker.upstream_link import UpstreamLink

STARTED = RecognitionStarted("u2")


class RecordingLink(UpstreamLink):
    """Does nothing, and tells what it was asked for."""

    def __init__(self) -> None:
        self.said: list[str | bytes] = []
        self.is_closed = False

    def send(self, message: str | bytes) -> None:
        self.said.append(message)

    def close(self) -> None:
        self.is_closed = True


class ScriptedStream:
    """Answers each type of input with the outputs of its script."""

    spec = StreamSpec("s", "pcm_s16le", 8000, {"language": "en"})

    def __init__(self, script: dict[type[Any], list[Output]]) -> None:
        self.received: list[Input] = []
        self._script = script

    def receive(self, received: Input, _now: float) -> list[Output]:
        self.received.append(received)
        return self._script.get(type(received), [])


def runner_of(stream: ScriptedStream) -> Runner:
    unused = cast("Any", None)
    return Runner(
        cast("Any", stream),
        queue=unused,
        publisher=unused,
        upstream=unused,
        clock=lambda: 0.0,
        broker_timeout=1.0,
        backlog=Backlog(1000, 1000, 1000),
    )


def with_links(stream: ScriptedStream) -> tuple[Runner, RecordingLink, RecordingLink]:
    """A runner with a live session and one that stands by."""
    runner, live, standby = runner_of(stream), RecordingLink(), RecordingLink()
    opened = iter((standby,))
    runner._link = live
    runner._open = lambda region: next(opened)  # type: ignore[method-assign]
    runner._perform([OpenStandby(0, {"language": "en"})])
    return runner, live, standby


def take_all(runner: Runner) -> None:
    while runner._inbox:
        runner._take(*runner._inbox.popleft())


def test_standby_introduces_itself_and_is_told_of_when_it_is_ready() -> None:
    stream = ScriptedStream({})
    runner, _live, standby = with_links(stream)
    runner._deliver_from(standby, ConnectionOpened())
    runner._deliver_from(standby, STARTED)
    take_all(runner)
    assert len(standby.said) == 1
    assert stream.received == [StandbyReady(STARTED)]


def test_standby_that_is_lost_is_told_of_before_anything_can_switch_to_it() -> None:
    """Its loss and the pause that would be used for the switch come in one go."""
    stream = ScriptedStream({})
    runner, live, standby = with_links(stream)
    pause = UtteranceEnded(Metadata(1.0, 1.0))
    runner._deliver_from(standby, STARTED)
    take_all(runner)
    runner._deliver_from(standby, ConnectionLost(1006, "gone"))
    runner._deliver_from(live, pause)
    take_all(runner)
    assert stream.received == [StandbyReady(STARTED), StandbyLost("gone"), pause]
    assert standby.is_closed


def test_standby_that_takes_over_is_heard_and_its_predecessor_no_more() -> None:
    stream = ScriptedStream({StandbyReady: [SwitchToStandby()]})
    runner, live, standby = with_links(stream)
    before, after = UtteranceEnded(Metadata(1.0, 1.0)), UtteranceEnded(Metadata(2.0, 2.0))
    runner._deliver_from(live, before)
    runner._deliver_from(standby, STARTED)
    runner._deliver_from(live, ConnectionLost(1006, "closed by us"))
    runner._deliver_from(standby, after)
    take_all(runner)
    assert stream.received == [before, StandbyReady(STARTED), after]
    assert (live.is_closed, standby.is_closed) == (True, False)


def test_sessions_are_told_of_commands_in_the_words_of_the_api() -> None:
    runner, live, _standby = with_links(ScriptedStream({}))
    commands: list[Any] = [
        ChangeConfig({"max_delay": 2.0}),
        ForceUtterance(1.5),
        ForceUtterance(),
        TellSpeakers(final=True),
    ]
    runner._perform([SendCommand(command) for command in commands])
    assert [json.loads(one) for one in live.said] == [
        {"message": "SetRecognitionConfig", "transcription_config": {"max_delay": 2.0}},
        {"message": "ForceEndOfUtterance", "timestamp": 1.5},
        {"message": "ForceEndOfUtterance"},
        {"message": "GetSpeakers", "final": True},
    ]


def test_first_message_has_every_part_of_the_start_that_was_given() -> None:
    stream = ScriptedStream({})
    stream.spec = replace(
        stream.spec,
        translation_config={"target_languages": ["de"]},
        audio_events_config={"types": ["music"]},
    )
    runner, live, _standby = with_links(stream)
    runner._perform([StartRecognition({"language": "en", "max_delay": 2.0})])
    assert [json.loads(one) for one in live.said] == [
        {
            "message": "StartRecognition",
            "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000},
            "transcription_config": {"language": "en", "max_delay": 2.0},
            "translation_config": {"target_languages": ["de"]},
            "audio_events_config": {"types": ["music"]},
        }
    ]


def test_link_that_was_closed_is_not_heard() -> None:
    stream = ScriptedStream({})
    runner, live, _standby = with_links(stream)
    runner._close_link()
    runner._close_standby()
    runner._deliver_from(live, STARTED)
    runner._deliver_from(_standby, ConnectionLost(1006, "late"))
    take_all(runner)
    assert stream.received == []


# -- one chunk in many is timed --------------------------------------------------------------------


class Sampling(StreamObserver):
    """Wants the next chunk, and notes what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.is_sampling = True
        self.shown: list[tuple[Input, float]] = []

    def sample(self, received: Input, since: float) -> None:
        self.shown.append((received, since))
        self.is_sampling = not isinstance(received, ChunkDelivered)


def test_inputs_are_shown_to_the_observer_until_it_has_its_sample() -> None:
    pause: Input = UtteranceEnded(Metadata(1.0, 1.0))
    chunks: list[Input] = [ChunkDelivered(tag, tag, bytes([tag])) for tag in (1, 2)]
    runner, _, _ = with_links(ScriptedStream({}))
    observer = runner._observer = Sampling()
    times = iter((1.0, 2.0, 3.0))
    runner._clock = lambda: next(times)
    for received in (pause, *chunks):
        runner._receive(received)
    assert observer.shown == [(pause, 1.0), (chunks[0], 2.0)]


# -- events wait for the broker in bounds ----------------------------------------------------------


class SlowPublisher:
    """Notes what is published, with and without a confirm, and confirms when the test says so."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.published: list[int] = []
        self.confirm = asyncio.Event()

    def publish_unconfirmed(self, publish: Publish, _body: bytes, _headers: object) -> None:
        self.told.append(publish.seq)

    async def publish(self, publish: Publish, _body: bytes, _headers: object) -> None:
        self.published.append(publish.seq)
        await self.confirm.wait()


def partial(seq: int, size: int) -> Publish:
    said = PartialTranscript("s", 0, 0.0, 1.0, "x" * size, [])
    return Publish(said, seq, confirm=False)


async def test_partials_wait_for_a_confirm_once_enough_are_on_their_way() -> None:
    """Of those for which there is no room the newest is kept."""
    stream = TimedStream({DrainRequested: [Finish(Outcome.ENDED)]}, lambda: 0.0)
    runner, _, running = await started(stream)
    publisher = SlowPublisher()
    runner._publisher = cast("Any", publisher)
    third = MAX_UNCONFIRMED // 3
    runner._perform([partial(seq, third) for seq in range(1, 7)])
    async with asyncio.timeout(5):
        while not publisher.published:  # noqa: ASYNC110
            await asyncio.sleep(0)
    runner._perform([partial(seq, third) for seq in range(7, 10)])
    before = (publisher.told.copy(), publisher.published.copy())
    publisher.confirm.set()
    async with asyncio.timeout(5):
        while not runner._outbox.is_empty:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert before == ([1, 2], [5])
    assert (publisher.told, publisher.published) == ([1, 2, 9], [5])
    runner.drain("enough")
    await running


async def test_core_is_told_when_more_bytes_wait_than_the_stream_may_have() -> None:
    stream = TimedStream({DrainRequested: [Finish(Outcome.ENDED)]}, lambda: 0.0)
    runner, _, running = await started(stream)
    runner._publisher = cast("Any", SlowPublisher())
    runner._perform([Publish(StreamInfo("s", "x", "y" * 2000), 1)])
    assert stream.received == [BacklogExceeded(runner._outbox.held)]
    runner.drain("enough")
    await running
    assert runner._outbox.held == 0


# -- inputs are taken at once ----------------------------------------------------------------------


class OpenQueue:
    """A stream's queue whose messages the test delivers."""

    deliver: Callable[[Input], None]

    def deliver_to(self, deliver: Callable[[Input], None]) -> None:
        self.deliver = deliver

    async def fail_when_closed(self) -> None:
        await asyncio.get_running_loop().create_future()


class TimedStream(ScriptedStream):
    """``deadline`` is the test's to set."""

    def __init__(self, script: dict[type[Any], list[Output]], clock: Callable[[], float]) -> None:
        super().__init__(script)
        self.deadline: float | None = None
        self.came_at: list[float] = []
        self._clock = clock

    def open(self, _now: float) -> list[Output]:
        return []

    def receive(self, received: Input, now: float) -> list[Output]:
        if isinstance(received, DeadlinePassed):
            self.came_at.append(self._clock())
            self.deadline = None
        return super().receive(received, now)


async def started(stream: TimedStream) -> tuple[Runner, OpenQueue, asyncio.Task[Outcome]]:
    runner, queue = runner_of(stream), OpenQueue()
    runner._clock, runner._queue = asyncio.get_running_loop().time, cast("Any", queue)
    running = asyncio.create_task(runner.run())
    while not hasattr(queue, "deliver"):  # noqa: ASYNC110
        await asyncio.sleep(0)
    return runner, queue, running


async def test_input_is_dealt_with_before_its_callback_returns() -> None:
    stream = TimedStream({DrainRequested: [Finish(Outcome.DETACHED)]}, lambda: 0.0)
    runner, queue, running = await started(stream)
    queue.deliver(ChunkDelivered(1, 1, b"audio"))
    runner.drain("leaving")
    queue.deliver(ChunkDelivered(2, 2, b"late"))
    assert stream.received == [ChunkDelivered(1, 1, b"audio"), DrainRequested("leaving")]
    assert await running is Outcome.DETACHED


async def test_fault_of_the_core_is_the_streams_own_and_not_of_who_brought_the_input() -> None:
    stream = TimedStream({}, lambda: 0.0)
    _, queue, running = await started(stream)

    def fail(_received: Input, _now: float) -> list[Output]:
        raise KeyError

    stream.receive = fail  # type: ignore[assignment,method-assign]
    queue.deliver(ChunkDelivered(1, 1, b"audio"))
    with pytest.raises(KeyError):
        await running


async def test_deadline_that_moves_is_kept_wherever_it_moves() -> None:
    """The alarm is set again only when it has come too early, or would come too late."""
    clock = asyncio.get_running_loop().time
    stream = TimedStream({DrainRequested: [Finish(Outcome.ENDED)]}, clock)
    runner, queue, running = await started(stream)
    now = clock()
    dues = [now + 60.0, now + 0.02, now + 0.04]
    for number, due in enumerate(dues, start=1):
        stream.deadline = due
        queue.deliver(ChunkDelivered(number, number, b""))
    async with asyncio.timeout(5):
        while not stream.came_at:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    runner.drain("enough")
    await running
    assert len(stream.came_at) == 1
    assert stream.came_at[0] >= dues[-1]
