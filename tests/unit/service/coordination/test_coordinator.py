"""The coordinator's table, line by line."""

from __future__ import annotations

from speechmq.coordination.coordinator import (
    LOOK,
    PAUSE,
    RENEW,
    Accept,
    AckRecords,
    AckStart,
    Answered,
    BeginReading,
    ClaimPublished,
    Consuming,
    Coordinator,
    DeadlinePassed,
    DeclareSlot,
    LookForOwner,
    OpenSlot,
    Output,
    OwnerLooked,
    PublishClaim,
    PublishRecord,
    RecordDelivered,
    Refusal,
    Refuse,
    ReportWaiting,
    Resign,
    SlotDeclared,
    SlotOpened,
    SlotRefused,
    StartDelivered,
)
from speechmq.coordination.leases import (
    TERM_BITS,
    Lease,
    LeaseEnded,
    Probe,
    Start,
    StateMissing,
    Token,
)

NOW = 1_800_000_000.0
TERM = int(NOW)
FIRST = (TERM << TERM_BITS) + 1
START = Start("a", b"{}", "m1", "user")
LEASE = Lease(FIRST, 1, START, NOW)


def leading(*, pool: int = 10, per_user: int | None = None) -> Coordinator:
    machine = Coordinator("c", pool=pool, patience=15.0, per_user=per_user)
    assert machine.receive(Consuming(), NOW) == [PublishRecord(Token(0))]
    assert machine.receive(RecordDelivered(1, Token(0)), NOW) == [PublishRecord(Probe("c/1"))]
    assert machine.receive(RecordDelivered(2, Probe("c/1")), NOW) == [PublishRecord(Token(TERM))]
    assert machine.receive(RecordDelivered(3, Token(TERM)), NOW) == [
        AckRecords((1, 2)),
        BeginReading(),
    ]
    return machine


def claimed(machine: Coordinator) -> Coordinator:
    for received in (
        StartDelivered(1, START),
        SlotDeclared(1),
        RecordDelivered(4, LEASE),
        SlotOpened(FIRST),
        ClaimPublished(FIRST),
        Answered(1),
    ):
        machine.receive(received, NOW)
    return machine


def test_a_new_start_goes_from_step_to_step() -> None:
    machine = leading()
    steps: list[tuple[object, list[Output]]] = [
        (StartDelivered(1, START), [DeclareSlot(1)]),
        (SlotDeclared(1), [PublishRecord(LEASE)]),
        (RecordDelivered(4, LEASE), [OpenSlot(LEASE, is_new=True)]),
        (SlotOpened(FIRST), [PublishClaim(LEASE)]),
        (ClaimPublished(FIRST), [Accept(1, LEASE)]),
        (Answered(1), [AckStart(1)]),
    ]
    for received, outputs in steps:
        assert machine.receive(received, NOW) == outputs  # type: ignore[arg-type]


def test_an_inherited_start_completes_what_is_missing_without_a_second_binding() -> None:
    machine = Coordinator("c", pool=10, patience=15.0)
    machine.receive(Consuming(), NOW)
    machine.receive(RecordDelivered(1, Token(5), is_redelivered=True), NOW)
    machine.receive(RecordDelivered(2, LEASE, is_redelivered=True), NOW)
    token = Token(TERM + 1)  # above the term of the lease
    assert machine.receive(RecordDelivered(3, Probe("c/1")), NOW) == [PublishRecord(token)]
    assert machine.receive(RecordDelivered(4, token), NOW) == [AckRecords((1, 3)), BeginReading()]
    again = StartDelivered(1, START, is_redelivered=True)
    assert machine.receive(again, NOW) == [PublishRecord(Probe("c/2"))]
    assert machine.receive(RecordDelivered(5, Probe("c/2")), NOW) == [
        AckRecords((5,)),
        OpenSlot(LEASE, is_new=False),
    ]


def test_an_end_frees_the_slot_and_is_remembered_for_the_start_that_comes_again() -> None:
    machine = claimed(leading())
    assert machine.receive(RecordDelivered(5, LeaseEnded(FIRST)), NOW) == []
    again = StartDelivered(2, START, is_redelivered=True)
    assert machine.receive(again, NOW) == [PublishRecord(Probe("c/2"))]
    assert machine.receive(RecordDelivered(6, Probe("c/2")), NOW) == [
        AckRecords((6,)),
        Accept(2, LEASE),
    ]
    other = Start("b", b"{}", "m2", "user")
    lease = Lease(FIRST + 1, 1, other, NOW)
    assert machine.receive(StartDelivered(3, other), NOW) == [PublishRecord(lease)]


def test_another_start_of_a_live_stream_is_refused_after_a_pause() -> None:
    machine = claimed(leading())
    other = Start("a", b'{"labels": {}}', "m2", "user")
    assert machine.receive(StartDelivered(2, other), NOW) == [PublishRecord(Probe("c/2"))]
    assert machine.receive(RecordDelivered(5, Probe("c/2")), NOW) == [AckRecords((5,))]
    later = NOW + PAUSE
    assert machine.receive(DeadlinePassed(), later) == [PublishRecord(Probe("c/3"))]
    assert machine.receive(RecordDelivered(6, Probe("c/3")), later) == [
        AckRecords((6,)),
        Refuse(2, other, Refusal.DIFFERENT_START, is_live=True),
    ]


