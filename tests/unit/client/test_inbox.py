"""Each event is handed out once, whatever comes again, and what is owed is acknowledged."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from speechmq_client.inbox import Inbox, Position, Verdict
from speechmq_schemas import EndOfUtterance, PartialTranscript

END = EndOfUtterance(stream_id="one", start_time=1.0, end_time=1.0)
PARTIAL = PartialTranscript(
    stream_id="one", segment_id=1, start_time=0.0, end_time=1.0, transcript="", results=[]
)


def at(seq: int, epoch: int = 1) -> Position:
    return Position("one", epoch, seq)


def test_settled_event_is_acknowledged_when_it_comes_again() -> None:
    inbox = Inbox()
    assert inbox.offer(END, at(1), tag=7) is Verdict.HAND_OUT
    assert inbox.settle(at(1)) == 7
    assert inbox.settle(at(1)) is None
    assert inbox.offer(END, at(1), tag=8) is Verdict.ACKNOWLEDGE


def test_pending_event_takes_the_tag_of_its_next_delivery() -> None:
    inbox = Inbox()
    inbox.offer(END, at(1), tag=7)
    inbox.lost()
    assert inbox.offer(END, at(1), tag=1) is Verdict.WAIT
    assert inbox.settle(at(1)) == 1


def test_event_settled_while_the_channel_is_lost_is_acknowledged_when_it_comes_again() -> None:
    inbox = Inbox()
    inbox.offer(END, at(1), tag=7)
    inbox.lost()
    assert inbox.settle(at(1)) is None
    assert inbox.offer(END, at(1), tag=1) is Verdict.ACKNOWLEDGE
    assert inbox.pending == 0


def test_event_that_was_published_twice_is_acknowledged_while_it_is_pending() -> None:
    inbox = Inbox()
    inbox.offer(END, at(1), tag=7)
    assert inbox.offer(END, at(1), tag=8) is Verdict.ACKNOWLEDGE
    assert inbox.settle(at(1)) == 7


def test_event_that_was_given_back_is_handed_out_again() -> None:
    inbox = Inbox()
    inbox.offer(END, at(1), tag=7)
    assert inbox.give_back(at(1)) == 7
    assert inbox.offer(END, at(1), tag=8) is Verdict.HAND_OUT


def test_late_partial_is_left_out_and_any_other_late_event_is_not() -> None:
    inbox = Inbox()
    inbox.offer(END, at(2, epoch=2), tag=1)
    assert inbox.offer(PARTIAL, at(9), tag=2) is Verdict.ACKNOWLEDGE
    assert inbox.offer(END, at(8), tag=3) is Verdict.HAND_OUT
    assert inbox.offer(PARTIAL, at(3, epoch=2), tag=4) is Verdict.HAND_OUT


def test_memory_is_bounded() -> None:
    inbox = Inbox(memory=2)
    for seq in (1, 2, 3):
        inbox.offer(END, at(seq), tag=seq)
        inbox.settle(at(seq))
    assert inbox.offer(END, at(3), tag=4) is Verdict.ACKNOWLEDGE
    assert inbox.offer(END, at(1), tag=5) is Verdict.HAND_OUT


class Redelivery(RuleBasedStateMachine):
    """A queue that brings again what was not acknowledged whenever the channel is lost, and an
    application that settles when it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.inbox = Inbox()
        self.published = 0
        self.queue: list[int] = []
        self.out: dict[int, int] = {}  # by tag
        self.tag = 0
        self.seen: list[int] = []
        self.unsettled: list[int] = []

    @rule(twice=st.booleans())
    def publish(self, *, twice: bool) -> None:
        self.published += 1
        self.queue += [self.published] * (1 + twice)

    @precondition(lambda self: self.queue)
    @rule()
    def deliver(self) -> None:
        self.tag += 1
        seq = self.queue.pop(0)
        self.out[self.tag] = seq
        verdict = self.inbox.offer(END, at(seq), self.tag)
        if verdict is Verdict.HAND_OUT:
            self.seen.append(seq)
            self.unsettled.append(seq)
        elif verdict is Verdict.ACKNOWLEDGE:
            del self.out[self.tag]

    @precondition(lambda self: self.unsettled)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        seq = data.draw(st.sampled_from(self.unsettled))
        self.unsettled.remove(seq)
        tag = self.inbox.settle(at(seq))
        if tag is not None:
            assert self.out.pop(tag) == seq

    @rule()
    def lose(self) -> None:
        self.queue = [*self.out.values(), *self.queue]
        self.out.clear()
        self.inbox.lost()

    @invariant()
    def each_is_seen_once_and_in_order(self) -> None:
        assert self.seen == list(range(1, len(self.seen) + 1))
        assert self.inbox.pending == len(self.unsettled)

    def teardown(self) -> None:
        """In the end everything was seen, and nothing is owed to the queue."""
        while self.queue:
            self.deliver()
        for seq in list(self.unsettled):
            tag = self.inbox.settle(at(seq))
            assert tag is not None
            del self.out[tag]
        assert self.seen == list(range(1, self.published + 1))
        assert self.out == {}


TestRedelivery = Redelivery.TestCase
