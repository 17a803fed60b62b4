"""Words are settled in time or by agreement, and what is settled is never contradicted."""

from speechmq_emulator.speech.events import Word
from speechmq_emulator.whisper.commitment import Commitment
from speechmq_emulator.whisper.hypothesis import HeardWord


def heard(content: str, start: float, end: float) -> HeardWord:
    return HeardWord(Word(content, start, end))


THE, NEW, BRIDGE = heard("the", 0.0, 0.2), heard("new", 0.2, 0.5), heard("bridge", 0.5, 1.0)


def test_nothing_is_settled_before_it_is_due() -> None:
    assert Commitment(max_delay=2.0).settle([THE, NEW], now=1.5) == []


def test_due_word_takes_stable_ones_along() -> None:
    commitment = Commitment(max_delay=1.0)
    assert commitment.settle([THE, NEW, BRIDGE], now=1.2) == [THE, NEW]
    assert commitment.until == 0.5


def test_two_decodes_that_agree_settle_a_word_before_it_is_due() -> None:
    commitment = Commitment(max_delay=4.0)
    assert commitment.settle([THE, NEW, BRIDGE], now=1.1) == []
    assert commitment.settle([THE, NEW, BRIDGE], now=1.2) == [THE, NEW]


def test_decodes_that_differ_settle_nothing_after_the_difference() -> None:
    commitment = Commitment(max_delay=4.0)
    commitment.settle([THE, heard("knew", 0.2, 0.5), BRIDGE], now=1.1)
    assert commitment.settle([THE, NEW, BRIDGE], now=1.5) == [THE]


def test_new_utterance_agrees_with_no_earlier_one() -> None:
    commitment = Commitment(max_delay=4.0)
    commitment.settle([THE, NEW], now=1.1)
    commitment.begin()
    assert commitment.settle([THE, NEW], now=1.2) == []


def test_settled_word_is_not_repeated_when_a_later_decode_hears_it_later() -> None:
    commitment = Commitment(max_delay=1.0)
    assert commitment.settle([THE, NEW], now=1.2) == [THE, NEW]
    again = [heard("The", 0.4, 0.7), heard("new", 0.7, 0.9), BRIDGE]
    assert commitment.open_words(again, known=[THE, NEW]) == [BRIDGE]


def test_word_said_twice_is_open_once_after_its_first_time_is_settled() -> None:
    commitment = Commitment(max_delay=1.0)
    twice = [heard("very", 0.0, 0.3), heard("very", 0.3, 0.6)]
    assert commitment.settle(twice[:1], now=1.2) == twice[:1]
    assert commitment.open_words(twice, known=twice[:1]) == twice[1:]


def test_settled_words_are_not_contradicted_by_a_later_hypothesis() -> None:
    commitment = Commitment(max_delay=0.7)
    commitment.settle([THE, NEW], now=1.2)
    assert commitment.open_words([heard("thin", 0.0, 0.6), BRIDGE]) == [BRIDGE]


def test_next_decode_comes_when_the_oldest_open_word_is_due() -> None:
    commitment = Commitment(max_delay=1.0)
    assert commitment.next_decode([BRIDGE], now=1.2) == 2.0
    assert commitment.next_decode([THE], now=1.2) == 1.2 + 0.4
    assert Commitment(max_delay=4.0).next_decode([BRIDGE], now=1.2) == 1.2 + 3.0