def test_another_start_takes_over_the_id_if_the_stream_ends_meanwhile() -> None:
    machine = claimed(leading())
    other = Start("a", b"{}", "m2", "user")
    machine.receive(StartDelivered(2, other), NOW)
    machine.receive(RecordDelivered(5, Probe("c/2")), NOW)
    machine.receive(RecordDelivered(6, LeaseEnded(FIRST)), NOW)
    later = NOW + PAUSE
    lease = Lease(FIRST + 1, 1, other, later)
    assert machine.receive(DeadlinePassed(), later) == [PublishRecord(lease)]


def test_a_user_has_no_more_streams_than_the_bound() -> None:
    machine = claimed(leading(per_user=1))
    other = Start("b", b"{}", "m2", "user")
    assert machine.receive(StartDelivered(2, other), NOW) == [PublishRecord(Probe("c/2"))]
    assert machine.receive(RecordDelivered(5, Probe("c/2")), NOW) == [
        AckRecords((5,)),
        Refuse(2, other, Refusal.TOO_MANY_STREAMS, is_live=False),
    ]
    unnamed = Start("c", b"{}", "m3")
    machine.receive(StartDelivered(3, unnamed), NOW)
    assert machine.receive(RecordDelivered(6, Probe("c/3")), NOW) == [
        AckRecords((6,)),
        Refuse(3, unnamed, Refusal.MISSING_USER_ID, is_live=False),
    ]


def test_a_start_without_a_slot_waits_and_is_reported_once() -> None:
    machine = claimed(leading(pool=1))
    other = Start("b", b"{}", "m2", "user")
    assert machine.receive(StartDelivered(2, other), NOW) == [ReportWaiting(other)]
    assert machine.waiting == 1
    lease = machine.receive(RecordDelivered(5, LeaseEnded(FIRST)), NOW)
    assert [type(one) for one in lease] == [PublishRecord]
    assert (machine.waiting, machine.leased) == (0, 1)


def test_a_slot_that_cannot_be_declared_rests() -> None:
    machine = leading()
    assert machine.receive(StartDelivered(1, START), NOW) == [DeclareSlot(1)]
    assert machine.receive(SlotRefused(1), NOW) == [DeclareSlot(2)]


def test_a_lease_is_renewed_and_the_older_copy_acknowledged() -> None:
    machine = claimed(leading())
    later = NOW + RENEW
    assert PublishRecord(LEASE) in machine.receive(DeadlinePassed(), later)
    assert machine.receive(RecordDelivered(9, LEASE), later) == [AckRecords((4,))]


def test_an_end_waits_for_the_copy_that_is_under_way() -> None:
    machine = claimed(leading())
    later = NOW + RENEW
    machine.receive(DeadlinePassed(), later)
    assert machine.receive(RecordDelivered(8, LeaseEnded(FIRST)), later) == []
    assert machine.receive(RecordDelivered(9, LEASE), later) == [AckRecords((4, 9, 8))]


def test_a_claim_that_vanished_is_made_again_after_two_looks() -> None:
    machine = claimed(leading())
    first, second = NOW + LOOK, NOW + 2 * LOOK
    assert LookForOwner(LEASE) in machine.receive(DeadlinePassed(), first)
    probe = 3  # after that of the beat
    assert machine.receive(OwnerLooked(FIRST, has_owner=False), first) == []
    for number in range(2, probe):
        machine.receive(RecordDelivered(10 + number, Probe(f"c/{number}")), first)
    assert LookForOwner(LEASE) in machine.receive(DeadlinePassed(), second)
    outputs = machine.receive(OwnerLooked(FIRST, has_owner=False), second)
    assert [type(one) for one in outputs] == [PublishRecord]
    asked = outputs[0].record  # type: ignore[union-attr]
    assert machine.receive(RecordDelivered(20, asked), second) == [
        AckRecords((20,)),
        OpenSlot(LEASE, is_new=False),
    ]


def test_a_lost_state_is_begun_again_and_said_to_be_lost() -> None:
    machine = claimed(leading())
    assert machine.receive(RecordDelivered(5, StateMissing(FIRST)), NOW) == [
        AckRecords((5,)),
        OpenSlot(LEASE, is_new=False, is_state_lost=True),
    ]


def test_a_deposed_coordinator_resigns() -> None:
    gone = "another coordinator led meanwhile"
    again = RecordDelivered(9, Probe("x/1"), is_redelivered=True)
    assert leading().receive(again, NOW) == [Resign(gone)]
    assert leading().receive(RecordDelivered(9, Token(TERM + 1)), NOW) == [Resign(gone)]


def test_a_coordinator_resigns_whose_records_do_not_come_back() -> None:
    machine = leading()
    machine.receive(StartDelivered(1, START), NOW)
    machine.receive(SlotDeclared(1), NOW)
    assert machine.deadline == NOW + 15.0
    assert machine.receive(DeadlinePassed(), NOW + 15.0) == [
        Resign("what it published to the leases did not come back")
    ]
