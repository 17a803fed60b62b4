"""The table of a claim, line by line."""

from __future__ import annotations

from speechmq.coordination.leases import Probe
from speechmq.coordination.ownership import (
    AckState,
    Announce,
    Consuming,
    DeadlinePassed,
    Discard,
    DropClaim,
    EmptySlot,
    Kind,
    OpenAudio,
    Ownership,
    PublishProbe,
    ReleaseLease,
    ReportMissing,
    ReturnClaim,
    RewriteMemo,
    Saved,
    StateDelivered,
    StateRecord,
    StepDone,
    Unbind,
    Unwanted,
    WriteFence,
    Writing,
    Yield,
)

NOW = 1_800_000_000.0
EPOCH = int(NOW * 1000)
OPENING = StateRecord(Kind.OPENING, 7)
FENCE = StateRecord(Kind.FENCE, 7, EPOCH)
END = StateRecord(Kind.END, 7, EPOCH, 1)


def claim(*, is_redelivered: bool = False) -> Ownership:
    machine = Ownership(7, name="o", patience=15.0, is_redelivered=is_redelivered, now=NOW)
    assert machine.receive(Consuming(), NOW) == []
    return machine


def owning() -> Ownership:
    machine = claim()
    assert machine.receive(StateDelivered(1, OPENING), NOW) == [PublishProbe(Probe("o/1"))]
    assert machine.receive(StateDelivered(2, Probe("o/1")), NOW) == [
        AckState((2,)),
        WriteFence(EPOCH, 0, OPENING),
    ]
    assert machine.receive(StateDelivered(3, FENCE), NOW) == [
        OpenAudio(EPOCH, OPENING, None),
        AckState((1,)),
    ]
    return machine


def test_a_write_counts_when_it_comes_back() -> None:
    machine = owning()
    machine.receive(Writing(1), NOW)
    written = StateRecord(Kind.CHECKPOINT, 7, EPOCH, 1)
    assert machine.receive(StateDelivered(4, written), NOW) == [AckState((3,)), Saved(1)]


def test_an_end_goes_from_step_to_step_and_releases_last() -> None:
    machine = owning()
    machine.receive(Writing(1), NOW)
    assert machine.receive(StateDelivered(4, END), NOW) == [AckState((3,)), Saved(1), Announce(END)]
    steps = [machine.receive(StepDone(), NOW) for _ in range(4)]
    assert steps == [
        [Unbind()],
        [EmptySlot()],
        [ReleaseLease()],
        [DropClaim("the stream is over")],
    ]


def test_a_successor_completes_an_end() -> None:
    machine = claim(is_redelivered=True)
    machine.receive(StateDelivered(1, END, is_redelivered=True), NOW)
    assert machine.receive(StateDelivered(2, Probe("o/1")), NOW) == [AckState((2,)), Announce(END)]


def test_a_successor_goes_on_with_the_highest_epoch_and_the_memo() -> None:
    machine = claim(is_redelivered=True)
    late = StateRecord(Kind.CHECKPOINT, 7, EPOCH - 1, 5)
    memo = StateRecord(Kind.MEMO, 7, EPOCH - 1, 4)
    for tag, record in enumerate((memo, FENCE, late), 1):
        machine.receive(StateDelivered(tag, record, is_redelivered=True), NOW)
    assert machine.receive(StateDelivered(4, Probe("o/1")), NOW) == [
        AckState((3, 4)),
        WriteFence(EPOCH + 1, 0, FENCE),
    ]
    fence = StateRecord(Kind.FENCE, 7, EPOCH + 1)
    assert machine.receive(StateDelivered(5, fence), NOW) == [
        OpenAudio(EPOCH + 1, FENCE, memo),
        AckState((2,)),
    ]


def test_a_claim_without_state_is_reported_and_dropped() -> None:
    machine = claim()
    assert machine.deadline == NOW + 1.0
    assert machine.receive(DeadlinePassed(), NOW + 1.0) == [PublishProbe(Probe("o/1"))]
    assert machine.receive(StateDelivered(1, Probe("o/1")), NOW) == [PublishProbe(Probe("o/2"))]
    assert machine.receive(StateDelivered(2, Probe("o/2")), NOW) == [
        AckState((1, 2)),
        ReportMissing(),
    ]
    gone = DropClaim("the slot holds no state of its lease")
    assert machine.receive(StepDone(), NOW) == [gone]


def test_a_claim_is_over_whose_slot_another_stream_leases() -> None:
    machine = claim()
    machine.receive(StateDelivered(1, END, is_redelivered=True), NOW)
    machine.receive(StateDelivered(2, StateRecord(Kind.OPENING, 8)), NOW)
    assert machine.receive(StateDelivered(3, Probe("o/1")), NOW) == [
        AckState((3,)),
        AckState((1,)),
        DropClaim("another stream leases the slot: this one is over"),
    ]


def test_another_active_consumer_keeps_the_slot() -> None:
    reason = "another worker consumes the state"
    for is_redelivered, last in ((True, ReturnClaim(reason)), (False, DropClaim(reason))):
        machine = claim(is_redelivered=is_redelivered)
        machine.receive(DeadlinePassed(), NOW + 1.0)
        assert machine.receive(DeadlinePassed(), NOW + 15.0) == [last]


def test_a_deposed_owner_yields() -> None:
    meanwhile = [Yield("another worker owned the stream meanwhile")]
    higher = StateRecord(Kind.FENCE, 7, EPOCH + 1)
    assert owning().receive(StateDelivered(4, higher), NOW) == meanwhile
    assert owning().receive(StateDelivered(4, FENCE, is_redelivered=True), NOW) == meanwhile
    machine = owning()
    machine.receive(Writing(1), NOW)
    late = [Yield("what it wrote to the state did not come back")]
    assert machine.receive(DeadlinePassed(), NOW + 15.0) == late


def test_audio_is_discarded_only_by_one_that_still_owns_the_slot() -> None:
    machine = owning()
    assert machine.receive(Unwanted(1), NOW) == [PublishProbe(Probe("o/2"))]
    assert machine.receive(Unwanted(2), NOW) == []
    assert machine.receive(StateDelivered(4, Probe("o/2")), NOW) == [
        AckState((4,)),
        Discard((1,)),
        PublishProbe(Probe("o/3")),
    ]
    assert machine.receive(StateDelivered(5, StateRecord(Kind.OPENING, 8)), NOW) == [
        AckState((3,)),
        DropClaim("another stream leases the slot: this one is over"),
    ]


def test_an_old_memo_is_written_again() -> None:
    machine = owning()
    memo = StateRecord(Kind.MEMO, 7, EPOCH, 1)
    machine.receive(Writing(1), NOW)
    assert machine.receive(StateDelivered(4, memo), NOW) == [Saved(1)]
    outputs = machine.receive(DeadlinePassed(), NOW + 300.0)
    assert outputs == [PublishProbe(Probe("o/2")), RewriteMemo(memo)]
