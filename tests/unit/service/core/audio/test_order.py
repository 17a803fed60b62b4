from tests.support.streams import chunk, end

from speechmq.core.audio.order import REMEMBERED_GAPS, Order, Place
from speechmq.core.values.checkpoint import Gap
from speechmq.core.values.inputs import ChunkDelivered, EndDelivered


def taken(order: Order) -> list[int]:
    seqs = []
    while (delivery := order.take()) is not None:
        seqs.append(delivery.seq)
    return seqs


def test_order_gives_out_what_follows_and_holds_what_is_early() -> None:
    order = Order(1)
    assert [order.offer(chunk(seq)) for seq in (3, 1, 2)] == [
        Place.EARLY,
        Place.IN_ORDER,
        Place.EARLY,
    ]
    assert taken(order) == [1, 2, 3]
    assert order.expected == 4


def test_order_tells_repeats_of_what_was_taken_and_of_what_is_held() -> None:
    order = Order(1)
    order.offer(chunk(1))
    taken(order)
    order.offer(chunk(3))
    assert [order.offer(chunk(seq)) for seq in (1, 3)] == [Place.DUPLICATE, Place.DUPLICATE]


def test_hole_lies_between_the_expected_and_the_earliest_held() -> None:
    order = Order(2)
    order.offer(chunk(7))
    order.offer(end(5))
    assert order.hole() == (2, 4)
    assert order.next_held() == end(5)


def test_message_of_a_gap_is_late_also_when_a_predecessor_declared_it() -> None:
    order = Order(1, [Gap(4, 5, 0, 1)])
    order.give_up(Gap(1, 2, 0, 1))
    assert [order.offer(chunk(seq)) for seq in (1, 2, 4, 5)] == [Place.LATE] * 4
    assert order.expected == 3


def test_old_gaps_are_forgotten() -> None:
    order = Order(1)
    for seq in range(1, REMEMBERED_GAPS + 2):
        order.give_up(Gap(seq, seq, 0, 1))
    assert order.offer(chunk(1)) is Place.DUPLICATE
    assert order.offer(chunk(2)) is Place.LATE


def test_drop_held_lets_go_in_order() -> None:
    order = Order(1)
    held: list[ChunkDelivered | EndDelivered] = [chunk(9), end(4)]
    for one in held:
        order.offer(one)
    assert order.drop_held() == [end(4), chunk(9)]
    assert not order.has_hole
