"""Streams that are files: samples in place, and the place in the file where a successor goes on."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.streams import LIMITS, added, chunk, drive, end, final, published, wish
from tests.support.tones import RATE, example

from speechmq.core.states import State
from speechmq.core.stream import Stream
from speechmq.core.values import events
from speechmq.core.values.checkpoint import Checkpoint
from speechmq.core.values.commands import ChangeConfig, ForceUtterance
from speechmq.core.values.inputs import (
    ChunkDelivered,
    ConnectionLost,
    ConnectionOpened,
    DeadLettered,
    DeadlinePassed,
    EndDelivered,
    Input,
    Published,
)
from speechmq.core.values.memo import Memo
from speechmq.core.values.outputs import (
    Acknowledge,
    DeadLetter,
    EndAudio,
    Finish,
    Outcome,
    Output,
    Publish,
    SaveCheckpoint,
    SaveMemo,
    SendAudio,
    SendCommand,
)
from speechmq.core.values.spec import Limits, StreamSpec
from speechmq.media.decoder import FileDecoder
from speechmq.speechmatics.messages import RecognitionStarted, TranscriptEnded

SPEC = StreamSpec("s", "pcm_s16le", RATE, {"language": "en"}, is_encoded=True)


# Losses take their time, and nobody vanishes.
def changed(message: ChunkDelivered | EndDelivered, **fields: Any) -> ChunkDelivered | EndDelivered:
    if isinstance(message, ChunkDelivered):
        return msgspec.structs.replace(message, **fields)
    return replace(message, **fields)


NO_CONTEXT = replace(LIMITS, coalesce=0.0, idle_timeout=1e6)


@cache
def decoded(file: bytes) -> bytes:
    decoder = FileDecoder(RATE)
    pieces = [*decoder.feed(1, file), *decoder.finish()]
    return b"".join(one.audio for one in pieces)


class World:
    """A broker that holds a file's chunks, and an upstream that checks every sample it hears
    against the place at which it is said to be."""

    def __init__(self, file: bytes, size: int, limits: Limits = NO_CONTEXT) -> None:
        self.samples = decoded(file)
        self.limits = limits
        pieces = [file[at : at + size] for at in range(0, len(file), size)]
        self.queue: deque[ChunkDelivered | EndDelivered] = deque(
            ChunkDelivered(0, seq, piece) for seq, piece in enumerate(pieces, 1)
        )
        self.queue.append(EndDelivered(0, len(pieces) + 1))
        self.unacked: dict[int, ChunkDelivered | EndDelivered] = {}
        self.state: Publish | SaveCheckpoint | None = None
        self.memo: Memo | None = None
        self.now = 0.0
        self.heard_to = 0
        self.outcome: Outcome | None = None
        self.own()

    def own(self) -> None:
        checkpoint = None
        if self.state is not None and self.state.checkpoint is not None:
            checkpoint = Checkpoint.decode(self.state.checkpoint.encode())
        memo = None
        if checkpoint is not None and self.memo is not None:
            memo = Memo.decode(self.memo.encode())
        self.tag = 0
        self.stream = Stream(
            SPEC,
            self.limits,
            now=self.now,
            jitter=lambda: 0.0,
            checkpoint=checkpoint,
            memo=memo,
        )
        self.confirmed = checkpoint.next_seq if checkpoint else 1
        self.carry_out(self.stream.open(self.now))
        self.connect()

    def connect(self) -> None:
        self.give(ConnectionOpened())
        self.give(RecognitionStarted("u"))

    def take_over(self) -> None:
        """The owner is gone; the broker delivers again what was not acknowledged."""
        self.queue.extendleft(reversed(self.unacked.values()))
        self.unacked.clear()
        self.own()

    def lose(self) -> None:
        if self.stream.state in (State.STREAMING, State.ENDING):
            self.give(ConnectionLost(1006, "gone"))
            self.now += 100.0
            self.give(DeadlinePassed())
            self.connect()

    def give(self, received: Input) -> None:
        self.carry_out(self.stream.receive(received, self.now))
        while self.stream.deadline is not None and self.stream.deadline <= self.now + 1e-6:
            self.now = self.stream.deadline
            self.carry_out(self.stream.receive(DeadlinePassed(), self.now))

    def deliver(self) -> None:
        if self.queue:
            self.tag += 1
            message = changed(self.queue.popleft(), tag=self.tag)
            self.unacked[self.tag] = message
            self.give(message)

    def confirm_audio(self) -> None:
        self.give(added(self.chunks))

    def finalise(self, part: float) -> None:
        """A part of what the session has heard and not finalised becomes final."""
        if self.stream.state not in (State.STREAMING, State.ENDING):
            return
        self.finalised += (self.heard - self.finalised) * part
        self.give(final(self.finalised / RATE))
        self.give(Published(self.stream._coverage.seq))

    def carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Publish() | SaveCheckpoint():
                    self.note(output)
                case SaveMemo(memo):
                    self.memo = memo
                case SendAudio(audio):
                    self.hear(audio)
                case Acknowledge(tag):
                    self.settle(tag)
                case Finish(outcome):
                    self.outcome = outcome

    def note(self, output: Publish | SaveCheckpoint) -> None:
        if output.checkpoint is not None:
            self.state = output
            self.confirmed = output.checkpoint.next_seq
        event = output.event if isinstance(output, Publish) else None
        if isinstance(event, events.StreamStarted | events.StreamResumed):
            self.begin_session(event)

    def begin_session(self, event: events.StreamStarted | events.StreamResumed) -> None:
        origin = event.origin if isinstance(event, events.StreamResumed) else 0.0
        self.origin, self.heard, self.finalised, self.chunks = round(origin * RATE), 0, 0.0, 0

    def hear(self, audio: bytes) -> None:
        at = 2 * (self.origin + self.heard)
        assert audio == self.samples[at : at + len(audio)], f"at {at / 2 / RATE} s"
        self.heard += len(audio) // 2
        self.chunks += 1
        self.heard_to = max(self.heard_to, self.origin + self.heard)

    def settle(self, tag: int) -> None:
        for one in [one for one in self.unacked if one <= tag]:
            assert self.unacked.pop(one).seq < self.confirmed, "acknowledged uncovered"

    def run_to_the_end(self) -> None:
        while self.queue or self.stream.state is State.STREAMING:
            self.deliver()
            self.confirm_audio()
            self.finalise(0.9)
        self.finalise(1.0)
        self.give(TranscriptEnded())
        self.give(Published(self.stream._coverage.seq))
        assert self.outcome is Outcome.ENDED
        assert self.heard_to == len(self.samples) // 2


ACTIONS = st.sampled_from(["deliver"] * 5 + ["confirm", "confirm", "final", "lose", "take over"])


@pytest.mark.parametrize("kind", ["flac", "wav"])
@settings(max_examples=15, deadline=None)
@given(
    size=st.integers(700, 6000),
    context=st.sampled_from([0.0, 0.3]),
    suspend=st.sampled_from([None, 50.0]),
    actions=st.lists(st.tuples(ACTIONS, st.floats(0.05, 1.0)), max_size=40),
)
def test_every_sample_is_heard_at_its_place_whoever_decodes_it(
    kind: str,
    size: int,
    context: float,
    suspend: float | None,
    actions: list[tuple[str, float]],
) -> None:
    limits = replace(NO_CONTEXT, resume_context=context, suspend_after=suspend)
    world = World(example(kind, 3), size, limits)
    for action, part in actions:
        if world.outcome is not None:
            break
        match action:
            case "deliver":
                world.deliver()
            case "confirm" if world.stream.state is State.STREAMING:
                world.confirm_audio()
            case "final":
                world.finalise(part)
            case "lose":
                world.lose()
            case "take over":
                world.take_over()
    world.run_to_the_end()
    [ended] = [world.state.event] if isinstance(world.state, Publish) else []
    assert isinstance(ended, events.StreamEnded)
    assert ended.received_seconds == round(len(world.samples) / 2 / RATE, 6)
    assert ended.gap_seconds == 0


@pytest.mark.parametrize("kind", ["flac", "wav"])
def test_successor_is_given_the_chunk_in_which_its_first_frame_begins(kind: str) -> None:
    """The frame or sample that a final ends in came with the chunk behind the one it begins in."""
    world = World(example(kind, 6), 1777, replace(NO_CONTEXT, window=100.0))
    for _ in range(40):
        world.deliver()
    straddling = [
        one
        for one in world.stream._placement.timeline.pieces
        if one.entry and one.entry.unit.seq < one.seq and one.end > one.start
    ]
    middle = (straddling[5].start + straddling[5].end) / 2
    world.finalise((middle - 0.5) / world.heard)
    assert world.confirmed == straddling[5].seq - 1
    world.take_over()
    world.run_to_the_end()


# -- one thing at a time ---------------------------------------------------------------------------


def new_stream(**limits: Any) -> Stream:
    stream = Stream(
        SPEC,
        replace(NO_CONTEXT, **limits),
        now=0.0,
        jitter=lambda: 0.0,
    )
    stream.open(0.0)
    drive(stream, ConnectionOpened(), RecognitionStarted("u"))
    return stream


def run_dry(stream: Stream, outputs: list[Output], now: float = 0.0) -> list[Output]:
    """All outputs, also of what is left for later because it is much."""
    outputs = list(outputs)
    while stream.deadline is not None and stream.deadline <= now + 1e-6:
        outputs += stream.receive(DeadlinePassed(), stream.deadline)
    return outputs


def heard(outputs: list[Output]) -> bytes:
    return b"".join(one.audio for one in outputs if isinstance(one, SendAudio))


def cut(file: bytes, size: int) -> list[ChunkDelivered]:
    return [
        ChunkDelivered(seq, seq, file[at : at + size])
        for seq, at in enumerate(range(0, len(file), size), 1)
    ]


def test_head_of_the_file_is_in_the_memo_before_anything_is_sent() -> None:
    stream = new_stream()
    outputs = drive(stream, *cut(example("flac", 3), 2000))
    kinds = [type(one) for one in outputs]
    assert kinds.index(SaveMemo) < kinds.index(SendAudio)
    [memo] = [one.memo for one in outputs if isinstance(one, SaveMemo)]
    assert Memo.decode(memo.encode()) == memo
    [head] = memo.heads.values()
    assert (head.container, head.codec, head.sample_rate) == ("flac", "flac", RATE)


def test_much_sound_is_decoded_a_little_at_a_time_and_never_far_ahead() -> None:
    file = example("flac", 60)  # 24 s
    stream = new_stream(window=2.0)
    first = drive(stream, ChunkDelivered(1, 1, file))
    assert len(heard(first)) / 2 / RATE <= 0.6
    outputs = run_dry(stream, first)
    track = stream._placement.timeline.tracks[None]
    assert 1.5 <= len(heard(outputs)) / 2 / RATE <= 2.0
    assert 2.0 <= track.unsent / RATE <= 2.6
    assert stream._placement.is_decoding
    count = sum(isinstance(one, SendAudio) for one in outputs)
    more = run_dry(stream, drive(stream, added(count)))
    assert heard(more)


def test_command_takes_effect_behind_the_sound_of_the_chunk_before_it() -> None:
    stream = new_stream(window=1.0)
    outputs = run_dry(
        stream, drive(stream, ChunkDelivered(1, 1, example("wav", 6)), wish(2, ForceUtterance()))
    )
    count = 0
    while not any(isinstance(one, SendCommand) for one in outputs):
        count = sum(isinstance(one, SendAudio) for one in outputs)
        outputs += run_dry(stream, drive(stream, added(count)))
    before = outputs[: outputs.index(SendCommand(ForceUtterance()))]
    assert heard(before) == decoded(example("wav", 6))


def test_what_the_decoder_holds_back_comes_before_the_end() -> None:
    file = example("flac", 3)
    stream = new_stream(window=100.0)
    outputs = run_dry(stream, drive(stream, ChunkDelivered(1, 1, file), end(2)))
    assert heard(outputs) == decoded(file)
    assert isinstance(outputs[-1], EndAudio)


def test_vanished_publisher_s_last_sound_is_heard() -> None:
    file = example("flac", 3)
    stream = new_stream(window=100.0, idle_timeout=50.0, answer_timeout=1000.0)
    outputs = run_dry(stream, drive(stream, ChunkDelivered(1, 1, file)))
    outputs += run_dry(stream, drive(stream, DeadlinePassed(), now=60.0), now=60.0)
    assert heard(outputs) == decoded(file)
    assert stream.state is State.ENDING


def test_stream_whose_chunk_is_still_being_decoded_is_not_idle() -> None:
    stream = new_stream(window=1.0, idle_timeout=50.0, answer_timeout=1000.0)
    run_dry(stream, drive(stream, ChunkDelivered(1, 1, example("flac", 60))))
    assert published(drive(stream, DeadlinePassed(), now=60.0)) == []
    assert stream.deadline == 110.0


def test_what_cannot_be_decoded_fails_the_stream_with_the_reason() -> None:
    stream = new_stream()
    outputs = run_dry(stream, drive(stream, ChunkDelivered(1, 1, b"FORM....AIFF" + bytes(99))))
    [failed] = published(outputs)
    assert isinstance(failed, events.StreamFailed)
    assert (failed.code, failed.retryable) == ("undecodable_audio", False)
    assert failed.reason.startswith("the file cannot be decoded: it is AIFF; known are WAV, MP3")
    assert stream.state is State.CLOSING
    assert drive(stream, ChunkDelivered(2, 2, b"more")) == []


def test_damage_is_told_and_the_stream_goes_on() -> None:
    file = example("mp3", 6)
    half = len(file) // 2
    stream = new_stream(window=100.0)
    broken = file[:half] + b"\0" * 1000 + file[half:]
    outputs = run_dry(stream, drive(stream, ChunkDelivered(1, 1, broken), end(2)))
    warnings = [one for one in published(outputs) if isinstance(one, events.StreamWarning)]
    assert {one.code for one in warnings} == {"damaged_audio"}
    assert warnings[0].reason.endswith("s: 1 packets are damaged; silence takes their place")
    assert stream.state is State.ENDING


def test_lost_chunk_is_a_gap_as_long_as_chunks_are_on_average() -> None:
    messages = cut(example("wav", 6), 3200)
    stream = new_stream(window=100.0, gap_timeout=2.0)
    outputs = drive(stream, *messages[:10], *messages[11:20])
    outputs += run_dry(stream, drive(stream, DeadlinePassed(), now=2.0), now=2.0)
    [gap] = [one for one in published(outputs) if isinstance(one, events.AudioGap)]
    assert (gap.first_seq, gap.last_seq) == (11, 11)
    assert gap.end_time - gap.start_time == pytest.approx(0.1, abs=0.001)
    whole = decoded(example("wav", 6))
    assert heard(outputs)[-3200:] == whole[len(heard(outputs)) - 3200 : len(heard(outputs))][:3200]


def test_gap_waits_until_all_before_it_is_in_place() -> None:
    stream = new_stream(window=1.0, gap_timeout=2.0)
    file = example("flac", 60)
    drive(stream, ChunkDelivered(1, 1, file[:-2000]), ChunkDelivered(2, 3, file[-1000:]))
    run_dry(stream, [])
    assert stream._placement.is_decoding
    assert published(drive(stream, DeadlinePassed(), now=2.0)) == []


def test_chunk_before_the_first_is_missing() -> None:
    """Frames of MP3 can be found without the file's head."""
    messages = cut(example("mp3", 6), 1000)
    stream = new_stream(window=100.0, gap_timeout=2.0)
    outputs = drive(stream, *messages[1:])
    outputs += run_dry(stream, drive(stream, DeadlinePassed(), now=2.0), now=2.0)
    assert heard(outputs)


