"""Any interleaving of what may happen to a stream, against what must hold for all of them.

The model is the world around the core: a publisher that loses, repeats and delays, a broker that
redelivers, an upstream whose recogniser hears one word in each chunk, and consumers that drop
repeated message ids. Whoever dies leaves only the last state-bearing event that was published.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from itertools import pairwise

import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.support.streams import RATE, SPEC, words

from speechmq.session import events
from speechmq.session.checkpoint import Checkpoint
from speechmq.session.inputs import (
    ChunkDelivered,
    ConnectionFailed,
    ConnectionLost,
    ConnectionOpened,
    DeadLettered,
    DeadlinePassed,
    DrainRequested,
    EndDelivered,
    GarbageDelivered,
    Input,
    Published,
)
from speechmq.session.outputs import (
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
from speechmq.session.spec import Limits
from speechmq.session.stream import Stream
from speechmq.upstream.messages import (
    AudioAdded,
    FinalReceived,
    Metadata,
    PartialReceived,
    RecognitionStarted,
    TranscriptEnded,
)

StateBearing = Publish | SaveCheckpoint

NEVER = 1e6
SMALL = 20
LIMITS = Limits(
    window=0.4,
    window_chunks=4,
    early_wait=0.5,
    max_chunk=0.1,
    idle_timeout=NEVER,
    retry_attempts=1000,
)
SIZES = st.sampled_from([0, 80, 400, 800, 1200])  # the last is longer than max_chunk


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the stream's queue; ``seq`` 0 is garbage, and no samples an end."""

    seq: int
    samples: int | None = None

    def delivered(self, tag: int) -> ChunkDelivered | EndDelivered | GarbageDelivered:
        if not self.seq:
            return GarbageDelivered(tag, "bad_json", "no JSON")
        if self.samples is None:
            return EndDelivered(tag, self.seq)
        return ChunkDelivered(tag, self.seq, audio_of(self.seq, self.samples))


