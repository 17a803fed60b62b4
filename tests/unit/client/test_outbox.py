"""What is kept until RabbitMQ has it: order, bounds, and what is sent again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from speechmq_client.outbox import FIRST_PAUSE, Outbox, OutboxLimits
from speechmq_schemas import AmqpMessage

LIMITS = OutboxLimits(max_bytes=100, max_seconds=1.0, in_flight=4, confirm_within=30.0)


def message(size: int = 10) -> AmqpMessage:
    return AmqpMessage("stream.one", "AudioChunk", bytes(size))


def filled(count: int, *, size: int = 10) -> Outbox:
    outbox = Outbox(LIMITS)
    for _ in range(count):
        outbox.add(message(size), now=0.0, seconds=0.1)
    return outbox


def taken(outbox: Outbox, now: float = 0.0) -> list[int]:
    return [one.number for one in outbox.take(now)]


def test_messages_leave_in_order_and_so_many_at_once() -> None:
    outbox = filled(6)
    assert taken(outbox) == [0, 1, 2, 3]
    assert taken(outbox) == []
    outbox.confirmed(1, now=0.1)
    assert taken(outbox) == [4]


def test_what_is_unconfirmed_when_the_channel_is_lost_is_sent_again_in_order() -> None:
    outbox = filled(6)
    taken(outbox)
    outbox.confirmed(0, now=0.1)
    outbox.confirmed(2, now=0.1)
    taken(outbox)
    outbox.lost(now=0.2)
    assert taken(outbox) == [1, 3, 4, 5]


def test_confirm_from_the_channel_before_counts() -> None:
    outbox = filled(3)
    taken(outbox)
    outbox.lost(now=0.1)
    outbox.confirmed(0, now=0.2)
    assert taken(outbox) == [1, 2]


def test_refusal_stops_those_after_it_until_all_is_answered() -> None:
    outbox = filled(6)
    taken(outbox)
    outbox.confirmed(0, now=1.0)
    outbox.refused(1, now=1.0)
    assert outbox.is_refused
    assert taken(outbox, now=9.0) == []
    outbox.confirmed(3, now=1.1)
    outbox.refused(2, now=1.2)
    assert outbox.deadline() == 1.0 + FIRST_PAUSE
    assert taken(outbox, now=1.05) == []
    assert taken(outbox, now=1.2) == [1]
    assert taken(outbox, now=9.0) == []
    outbox.confirmed(1, now=1.3)
    assert not outbox.is_refused
    assert taken(outbox, now=1.3) == [2, 4, 5]


def test_pause_after_refusals_grows_up_to_two_seconds() -> None:
    outbox, now, pauses = filled(1), 0.0, []
    for _ in range(7):
        assert taken(outbox, now) == [0]
        outbox.refused(0, now)
        due = outbox.deadline()
        assert due is not None
        pauses.append(pytest.approx(due - now))
        now = due
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_room_ends_with_the_bytes_and_with_the_seconds() -> None:
    outbox = filled(9)
    assert outbox.has_room
    outbox.add(message(), now=0.0)
    assert (outbox.kept_bytes, outbox.has_room) == (100, False)
    taken(outbox)
    outbox.confirmed(0, now=0.1)
    assert outbox.has_room
    outbox.add(message(0), now=0.1, seconds=0.3)
    assert not outbox.has_room


def test_stream_without_a_confirm_is_stalled() -> None:
    outbox = filled(2)
    assert not outbox.is_stalled(now=99.0)  # nothing is under way
    outbox.take(now=100.0)
    assert (outbox.silence(now=110.0), outbox.deadline()) == (10.0, 130.0)
    outbox.confirmed(0, now=110.0)
    assert not outbox.is_stalled(now=139.0)
    assert outbox.is_stalled(now=140.0)


def test_nothing_is_left_to_send_when_the_stream_is_over() -> None:
    outbox = filled(3)
    taken(outbox)
    outbox.clear()
    assert (len(outbox), outbox.kept_bytes, taken(outbox)) == (0, 0, [])
    outbox.confirmed(1, now=0.1)
    assert len(outbox) == 0


class LossyBroker(RuleBasedStateMachine):
    """A broker that confirms, refuses and vanishes as it likes. It may have had a message whose
    confirm is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(LIMITS)
        self.now = 0.0
        self.channel: list[int] = []
        self.had: list[int] = []
        self.confirmed: set[int] = set()
        self.refused_since = False

    @rule(count=st.integers(1, 5))
    def add(self, count: int) -> None:
        for _ in range(count):
            self.outbox.add(message(), self.now)

    @rule(seconds=st.floats(0, 3))
    def take(self, seconds: float) -> None:
        self.now += seconds
        sent = [one.number for one in self.outbox.take(self.now)]
        assert sent == sorted(sent)
        assert not set(sent) & (set(self.channel) | self.confirmed)
        self.channel += sent

    @precondition(lambda self: self.channel)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.channel))
        self.channel.remove(number)
        self.had.append(number)
        self.confirmed.add(number)
        self.outbox.confirmed(number, self.now)

    @precondition(lambda self: self.channel)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.channel))
        self.channel.remove(number)
        self.outbox.refused(number, self.now)

    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        """It had the first few of what was under way, and could not say so."""
        self.had += self.channel[: data.draw(st.integers(0, len(self.channel)))]
        self.channel.clear()
        self.outbox.lost(self.now)

    @invariant()
    def keeps_exactly_what_is_not_confirmed(self) -> None:
        assert len(self.outbox) == self.outbox.next_number - len(self.confirmed)
        assert self.outbox.kept_bytes == 10 * len(self.outbox)
        assert len(self.channel) <= LIMITS.in_flight

    def teardown(self) -> None:
        """With a broker that takes everything, everything arrives."""
        for _ in range(3 * self.outbox.next_number + 3):
            self.now += 3.0
            self.channel += [one.number for one in self.outbox.take(self.now)]
            for number in self.channel:
                self.had.append(number)
                self.outbox.confirmed(number, self.now)
            self.channel.clear()
        assert set(self.had) == set(range(self.outbox.next_number))
        assert len(self.outbox) == 0


TestLossyBroker = LossyBroker.TestCase


@given(cuts=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=30))
def test_broker_that_only_vanishes_has_every_message_first_in_order(
    cuts: list[tuple[int, int]],
) -> None:
    outbox, had = filled(20), list[int]()
    for had_now, confirmed_now in [*cuts, *[(4, 4)] * 5]:
        sent = taken(outbox)
        had += sent[:had_now]
        for number in sent[: min(had_now, confirmed_now)]:
            outbox.confirmed(number, now=0.0)
        if had_now < len(sent) or confirmed_now < len(sent):
            outbox.lost(now=0.0)
    first = list(dict.fromkeys(had))
    assert first == list(range(20))