def test_chunk_that_is_too_large_is_refused_and_the_next_are_heard() -> None:
    messages = cut(example("mp3", 6), 1000)
    stream = new_stream(window=100.0, max_chunk_bytes=1500)
    outputs = drive(stream, *messages[:3], ChunkDelivered(4, 4, bytes(1501)), *messages[4:])
    assert [(one.tag, one.code) for one in outputs if isinstance(one, DeadLetter)] == [
        (4, "too_large")
    ]
    assert len(heard(run_dry(stream, outputs))) > 2 * RATE


def test_prefetch_full_of_what_waits_to_be_decoded_lets_nothing_go() -> None:
    stream = new_stream(window=0.5, prefetch=20)
    outputs = run_dry(stream, drive(stream, *cut(example("wav", 20), 6400)[:20]))
    assert not any(isinstance(one, events.StreamWarning) for one in published(outputs))


def test_audio_let_go_uncovered_is_not_asked_for_again() -> None:
    stream = new_stream(window=100.0, prefetch=20)
    outputs = run_dry(stream, drive(stream, *cut(example("mp3", 20), 500)[:19]))
    saved = [one for one in outputs if isinstance(one, SaveCheckpoint)]
    assert saved
    checkpoint = Checkpoint.decode(saved[-1].checkpoint.encode())
    assert checkpoint.next_seq > 1
    released = drive(stream, Published(saved[-1].seq))
    assert any(isinstance(one, Acknowledge) for one in released)


