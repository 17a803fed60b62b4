from dataclasses import replace

from tests.support.streams import LIMITS, chunk, end

from speechmq.core.audio.rejections import End, Rejection, after_end
from speechmq.core.audio.sequencer import REMEMBERED_GAPS, Place, Sequencer
from speechmq.core.values.checkpoint import Checkpoint, Gap
from speechmq.core.values.inputs import ChunkDelivered, EndDelivered
from speechmq.core.values.timers import Timers


def new_sequencer(expected: int, *gaps: Gap, max_missing: int = 1000) -> Sequencer:
    limits = replace(LIMITS, max_missing=max_missing)
    return Sequencer(limits, Timers(), Checkpoint(next_seq=expected, gaps=gaps))


def taken(sequencer: Sequencer) -> list[int]:
    seqs = []
    while (delivery := sequencer.take(0.0)) is not None:
        seqs.append(delivery.seq)
    return seqs


def test_sequencer_gives_out_what_follows_and_holds_what_is_early() -> None:
    sequencer = new_sequencer(1)
    assert [sequencer.offer(chunk(seq), 0.0) for seq in (3, 1, 2)] == [
        Place.EARLY,
        Place.IN_ORDER,
        Place.EARLY,
    ]
    assert taken(sequencer) == [1, 2, 3]
    assert sequencer.expected == 4


def test_sequencer_tells_repeats_of_what_was_taken_and_of_what_is_held() -> None:
    sequencer = new_sequencer(1)
    sequencer.offer(chunk(1), 0.0)
    taken(sequencer)
    sequencer.offer(chunk(3), 0.0)
    assert [sequencer.offer(chunk(seq), 0.0) for seq in (1, 3)] == [
        Place.DUPLICATE,
        Place.DUPLICATE,
    ]


def test_hole_lies_between_the_expected_and_the_earliest_held() -> None:
    sequencer = new_sequencer(2)
    sequencer.offer(chunk(7), 0.0)
    sequencer.offer(end(5), 0.0)
    assert sequencer.hole() == (2, 4)
    assert sequencer.next_held() == end(5)


def test_message_of_a_gap_is_late_also_when_a_predecessor_declared_it() -> None:
    sequencer = new_sequencer(1, Gap(4, 5, 0, 1))
    sequencer.give_up(Gap(1, 2, 0, 1))
    assert [sequencer.offer(chunk(seq), 0.0) for seq in (1, 2, 4, 5)] == [Place.LATE] * 4
    assert sequencer.expected == 3


def test_old_gaps_are_forgotten() -> None:
    sequencer = new_sequencer(1)
    for seq in range(1, REMEMBERED_GAPS + 2):
        sequencer.give_up(Gap(seq, seq, 0, 1))
    assert sequencer.offer(chunk(1), 0.0) is Place.DUPLICATE
    assert sequencer.offer(chunk(2), 0.0) is Place.LATE


def test_end_rejects_what_is_held_in_order() -> None:
    sequencer = new_sequencer(1)
    held: list[ChunkDelivered | EndDelivered] = [chunk(9), end(4)]
    for one in held:
        sequencer.offer(one, 0.0)
    over = End(last_seq=3, resume_seq=3)
    assert sequencer.end_with(over) == [after_end(end(4), over), after_end(chunk(9), over)]
    assert not sequencer.has_hole


def test_what_follows_the_end_is_rejected_and_not_held() -> None:
    sequencer = new_sequencer(1)
    over = End(last_seq=3, resume_seq=3)
    sequencer.end_with(over)
    assert sequencer.offer(chunk(4), 0.0) == Rejection(
        chunk(4).tag, "after_end", "message 4 came behind the stream's end, message 3"
    )
    assert not sequencer.has_hole


def test_chunk_too_far_ahead_is_rejected_and_the_furthest_one_is_held() -> None:
    sequencer = new_sequencer(1, max_missing=10)
    assert [sequencer.offer(chunk(seq), 0.0) for seq in (12, 11)] == [
        Rejection(chunk(12).tag, "seq_too_far", "message 12 is too far ahead: 1 is the next"),
        Place.EARLY,
    ]


def test_repeats_count_only_what_came_since_the_owner_began() -> None:
    sequencer = new_sequencer(5)
    sequencer.offer(chunk(5), 0.0)
    taken(sequencer)
    for seq in (4, 5, 5):
        sequencer.offer(chunk(seq), 0.0)
    assert sequencer.repeats == 2
