"""Words become settled in time, and what is settled is never contradicted."""

from speechmq_emulator.speech.events import Word
from speechmq_emulator.sphinx.commitment import Commitment

THE = Word("the", 0.0, 0.2)
NEW = Word("new", 0.2, 0.5)
BRIDGE = Word("bridge", 0.5, 1.0)
NOW = Word("now", 1.0, 1.6)


def settled(words: list[Word]) -> list[tuple[str, float, float]]:
    return [(word.content, word.start, word.end) for word in words]


def test_nothing_is_settled_before_it_is_due() -> None:
    assert Commitment(max_delay=1.0).settle([THE, NEW], now=1.05) == []


def test_word_is_settled_a_little_before_its_deadline() -> None:
    commitment = Commitment(max_delay=1.0)
    assert settled(commitment.settle([THE, NEW], now=1.1)) == [("the", 0.0, 0.2)]
    assert commitment.until == 0.2


def test_stable_words_go_along_with_a_due_one() -> None:
    commitment = Commitment(max_delay=1.0)
    words = commitment.settle([THE, NEW, BRIDGE], now=1.2)
    assert settled(words) == [("the", 0.0, 0.2), ("new", 0.2, 0.5)]


def test_long_delay_waits_for_half_of_it() -> None:
    commitment = Commitment(max_delay=2.0)
    assert commitment.settle([THE, NEW, BRIDGE, NOW], now=2.0) == []
    words = commitment.settle([THE, NEW, BRIDGE, NOW], now=2.1)
    assert settled(words) == [("the", 0.0, 0.2), ("new", 0.2, 0.5), ("bridge", 0.5, 1.0)]


def test_settled_words_are_not_contradicted_by_a_later_hypothesis() -> None:
    commitment = Commitment(max_delay=0.7)
    commitment.settle([THE, NEW], now=1.2)
    knew = Word("thin", 0.0, 0.6)
    assert commitment.open_words([knew, Word("ridge", 0.6, 1.0)]) == [Word("ridge", 0.6, 1.0)]


def test_word_across_the_border_begins_at_it() -> None:
    commitment = Commitment(max_delay=0.7)
    commitment.cover(0.3)
    assert commitment.open_words([Word("new", 0.2, 0.6)]) == [Word("new", 0.3, 0.6)]


def test_cover_never_goes_back() -> None:
    commitment = Commitment(max_delay=0.7)
    commitment.cover(0.3)
    commitment.cover(0.1)
    assert commitment.until == 0.3


def test_confidence_is_the_share_of_hypotheses_that_agree() -> None:
    commitment = Commitment(max_delay=1.0)
    commitment.settle([Word("a", 0.0, 0.2)], now=0.3)
    commitment.settle([THE], now=0.4)
    commitment.settle([THE], now=0.5)
    (word,) = commitment.settle([THE, NEW], now=1.1)
    assert word.confidence == 0.75


def test_idle_reaches_to_the_first_word_that_may_still_change() -> None:
    commitment = Commitment(max_delay=1.0)
    assert commitment.idle_until([], now=3.0) == 2.1
    assert commitment.idle_until([Word("new", 1.5, 2.6)], now=3.0) == 1.5
    commitment.cover(2.5)
    assert commitment.idle_until([], now=3.0) == 2.5