def test_checkpoint_of_raw_audio_says_nothing_of_files() -> None:
    assert msgspec.json.decode(Checkpoint().encode())["entry"] is None


def test_empty_chunk_is_counted_like_any() -> None:
    stream = new_stream()
    outputs = drive(stream, chunk(1, samples=0), end(2))
    assert not heard(outputs)
    assert stream._placement.timeline.chunks == 1


def test_refused_command_takes_nothing_from_the_file() -> None:
    """Neither here nor from a successor that goes on right behind it."""
    world = World(example("flac", 6), 1777, replace(NO_CONTEXT, window=100.0))
    for _ in range(5):
        world.deliver()
    renumbered = [changed(one, seq=one.seq + 1) for one in world.queue]
    at = world.queue[0].seq
    world.queue = deque(renumbered)
    refused = wish(at, ChangeConfig({"language": "de"}), tag=1000)
    world.give(refused)
    world.give(DeadLettered(1000))
    world.tag = 1000
    for _ in range(3):
        world.deliver()
    assert world.state is not None
    world.take_over()
    world.run_to_the_end()
    assert world.stream._placement.timeline.gap_samples == 0


def test_chunk_that_names_a_channel_is_refused_and_counts_as_lost() -> None:
    messages = cut(example("mp3", 6), 1000)
    stream = new_stream(window=100.0)
    odd = changed(messages[3], channel="left")
    outputs = drive(stream, *messages[:3], odd, *messages[4:])
    assert [(one.tag, one.code) for one in outputs if isinstance(one, DeadLetter)] == [
        (4, "unexpected_channel")
    ]
    assert len(heard(run_dry(stream, outputs))) > 2 * RATE