def audio_of(seq: int, samples: int) -> bytes:
    """Four samples spell the seq; silence is 0xFF."""
    return seq.to_bytes(4, "big") * (samples // 4)


def is_silence(audio: bytes) -> bool:
    return audio == b"\xff" * len(audio)


@dataclass
class Hearing:
    """One upstream session, on its own clock in samples."""

    heard: int = 0
    finalised: int = 0
    chunks: list[int] = field(default_factory=list)
    confirmed: int = 0
    started: bool = False
    opened: bool = False
    ended: bool = False
    spoken: list[tuple[int, int, int]] = field(default_factory=list)  # seq, start, end
    ends: list[int] = field(default_factory=list)  # where a final may end

    def hear(self, audio: bytes) -> None:
        assert self.started, "audio before recognition started"
        assert not self.ended, "audio behind the end"
        start, self.heard = self.heard, self.heard + len(audio)
        self.chunks.append(len(audio))
        if is_silence(audio):
            self.ends.append(start + len(audio) // 2)
        else:
            seq = int.from_bytes(audio[:4], "big")
            assert audio == audio_of(seq, len(audio))
            assert not self.spoken or self.spoken[-1][0] < seq, "heard twice, or out of order"
            self.spoken.append((seq, start, self.heard))
        self.ends.append(self.heard)
        self.check_window()

    def check_window(self) -> None:
        under_way = self.chunks[self.confirmed :]
        assert len(under_way) <= LIMITS.window_chunks
        assert sum(under_way) <= LIMITS.window * RATE or len(under_way) == 1

    def segment(self, end: int) -> tuple[Metadata, msgspec.Raw]:
        said = [
            (f"w{seq}", start / RATE, stop / RATE)
            for seq, start, stop in self.spoken
            if self.finalised < stop <= end
        ]
        text = "".join(f"{word} " for word, _, _ in said)
        return Metadata(self.finalised / RATE, end / RATE, text), words(*said)


class StreamModel(RuleBasedStateMachine):
    """Everything outside the core that outlives one owner of the stream."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.epoch = 0
        self.queue: deque[Message] = deque()
        self.next_seq = 1
        self.sizes: dict[int, int] = {}
        self.missing: list[int] = []
        self.end_seq: int | None = None
        self.state: StateBearing | None = None
        self.log: dict[tuple[int, int], events.Event] = {}
        self.outcome: Outcome | None = None

    @initialize(
        context=st.sampled_from([0.0, 0.05, 0.15]), prefetch=st.sampled_from([SMALL, 1000, 1000])
    )
    def begin(self, context: float, prefetch: int) -> None:
        self.limits = replace(LIMITS, resume_context=context, prefetch=prefetch)
        self.own()

    # -- owners ----------------------------------------------------------------------------------

    def own(self) -> None:
        """A new owner begins with what the broker has."""
        self.epoch += 1
        self.unacked: dict[int, Message] = {}
        self.delivered: dict[int, Message] = {}
        self.tag = 0
        self.dead: set[int] = set()
        self.dead_letters: set[int] = set()
        self.confirmed = Checkpoint() if self.state is None else self.checkpoint_of(self.state)
        self.told_gaps = [(gap.first_seq, gap.last_seq) for gap in self.confirmed.gaps]
        self.seq = 0
        self.work: deque[StateBearing | Acknowledge | DeadLetter] = deque()
        self.inbox: deque[Input] = deque()
        self.sent: dict[int, StateBearing] = {}
        self.hearing: Hearing | None = None
        self.finished = False
        checkpoint = None if self.epoch == 1 else self.confirmed
        self.stream = Stream(
            SPEC, self.limits, now=self.now, jitter=lambda: 0.5, checkpoint=checkpoint
        )
        self.perform(self.stream.open(self.now))

    @staticmethod
    def checkpoint_of(state: StateBearing) -> Checkpoint:
        assert state.checkpoint is not None
        return Checkpoint.decode(state.checkpoint.encode())

    @property
    def last_word(self) -> events.Event | None:
        return self.state.event if isinstance(self.state, Publish) else None

    def let_go(self) -> None:
        """The broker delivers again at once, in order, before any hole's time is up."""
        again = len(self.unacked)
        self.queue.extendleft(reversed(self.unacked.values()))
        if isinstance(self.last_word, events.StreamEnded | events.StreamFailed):
            self.close()
        else:
            self.own()
            self.deliver(again)

    def close(self) -> None:
        """The queues are deleted, which settles the rest."""
        ended = isinstance(self.last_word, events.StreamEnded)
        self.outcome = Outcome.ENDED if ended else Outcome.FAILED
        self.unacked.clear()

    # -- outputs ---------------------------------------------------------------------------------

    def give(self, received: Input) -> None:
        self.perform(self.stream.receive(received, self.now))

    def perform(self, outputs: list[Output]) -> None:
        for output in outputs:
            assert not self.finished, "something behind Finish"
            match output:
                case Publish() | SaveCheckpoint():
                    self.seq += 1
                    assert output.seq == self.seq, "a hole in the events"
                    self.note_gap(output)
                    self.work.append(output)
                case Acknowledge() | DeadLetter():
                    self.note_settled(output)
                    self.work.append(output)
                case OpenConnection():
                    assert self.hearing is None, "two connections at once"
                    self.hearing = Hearing()
                case StartRecognition():
                    assert self.hearing is not None
                    assert self.hearing.opened
                case SendAudio(audio):
                    assert self.hearing is not None
                    self.hearing.hear(audio)
                case EndAudio(chunks):
                    assert self.hearing is not None
                    assert not self.hearing.ended, "ended twice"
                    assert chunks == len(self.hearing.chunks)
                    self.hearing.ended = True
                case CloseConnection():
                    self.hearing = None
                case Finish(outcome):
                    self.finished = True
                    self.finish(outcome)

    def note_gap(self, output: StateBearing) -> None:
        if isinstance(output, Publish) and isinstance(output.event, events.AudioGap):
            self.told_gaps.append((output.event.first_seq, output.event.last_seq))

    def note_settled(self, output: Acknowledge | DeadLetter) -> None:
        if isinstance(output, DeadLetter):
            assert output.tag in self.unacked
            assert output.tag not in self.dead_letters, "dead-lettered twice"
            self.dead_letters.add(output.tag)
            return
        settled = [tag for tag in self.unacked if tag <= output.tag]
        assert settled, "acknowledged twice"
        for tag in settled:
            assert self.is_accounted_for(tag), f"acknowledged uncovered: {self.unacked[tag]}"

    def is_accounted_for(self, tag: int) -> bool:
        """Dead-lettered, covered by a confirmed event, too late, or a repeat of another."""
        message = self.unacked[tag]
        if tag in self.dead_letters:
            return tag in self.dead
        return (
            0 < message.seq < self.confirmed.next_seq
            or any(first <= message.seq <= last for first, last in self.told_gaps)
            or any(
                earlier < tag and other.seq == message.seq
                for earlier, other in self.delivered.items()
            )
        )

    def finish(self, outcome: Outcome) -> None:
        if outcome is Outcome.DETACHED:
            assert isinstance(self.last_word, events.StreamDetached)
            self.let_go()
        else:
            self.close()
            assert self.outcome is outcome

    # -- the publisher ---------------------------------------------------------------------------

    @property
    def is_live(self) -> bool:
        return self.outcome is None

    @property
    def may_speak(self) -> bool:
        return self.is_live and self.end_seq is None

    @precondition(lambda self: self.may_speak)
    @rule(chunks=st.lists(st.tuples(SIZES, st.sampled_from("....-=!")), min_size=1, max_size=12))
    def publisher_speaks(self, chunks: list[tuple[int, str]]) -> None:
        """``-`` loses the chunk for now, ``=`` sends it twice, ``!`` sends garbage behind it."""
        for samples, how in chunks:
            message = Message(self.next_seq, samples)
            self.sizes[self.next_seq] = samples
            self.next_seq += 1
            if how == "-":
                self.missing.append(message.seq)
                continue
            self.queue.extend(
                {"=": [message, message], "!": [message, Message(0)]}.get(how, [message])
            )

    @precondition(lambda self: self.is_live and self.sizes)
    @rule(data=st.data())
    def chunk_comes_late(self, data: st.DataObject) -> None:
        """A lost one for the first time, another once more."""
        seq = data.draw(st.sampled_from(self.missing or list(self.sizes)))
        if seq in self.missing:
            self.missing.remove(seq)
        self.queue.append(Message(seq, self.sizes[seq]))

    @precondition(lambda self: self.may_speak and self.next_seq > 8)
    @rule()
    def end_is_published(self) -> None:
        self.end_seq = self.next_seq
        self.queue.append(Message(self.end_seq))

    # -- the broker ------------------------------------------------------------------------------

    @property
    def may_deliver(self) -> bool:
        return self.is_live and bool(self.queue) and len(self.unacked) < self.limits.prefetch

    @precondition(lambda self: self.may_deliver)
    @rule(count=st.integers(1, 15))
    def messages_are_delivered(self, count: int) -> None:
        self.deliver(count)

    def deliver(self, count: int) -> None:
        for _ in range(count):
            if not self.may_deliver:
                return
            self.tag += 1
            message = self.queue.popleft()
            self.unacked[self.tag] = self.delivered[self.tag] = message
            self.give(message.delivered(self.tag))

    @precondition(lambda self: self.is_live and self.work)
    @rule(count=st.integers(1, 20))
    def broker_works(self, count: int) -> None:
        for _ in range(min(count, len(self.work))):
            match self.work.popleft():
                case Publish() | SaveCheckpoint() as publish:
                    self.publish(publish)
                case Acknowledge(tag):
                    for settled in [one for one in self.unacked if one <= tag]:
                        del self.unacked[settled]
                case DeadLetter(tag):
                    self.inbox.append(DeadLettered(tag))

    def publish(self, publish: StateBearing) -> None:
        self.sent[publish.seq] = publish
        if isinstance(publish, Publish):
            self.log[self.epoch, publish.seq] = publish.event
        if publish.checkpoint is not None:
            self.state = publish
        if isinstance(publish, SaveCheckpoint) or publish.confirm:
            self.inbox.append(Published(publish.seq))

    @precondition(lambda self: self.is_live and self.inbox)
    @rule(count=st.integers(1, 20))
    def broker_answers(self, count: int) -> None:
        epoch = self.epoch
        for _ in range(min(count, len(self.inbox))):
            if self.epoch == epoch and self.inbox:
                self.answer()

    def answer(self) -> None:
        received = self.inbox.popleft()
        if isinstance(received, DeadLettered):
            self.dead.add(received.tag)
        elif isinstance(received, Published) and self.sent[received.seq].checkpoint:
            self.confirmed = self.checkpoint_of(self.sent[received.seq])
        self.give(received)
        if self.finished and not self.is_live:
            self.inbox.clear()

    # -- upstream --------------------------------------------------------------------------------

    @property
    def is_streaming(self) -> bool:
        return self.is_live and self.hearing is not None and self.hearing.started

    @precondition(lambda self: self.is_live and self.hearing and not self.hearing.started)
    @rule(starts=st.sampled_from([True, True, False]))
    def upstream_accepts(self, starts: bool) -> None:
        assert self.hearing is not None
        if not self.hearing.opened:
            self.hearing.opened = True
            self.give(ConnectionOpened())
        if starts:
            self.hearing.started = True
            self.give(RecognitionStarted(f"u{self.epoch}"))

    @precondition(lambda self: self.is_live and self.hearing and not self.hearing.opened)
    @rule()
    def connection_fails(self) -> None:
        self.give(ConnectionFailed("no route"))

    @precondition(lambda self: self.is_live and self.hearing and self.hearing.opened)
    @rule(code=st.sampled_from([1006, 1000, 1011, 4005]))
    def connection_is_lost(self, code: int) -> None:
        self.give(ConnectionLost(code, "gone"))

    @precondition(
        lambda self: self.is_streaming and self.hearing.confirmed < len(self.hearing.chunks)
    )
    @rule(data=st.data())
    def audio_is_added(self, data: st.DataObject) -> None:
        assert self.hearing is not None
        least = self.hearing.confirmed + 1
        self.hearing.confirmed = data.draw(st.integers(least, len(self.hearing.chunks)))
        self.give(AudioAdded(self.hearing.confirmed))

    @property
    def possible_ends(self) -> list[int]:
        hearing = self.hearing
        return [one for one in hearing.ends if one > hearing.finalised] if hearing else []

    @precondition(lambda self: self.is_streaming and self.possible_ends)
    @rule(data=st.data())
    def final_comes(self, data: st.DataObject) -> None:
        self.finalise(data.draw(st.sampled_from(self.possible_ends)))

    def finalise(self, end: int) -> None:
        assert self.hearing is not None
        final = FinalReceived(*self.hearing.segment(end))
        self.hearing.finalised = end
        self.give(final)

    @precondition(lambda self: self.is_streaming and self.possible_ends)
    @rule(data=st.data())
    def partial_comes(self, data: st.DataObject) -> None:
        assert self.hearing is not None
        end = data.draw(st.sampled_from(self.possible_ends))
        self.give(PartialReceived(*self.hearing.segment(end)))

    @precondition(lambda self: self.is_streaming and self.hearing.ended and not self.possible_ends)
    @rule()
    def transcript_ends(self) -> None:
        self.give(TranscriptEnded())

    # -- time, and the ends of owners ------------------------------------------------------------

    @property
    def has_deadline(self) -> bool:
        deadline = self.stream.deadline
        return self.is_live and deadline is not None and deadline < NEVER / 2

    @precondition(lambda self: self.has_deadline)
    @rule()
    def deadline_passes(self) -> None:
        assert self.stream.deadline is not None
        self.now = max(self.now, self.stream.deadline)
        self.give(DeadlinePassed())

    @precondition(lambda self: self.is_live)
    @rule(seconds=st.floats(0.0, 1.0))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds
        if self.stream.deadline is not None and self.stream.deadline <= self.now:
            self.give(DeadlinePassed())

    @precondition(lambda self: self.is_live)
    @rule()
    def worker_drains(self) -> None:
        self.give(DrainRequested("the worker is stopping"))

    @precondition(lambda self: self.is_live)
    @rule()
    def worker_is_killed(self) -> None:
        self.let_go()

    @precondition(lambda self: not self.is_live)
    @rule()
    def nothing_is_left_to_do(self) -> None:
        assert self.finished or self.last_word

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def finals_never_go_back_in_time(self) -> None:
        finals = [
            event
            for _, event in sorted(self.log.items(), key=lambda item: item[0])
            if isinstance(event, events.FinalTranscript)
        ]
        assert all(one.end_time <= two.end_time for one, two in pairwise(finals))
        assert all(one.start_time <= one.end_time for one in finals)

    def teardown(self) -> None:
        if not hasattr(self, "stream"):
            return
        self.run_to_the_end()
        # A small prefetch gives holes and audio up early: what is heard then is a matter of luck.
        if self.outcome is Outcome.ENDED and self.limits.prefetch > SMALL:
            self.check_words()
            self.check_totals()

    def run_to_the_end(self) -> None:
        """From here on the world behaves."""
        if self.may_speak:
            self.end_seq = self.next_seq
            self.queue.append(Message(self.end_seq))
        for _ in range(2000):
            if not self.is_live:
                return
            self.step()
        raise AssertionError(f"never ends: {self.stream!r}")

    def step(self) -> None:
        if self.may_deliver:
            self.messages_are_delivered(count=100)
        elif self.work:
            self.broker_works(count=100)
        elif self.inbox:
            self.answer()
        elif self.hearing and not self.hearing.started:
            self.upstream_accepts(starts=True)
        elif self.hearing and self.hearing.confirmed < len(self.hearing.chunks):
            self.hearing.confirmed = len(self.hearing.chunks)
            self.give(AudioAdded(self.hearing.confirmed))
        elif self.possible_ends:
            self.finalise(self.possible_ends[-1])
        elif self.hearing and self.hearing.ended:
            self.transcript_ends()
        elif self.has_deadline:
            self.deadline_passes()
        else:
            raise AssertionError(f"stuck: {self.stream!r}")

    def events_of(self, kind: type[events.Event]) -> list[events.Event]:
        return [
            event
            for _, event in sorted(self.log.items(), key=lambda item: item[0])
            if isinstance(event, kind)
        ]

    def gaps(self) -> dict[tuple[int, int], events.AudioGap]:
        """Told again under another id, a gap must still be the same gap."""
        found: dict[tuple[int, int], events.AudioGap] = {}
        for gap in self.events_of(events.AudioGap):
            assert isinstance(gap, events.AudioGap)
            key = gap.first_seq, gap.last_seq
            assert found.setdefault(key, gap) == gap
        return found

    def positions(self) -> dict[int, tuple[float, float]]:
        """Where each chunk lies that was not given up, by its own samples and the gaps told."""
        gaps = {first: (last, gap) for (first, last), gap in self.gaps().items()}
        at, seq, found = 0, 1, {}
        assert self.end_seq is not None
        while seq < self.end_seq:
            if seq in gaps:
                seq, gap = gaps[seq]
                assert gap.start_time == SPEC.seconds(at)
                at = SPEC.samples(gap.end_time)
            else:
                found[seq] = (SPEC.seconds(at), SPEC.seconds(at + self.sizes[seq]))
                at += self.sizes[seq]
            seq += 1
        self.length = at
        return found

    def check_words(self) -> None:
        """Every word once, in order, at its own time."""
        heard = [
            (word["alternatives"][0]["content"], word["start_time"], word["end_time"])
            for final in self.events_of(events.FinalTranscript)
            if isinstance(final, events.FinalTranscript)
            for word in (
                msgspec.json.decode(final.results)
                if isinstance(final.results, msgspec.Raw)
                else final.results
            )
        ]
        said = [
            (f"w{seq}", start, end) for seq, (start, end) in self.positions().items() if end > start
        ]
        assert heard == said

    def check_totals(self) -> None:
        [ended] = self.events_of(events.StreamEnded)
        assert isinstance(ended, events.StreamEnded)
        silence = sum(
            SPEC.samples(gap.end_time) - SPEC.samples(gap.start_time)
            for gap in self.gaps().values()
        )
        finals = self.events_of(events.FinalTranscript)
        assert (
            ended.received_seconds,
            ended.gap_seconds,
            ended.finalised_seconds,
            ended.chunks,
            ended.finals,
        ) == (
            SPEC.seconds(self.length),
            SPEC.seconds(silence),
            SPEC.seconds(self.length - silence),
            len(self.positions()),
            len(finals),
        )
        assert [
            one.segment_id for one in finals if isinstance(one, events.FinalTranscript)
        ] == list(range(1, len(finals) + 1))


TestStreamModel = StreamModel.TestCase
TestStreamModel.settings = settings(
    max_examples=300,
    stateful_step_count=60,
    deadline=None,
    # Shrinking takes minutes, more than a test may: add Phase.shrink to find a failure's essence.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
