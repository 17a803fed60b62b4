"""Any interleaving of what may happen to a stream, against what must hold for all of them.

The model is the world around the core: a publisher that loses, repeats and delays, and changes the
configuration; a broker that redelivers; an upstream whose recogniser hears one word in each chunk,
numbers voices anew in each session and translates late, each channel heard for itself; connections
that stand by; and consumers that drop repeated message ids. Whoever dies leaves only the last
state-bearing event and the last memo that were published.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.support.streams import INTERLEAVED, RATE, SEPARATE, SPEC, TRANSLATED, VOICES
from tests.unit.service.core.hearing import (
    WINDOW,
    WINDOW_CHUNKS,
    Ear,
    Hearing,
    Message,
    voice_of,
    words_in,
)

from speechmq.core.states import State
from speechmq.core.stream import Stream
from speechmq.core.values import events
from speechmq.core.values.checkpoint import Checkpoint
from speechmq.core.values.commands import (
    ChangeConfig,
    CloseChannel,
    Command,
    ForceUtterance,
    TellSpeakers,
)
from speechmq.core.values.inputs import (
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
from speechmq.core.values.memo import Memo
from speechmq.core.values.outputs import (
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
from speechmq.core.values.spec import Channel, Limits, StreamSpec
from speechmq.speechmatics.messages import (
    AudioAdded,
    ChannelAudioAdded,
    FinalReceived,
    Metadata,
    PartialReceived,
    RecognitionStarted,
    TranscriptEnded,
    UtteranceEnded,
    WarningReceived,
)

StateBearing = Publish | SaveCheckpoint

# Hundreds of long stories: a loaded machine needs more time for them than for any other test.
pytestmark = pytest.mark.timeout(240)

NEVER = 1e6
SMALL = 20
LIMITS = Limits(
    window=WINDOW,
    window_chunks=WINDOW_CHUNKS,
    early_wait=0.5,
    max_chunk=0.1,
    idle_timeout=NEVER,
    retry_attempts=1000,
    rollover_wait=2.0,
    speakers_every=1.5,
    max_message_rate=20.0,
    max_byte_rate=20_000.0,
    rate_burst=0.5,
)
SIZES = st.sampled_from([0, 80, 400, 800, 1200])  # the last is longer than max_chunk


some_chunk = st.tuples(SIZES, st.sampled_from("....-=!"), st.sampled_from("abababaabbc"))
some_limits = st.builds(
    replace,
    st.just(LIMITS),
    resume_context=st.sampled_from([0.0, 0.05, 0.15]),
    prefetch=st.sampled_from([SMALL, 1000, 1000]),
    suspend_after=st.sampled_from([None, 0.7, 3.0]),
    rollover_after=st.sampled_from([NEVER, 4.0]),
    coalesce=st.sampled_from([0.0, 0.1, 0.3, 1.0]),
)


class StreamModel(RuleBasedStateMachine):
    """Everything outside the core that outlives one owner of the stream."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.epoch = 0
        self.queue: deque[Message] = deque()
        self.next_seq = 1
        self.said: dict[int, Message] = {}
        self.missing: list[int] = []
        self.end_seq: int | None = None
        self.state: StateBearing | None = None
        self.memo = Memo()
        self.log: dict[tuple[int, int], events.Event] = {}
        self.outcome: Outcome | None = None

    def begin(
        self,
        limits: Limits,
        spec: StreamSpec,
        *,
        regions: int = 1,
        languages: tuple[str, ...] = (),
    ) -> None:
        """``languages`` are those that upstream can translate into."""
        self.limits, self.spec, self.regions = limits, spec, regions
        self.languages = languages if spec is TRANSLATED else ()
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
        self.work: deque[StateBearing | SaveMemo | Acknowledge | DeadLetter] = deque()
        self.inbox: deque[Input] = deque()
        self.sent: dict[int, StateBearing] = {}
        self.known = self.memo
        self.hearing: Hearing | None = None
        self.standby: Hearing | None = None
        self.dismissed = 0  # connections that stood by, whose last word may still come
        self.finished = False
        self.stream = Stream(
            self.spec,
            self.limits,
            now=self.now,
            jitter=lambda: 0.5,
            checkpoint=None if self.epoch == 1 else self.confirmed,
            memo=self.memo,
            regions=self.regions,
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
                    self.note_event(output)
                    self.work.append(output)
                case Acknowledge() | DeadLetter():
                    self.note_settled(output)
                    self.work.append(output)
                case SaveMemo(memo):
                    self.note_memo(memo)
                    self.work.append(output)
                case Finish(outcome):
                    self.finished = True
                    self.finish(outcome)
                case _:
                    self.converse(output)

    def converse(self, output: Output) -> None:
        """What upstream is told, and the connections to it: one live, one standing by at most."""
        match output:
            case OpenConnection(region):
                assert self.hearing is None, "two live connections at once"
                assert self.standby is None, "a standby beside no session"
                assert region in range(self.regions)
                self.hearing = Hearing(self.spec)
            case StartRecognition(config):
                assert self.hearing is not None
                assert self.hearing.opened
                self.introduce(self.hearing, config)
            case OpenStandby(region, config):
                assert self.hearing is not None, "a standby beside no session"
                assert self.standby is None, "two connections stand by"
                assert region in range(self.regions)
                self.dismissed = 0
                self.standby = Hearing(self.spec, opened=True)
                self.introduce(self.standby, config)
            case SwitchToStandby():
                assert self.standby is not None
                assert self.standby.started
                self.hearing, self.standby = self.standby, None
                self.hearing.taken = self.labels_so_far()
            case CloseStandby():
                self.dismissed += self.standby is not None
                self.standby = None
            case SendCommand() | SendAudio():
                assert self.hearing is not None
                self.tell(self.hearing, output)
            case EndAudio(chunks):
                self.end(None, chunks)
            case EndChannelAudio(channel, chunks):
                self.end(channel, chunks)
            case CloseConnection():
                assert self.standby is None, "a standby beside no session"
                self.hearing = None

    def end(self, channel: Channel, chunks: int) -> None:
        assert self.hearing is not None
        self.hearing.end(channel, chunks)
        assert self.standby is None or not self.hearing.ended, "a standby for nothing"

    def tell(self, hearing: Hearing, output: SendCommand | SendAudio) -> None:
        """Each chunk is heard with the configuration that holds at its place."""
        if isinstance(output, SendCommand):
            hearing.obey(output.command)
            return
        known = len(hearing.ears[output.channel].spoken)
        hearing.hear(output.audio, output.channel)
        if len(words_in(output.audio)) > 1:
            assert len(output.audio) <= self.spec.samples(self.limits.coalesce)
            assert len(self.spec.tracks) == 1, "put together of several tracks"
        for seq, *_ in hearing.ears[output.channel].spoken[known:]:
            assert hearing.config == self.config_at(seq), f"at {seq}"
            for channel, ear in hearing.ears.items():
                is_last = all(one.ended for one in hearing.ears.values() if one is not ear)
                assert ear.ended or is_last or seq < self.closed_at(channel), f"{channel} ended"

    def note_event(self, output: StateBearing) -> None:
        match output:
            case Publish(events.AudioGap() as gap):
                self.told_gaps.append((gap.first_seq, gap.last_seq))
            case Publish(events.FinalTranscript() | events.PartialTranscript() as transcript):
                self.note_voices(transcript)

    # -- commands --------------------------------------------------------------------------------

    def is_lost(self, seq: int) -> bool:
        """Given up by this owner, or by an earlier one that could still tell."""
        gaps = list(self.told_gaps)
        for gap in self.events_of(events.AudioGap):
            assert isinstance(gap, events.AudioGap)
            gaps.append((gap.first_seq, gap.last_seq))
        return any(first <= seq <= last for first, last in gaps)

    def config_at(self, seq: int) -> dict[str, Any]:
        """Each change holds from its place on."""
        config: dict[str, Any] = {}
        for at, message in sorted(self.said.items()):
            if at < seq and isinstance(message.command, ChangeConfig) and not self.is_lost(at):
                config.update(message.command.config)
        return config

    # -- channels --------------------------------------------------------------------------------

    def closed_at(self, channel: Channel) -> float:
        """The first message that ends the channel, of those that came."""
        if self.spec is not SEPARATE:
            return math.inf
        return min(
            (
                seq
                for seq, message in self.said.items()
                if message.command == CloseChannel(channel or "") and not self.is_lost(seq)
            ),
            default=math.inf,
        )

    def is_refused(self, message: Message) -> bool:
        """A chunk that belongs to no channel that is open."""
        is_unknown = message.channel not in self.spec.tracks
        return is_unknown or message.seq > self.closed_at(message.channel)

    # -- voices ----------------------------------------------------------------------------------

    def introduce(self, hearing: Hearing, config: Mapping[str, Any]) -> None:
        """Exactly the voices that were learned are known to a new session."""
        hearing.introduce(config)
        assert set(hearing.introduced.values()) == {f"stream-{one}" for one in self.known.speakers}
        hearing.taken = self.labels_so_far()

    def labels_so_far(self) -> frozenset[str]:
        finals = self.events_of(events.FinalTranscript)
        return frozenset(label for final in finals for _, label in self.spoken_in(final))

    @staticmethod
    def spoken_in(transcript: events.Event) -> list[tuple[str, str]]:
        """Voices, and the labels that a consumer sees for them."""
        assert isinstance(transcript, events.FinalTranscript | events.PartialTranscript)
        if isinstance(transcript.results, msgspec.Raw):
            return []
        spoken = [one["alternatives"][0] for one in transcript.results]
        return [(voice_of(int(one["content"].removeprefix("w"))), one["speaker"]) for one in spoken]

    def note_voices(self, transcript: events.FinalTranscript | events.PartialTranscript) -> None:
        """A voice that a session was told of keeps its name; another gets one that is free."""
        assert self.hearing is not None
        if self.spec is not VOICES:
            return
        for voice, label in self.spoken_in(transcript):
            assert self.hearing.shown.setdefault(voice, label) == label
            if voice in self.hearing.introduced:
                assert f"stream-{label}" == self.hearing.introduced[voice]
            elif self.hearing.introduced:
                assert label not in self.hearing.taken, f"{label} is somebody else"
            else:
                assert label == self.hearing.numbered[voice]

    def note_memo(self, memo: Memo) -> None:
        """What was learned stands under the names that consumers see."""
        for label, (voice, *_) in memo.speakers.items():
            if self.known.speakers.get(label) != (voice,):
                assert self.hearing is not None
                assert self.hearing.shown.get(voice, label) == label
        self.known = memo

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
    @rule(chunks=st.lists(some_chunk, min_size=1, max_size=12))
    def publisher_speaks(self, chunks: list[tuple[int, str, str]]) -> None:
        """``-`` loses the chunk for now, ``=`` sends it twice, ``!`` sends garbage behind it.

        There is no channel ``c``.
        """
        for samples, how, where in chunks:
            message = self.next_message(samples=samples, channel=self.channel_of(where))
            if how == "-":
                self.missing.append(message.seq)
                continue
            self.queue.extend(
                {"=": [message, message], "!": [message, Message(0)]}.get(how, [message])
            )

    def channel_of(self, where: str) -> Channel:
        return where if self.spec is SEPARATE or where == "c" else None

    def next_message(
        self,
        *,
        samples: int | None = None,
        command: Command | None = None,
        channel: Channel = None,
    ) -> Message:
        message = self.said[self.next_seq] = Message(self.next_seq, samples, command, channel)
        self.next_seq += 1
        return message

    @precondition(lambda self: self.may_speak)
    @rule(
        kind=st.sampled_from(
            ["max_delay", "max_delay", "max_delay_mode", "force", "now", "end", "close a"]
        ),
        how=st.sampled_from("...-="),
    )
    def publisher_commands(self, kind: str, how: str) -> None:
        commands: dict[str, Command] = {
            "force": ForceUtterance(),
            "now": TellSpeakers(),
            "end": TellSpeakers(final=True),
            "close a": CloseChannel("a"),
        }
        change = ChangeConfig({kind: self.next_seq})
        message = self.next_message(command=commands.get(kind, change))
        if how == "-":
            self.missing.append(message.seq)
        else:
            self.queue.extend([message, message] if how == "=" else [message])

    @precondition(lambda self: self.may_speak and self.hearing and self.hearing.ended)
    @rule(samples=SIZES)
    def publisher_speaks_again_while_the_session_ends(self, samples: int) -> None:
        self.publisher_speaks(chunks=[(samples, ".", "b")])
        self.deliver(len(self.queue))

    @precondition(lambda self: self.is_live and self.said)
    @rule(data=st.data())
    def chunk_comes_late(self, data: st.DataObject) -> None:
        """A lost one for the first time, another once more."""
        seq = data.draw(st.sampled_from(self.missing or list(self.said)))
        if seq in self.missing:
            self.missing.remove(seq)
        self.queue.append(self.said[seq])

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
            self.give(message.delivered(self.tag, self.spec))

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
                case SaveMemo(memo):
                    self.memo = Memo.decode(memo.encode())

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
            self.warn_of_languages()

    def warn_of_languages(self) -> None:
        if self.spec is TRANSLATED and len(self.languages) < 2:
            self.give(WarningReceived("unsupported_translation_pair", "en to de is not to be had"))

    @precondition(lambda self: self.is_live and self.hearing and not self.hearing.opened)
    @rule(
        failed=st.sampled_from(
            [
                ConnectionFailed("no route"),
                ConnectionFailed("refused", 503),
                ConnectionFailed("the account is full", code="quota_exceeded"),
            ]
        )
    )
    def connection_fails(self, failed: ConnectionFailed) -> None:
        self.give(failed)

    @precondition(lambda self: self.is_live and self.hearing and self.hearing.opened)
    @rule(code=st.sampled_from([1006, 1000, 1011, 1012, 4005, 4013]))
    def connection_is_lost(self, code: int) -> None:
        self.give(ConnectionLost(code, "gone"))

    @precondition(lambda self: self.is_streaming and self.hearing.unread)
    @rule(data=st.data())
    def audio_is_added(self, data: st.DataObject) -> None:
        assert self.hearing is not None
        ear = data.draw(st.sampled_from(self.hearing.unread))
        self.add_audio(ear, data.draw(st.integers(ear.confirmed + 1, len(ear.chunks))))

    def add_audio(self, ear: Ear, count: int) -> None:
        ear.confirmed = count
        self.give(
            AudioAdded(count) if ear.channel is None else ChannelAudioAdded(count, ear.channel)
        )

    @property
    def unsaid(self) -> list[Ear]:
        return self.hearing.unsaid if self.hearing else []

    @precondition(lambda self: self.is_streaming and self.unsaid)
    @rule(data=st.data())
    def final_comes(self, data: st.DataObject) -> None:
        ear = data.draw(st.sampled_from(self.unsaid))
        self.finalise(ear, data.draw(st.sampled_from(ear.possible_ends)))

    def finalise(self, ear: Ear, end: int) -> None:
        assert self.hearing is not None
        final = FinalReceived(*self.hearing.segment(ear, end), channel=ear.channel)
        ear.finalised = end
        self.give(final)

    @precondition(lambda self: self.is_streaming and self.unsaid)
    @rule(data=st.data())
    def partial_comes(self, data: st.DataObject) -> None:
        assert self.hearing is not None
        ear = data.draw(st.sampled_from(self.unsaid))
        end = data.draw(st.sampled_from(ear.possible_ends))
        self.give(PartialReceived(*self.hearing.segment(ear, end), channel=ear.channel))

    @property
    def untranslated(self) -> list[str]:
        hearing = self.hearing
        return [one for one in self.languages if hearing and hearing.untranslated(one)]

    @precondition(lambda self: self.is_streaming and self.untranslated)
    @rule(data=st.data(), count=st.integers(1, 5))
    def translation_comes(self, data: st.DataObject, count: int) -> None:
        self.translate(data.draw(st.sampled_from(self.untranslated)), count)

    def translate(self, language: str, count: int = 100) -> None:
        assert self.hearing is not None
        self.give(self.hearing.translation(language, count))

    @property
    def has_heard_all(self) -> bool:
        is_over = self.is_streaming and self.hearing is not None and self.hearing.ended
        return is_over and not self.unsaid and not self.untranslated

    @precondition(lambda self: self.has_heard_all)
    @rule()
    def transcript_ends(self) -> None:
        assert self.hearing is not None
        if self.hearing.is_asked_at_end:
            while self.hearing.questions:
                self.speakers_are_told()
            self.give(self.hearing.speakers())
        self.give(TranscriptEnded())

    @precondition(lambda self: self.is_streaming and not self.hearing.ended)
    @rule(too_early=st.sampled_from([TranscriptEnded(), RecognitionStarted("u")]))
    def upstream_breaks_the_protocol(self, too_early: Input) -> None:
        self.give(too_early)

    @precondition(lambda self: self.is_streaming)
    @rule(data=st.data())
    def utterance_ends(self, data: st.DataObject) -> None:
        assert self.hearing is not None
        ear = data.draw(st.sampled_from([*self.hearing.ears.values()]))
        time = ear.finalised / RATE
        self.give(UtteranceEnded(Metadata(time, time), channel=ear.channel))

    @precondition(lambda self: self.is_streaming and self.hearing.questions)
    @rule()
    def speakers_are_told(self) -> None:
        assert self.hearing is not None
        self.hearing.questions -= 1
        self.give(self.hearing.speakers())

    # -- the next session, beside this one -------------------------------------------------------

    @precondition(lambda self: self.is_streaming)
    @rule()
    def upstream_warns(self) -> None:
        self.give(WarningReceived("session_timeout", "soon"))

    @precondition(lambda self: self.is_live and self.standby and not self.standby.started)
    @rule()
    def standby_is_ready(self) -> None:
        assert self.standby is not None
        self.standby.started = True
        self.give(StandbyReady(RecognitionStarted(f"u{self.epoch}")))

    @precondition(lambda self: self.is_live and self.standby)
    @rule()
    def standby_is_lost(self) -> None:
        self.standby = None
        self.give(StandbyLost("gone"))

    @precondition(lambda self: self.is_live and self.dismissed)
    @rule(
        late=st.sampled_from([StandbyReady(RecognitionStarted("late")), StandbyLost("late")]),
    )
    def dismissed_standby_says_its_last(self, late: StandbyReady | StandbyLost) -> None:
        """It was on its way; what stands by now, and the session, know nothing of it."""
        self.dismissed -= 1
        outputs = self.stream.receive(late, self.now)
        assert outputs == ([CloseStandby()] if isinstance(late, StandbyReady) else [])

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
    @rule(count=st.integers(1, 15))
    def all_goes_well(self, count: int) -> None:
        """Sessions live for long enough that something can happen to them."""
        for _ in range(count):
            if not self.is_live or not self.step():
                return

    @precondition(lambda self: self.is_live)
    @rule(fate=st.integers(0, 5))
    def worker_drains(self, fate: int) -> None:
        if not fate:
            self.give(DrainRequested("the worker is stopping"))

    @precondition(lambda self: self.is_live)
    @rule(fate=st.integers(0, 5))
    def worker_is_killed(self, fate: int) -> None:
        if not fate:
            self.let_go()

    @precondition(lambda self: not self.is_live)
    @rule()
    def nothing_is_left_to_do(self) -> None:
        assert self.finished or self.last_word

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def finals_never_go_back_in_time(self) -> None:
        for channel in self.spec.channels if self.epoch else ():
            finals = self.finals_of(channel)
            assert all(one.end_time <= two.end_time for one, two in pairwise(finals))
            assert all(one.start_time <= one.end_time for one in finals)

    @invariant()
    def nothing_is_held_for_longer_than_it_may_be(self) -> None:
        """What could be sent is sent, or waits for more to be put together with it."""
        if not hasattr(self, "stream") or self.stream.state is not State.STREAMING:
            return
        timeline, spec = self.stream._placement.timeline, self.spec
        piece, hearing = timeline.next_unsent, self.hearing
        assert hearing is not None
        if piece is None:
            return
        is_alone = len(spec.tracks) == 1
        waiting = timeline.tracks[piece.track].unsent if is_alone else piece.end - piece.start
        ears = [hearing.ears[channel] for channel in spec.channels_of(piece.track)]
        if waiting and all(ear.has_room(waiting) for ear in ears):
            assert is_alone, "a channel's chunk is held"
            assert any(ear.under_way for ear in ears), "held, and nothing is under way"
            assert waiting < self.spec.samples(self.limits.coalesce)
            assert self.stream.deadline is not None
            assert self.stream.deadline <= self.now + self.limits.coalesce

    def teardown(self) -> None:
        if not hasattr(self, "stream"):
            return
        self.run_to_the_end()
        # A small prefetch gives holes and audio up early: what is heard then is a matter of luck.
        if self.outcome is Outcome.ENDED and self.limits.prefetch > SMALL:
            self.check_words()
            self.check_translations()
            self.check_totals()
            self.check_speakers()

    def run_to_the_end(self) -> None:
        """From here on the world behaves."""
        if self.may_speak:
            self.end_seq = self.next_seq
            self.queue.append(Message(self.end_seq))
        for _ in range(10_000):
            if not self.is_live:
                return
            assert self.step(), f"stuck: {self.stream!r}"
        raise AssertionError(f"never ends: {self.stream!r}")

    def step(self) -> bool:
        """What is due is done; false when all wait for the publisher."""
        if self.may_deliver:
            self.messages_are_delivered(count=100)
        elif self.work:
            self.broker_works(count=100)
        elif self.inbox:
            self.answer()
        elif self.hearing and not self.hearing.started:
            self.upstream_accepts(starts=True)
        elif self.standby and not self.standby.started:
            self.standby_is_ready()
        elif self.hearing and self.step_of(self.hearing):
            pass
        elif self.has_deadline:
            self.deadline_passes()
        else:
            return False
        return True

    def step_of(self, hearing: Hearing) -> bool:
        """What upstream owes is said."""
        if hearing.unread:
            self.add_audio(hearing.unread[0], len(hearing.unread[0].chunks))
        elif self.unsaid:
            self.finalise(self.unsaid[0], self.unsaid[0].possible_ends[-1])
        elif self.untranslated:
            self.translate(self.untranslated[0])
        elif hearing.ended:
            self.transcript_ends()
        elif hearing.questions:
            self.speakers_are_told()
        else:
            return False
        return True

    def events_of(self, kind: type[events.Event]) -> list[events.Event]:
        return [
            event
            for _, event in sorted(self.log.items(), key=lambda item: item[0])
            if isinstance(event, kind)
        ]

    def finals_of(self, channel: Channel) -> list[events.FinalTranscript]:
        return [
            one
            for one in self.events_of(events.FinalTranscript)
            if isinstance(one, events.FinalTranscript) and one.channel == events.label_of(channel)
        ]

    def gaps(self) -> dict[tuple[int, int, Channel], events.AudioGap]:
        """Told again under another id, a gap must still be the same gap."""
        found: dict[tuple[int, int, Channel], events.AudioGap] = {}
        for gap in self.events_of(events.AudioGap):
            assert isinstance(gap, events.AudioGap)
            track = gap.channel if isinstance(gap.channel, str) else None
            key = gap.first_seq, gap.last_seq, track
            assert found.setdefault(key, gap) == gap
        return found

    def positions(self) -> dict[int, tuple[Channel, float, float]]:
        """Where each chunk lies that was not given up, by its own samples and the gaps told."""
        gaps: dict[int, list[tuple[Channel, events.AudioGap]]] = {}
        for (first, _, track), gap in self.gaps().items():
            gaps.setdefault(first, []).append((track, gap))
        at, seq, found = dict.fromkeys(self.spec.tracks, 0), 1, {}
        assert self.end_seq is not None
        while seq < self.end_seq:
            if seq in gaps:
                for track, gap in gaps[seq]:
                    assert gap.start_time == SPEC.seconds(at[track])
                    at[track] = SPEC.samples(gap.end_time)
                    seq = gap.last_seq
            else:
                message = self.said[seq]
                if message.samples is not None and not self.is_refused(message):
                    start = at[message.channel]
                    at[message.channel] = end = start + message.samples
                    found[seq] = (message.channel, SPEC.seconds(start), SPEC.seconds(end))
            seq += 1
        self.length = sum(at.values())
        return found

    def check_words(self) -> None:
        """Every word once, in order, at its own time, in its channel."""
        for channel in self.spec.channels:
            heard = [
                (word["alternatives"][0]["content"], word["start_time"], word["end_time"])
                for final in self.finals_of(channel)
                for word in (
                    msgspec.json.decode(final.results)
                    if isinstance(final.results, msgspec.Raw)
                    else final.results
                )
            ]
            assert heard == self.spoken(self.spec.track_of(channel))

    def spoken(self, track: Channel = None) -> list[tuple[str, float, float]]:
        return [
            (f"w{seq}", start, end)
            for seq, (where, start, end) in self.positions().items()
            if end > start and where == track
        ]

    def check_translations(self) -> None:
        """Every sentence once in every language that there is, in order, at its own time."""
        told: dict[str, list[tuple[str, float, float]]] = {one: [] for one in self.languages}
        for event in self.events_of(events.FinalTranslation):
            assert isinstance(event, events.FinalTranslation)
            told[event.language] += [
                (one["content"], one["start_time"], one["end_time"]) for one in event.results
            ]
        assert told == {language: self.spoken() for language in self.languages}

    def check_speakers(self) -> None:
        """Who asked for them at the end is told right before it."""
        wishes = [
            seq
            for seq, message in self.said.items()
            if message.command == TellSpeakers(final=True) and not self.is_lost(seq)
        ]
        *_, before, _last = (event for _, event in sorted(self.log.items(), key=lambda i: i[0]))
        assert not wishes or isinstance(before, events.SpeakersResult)

    def check_totals(self) -> None:
        [ended] = self.events_of(events.StreamEnded)
        assert isinstance(ended, events.StreamEnded)
        silence = sum(
            SPEC.samples(gap.end_time) - SPEC.samples(gap.start_time)
            for gap in self.gaps().values()
        )
        width = self.spec.width
        assert (
            ended.received_seconds,
            ended.gap_seconds,
            ended.finalised_seconds,
            ended.chunks,
            ended.finals,
        ) == (
            SPEC.seconds(self.length * width),
            SPEC.seconds(silence * width),
            SPEC.seconds((self.length - silence) * width),
            len(self.positions()),
            len(self.events_of(events.FinalTranscript)),
        )
        for first_id, channel in enumerate(self.spec.channels, 1):
            ids = [one.segment_id for one in self.finals_of(channel)]
            assert ids == [first_id + n * len(self.spec.channels) for n in range(len(ids))]


class MonoModel(StreamModel):
    @initialize(
        limits=some_limits,
        spec=st.sampled_from([SPEC, VOICES, TRANSLATED]),
        regions=st.sampled_from([1, 3]),
        languages=st.sampled_from([("de", "fr"), ("fr",)]),
    )
    def begin_mono(
        self, limits: Limits, spec: StreamSpec, regions: int, languages: tuple[str, ...]
    ) -> None:
        self.begin(limits, spec, regions=regions, languages=languages)


class ChannelsModel(StreamModel):
    @initialize(
        limits=some_limits,
        spec=st.sampled_from([SEPARATE, SEPARATE, INTERLEAVED]),
        chunks=st.lists(some_chunk, min_size=8, max_size=40),
        count=st.integers(0, 40),
    )
    def begin_channels(
        self, limits: Limits, spec: StreamSpec, chunks: list[tuple[int, str, str]], count: int
    ) -> None:
        """All channels have said something."""
        self.begin(limits, spec)
        self.publisher_speaks(chunks=chunks)
        self.all_goes_well(count=count)

    @precondition(lambda self: self.may_speak)
    @rule(chunks=st.lists(some_chunk, min_size=4, max_size=12), count=st.integers(4, 20))
    def conversation_goes_on(self, chunks: list[tuple[int, str, str]], count: int) -> None:
        self.publisher_speaks(chunks=chunks)
        self.all_goes_well(count=count)

    @precondition(lambda self: self.may_speak and self.spec is SEPARATE)
    @rule(channel=st.sampled_from("ab"), count=st.integers(0, 20), is_killed=st.booleans())
    def channel_ends(self, channel: str, count: int, is_killed: bool) -> None:
        self.queue.append(self.next_message(command=CloseChannel(channel)))
        self.all_goes_well(count=count)
        if is_killed and self.is_live:
            self.let_go()


TestStreamModel = MonoModel.TestCase
TestChannelsModel = ChannelsModel.TestCase
TestStreamModel.settings = settings(
    max_examples=120,
    stateful_step_count=60,
    deadline=None,
    # Shrinking takes minutes, more than a test may: add Phase.shrink to find a failure's essence.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestChannelsModel.settings = settings(TestStreamModel.settings, max_examples=250)
