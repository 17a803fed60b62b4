import pytest
from tests.support.received_events import came, ended, final, foreign, partial, word

from speechmq.commandline.pacing import SendTimes
from speechmq.commandline.summary import Summary, Tally
from speechmq_schemas import FinalTranscript


def sent_live(seconds: float) -> SendTimes:
    """Chunks of 0.1 s, the first at 10 s, each when the one before is over."""
    times = SendTimes(0.1)
    for n in range(round(seconds * 10)):
        times.note(10 + n / 10)
    return times


def test_summary_of_nothing_says_so() -> None:
    summary = Tally(SendTimes(0.1)).summary()
    assert summary == Summary(0, 0, 0, None, None, {})
    assert summary.rows() == [
        ("words", "0"),
        ("finals", "0, 0 with words"),
        ("first partial", "none came"),
        ("final, median", "none came"),
        ("events", "none"),
    ]


def test_first_partial_latency_begins_when_its_first_word_was_sent() -> None:
    tally = Tally(sent_live(5))
    tally.add(came(partial(), 1, at=10.5))
    # The first word ends at 0.4 s: in the fourth chunk, sent at 10.3 s.
    tally.add(came(partial("good", "morning"), 2, at=11.0))
    tally.add(came(partial("good", "morning", "all"), 3, at=99.0))
    assert tally.summary().first_partial_latency == pytest.approx(0.7)


def test_final_latency_begins_when_its_last_word_was_sent() -> None:
    tally = Tally(sent_live(5))
    # The second word ends at 0.9 s: in the ninth chunk, sent at 10.8 s.
    tally.add(came(final("good", "morning"), 1, at=12.0))
    assert tally.summary().median_final_latency == pytest.approx(1.2)


def test_median_is_over_the_finals_that_have_words() -> None:
    tally = Tally(sent_live(5))
    for seq, at in enumerate((10.5, 10.8, 19.3), start=1):
        tally.add(came(final("x", segment=seq), seq, at=at))
    tally.add(came(final(segment=4, start=1), 4, at=400.0))
    summary = tally.summary()
    assert (summary.finals, summary.finals_with_words) == (4, 3)
    assert summary.median_final_latency == pytest.approx(0.5)


def test_words_are_counted_without_punctuation() -> None:
    results = [
        word("Hi", 0, 0.2),
        word("42", 0.3, 0.5, "entity"),
        word(".", 0.5, 0.5, "punctuation"),
    ]
    event = FinalTranscript.model_validate(final().model_dump() | {"results": results})
    tally = Tally(sent_live(1))
    tally.add(came(event))
    assert tally.summary().words == 2


def test_latency_of_the_last_word_ignores_the_punctuation_behind_it() -> None:
    results = [word("Hi", 0, 0.1), word(".", 2, 3, "punctuation")]
    event = FinalTranscript.model_validate(final().model_dump() | {"results": results})
    tally = Tally(sent_live(5))
    tally.add(came(event, at=11.0))
    assert tally.summary().median_final_latency == pytest.approx(1.0)


def test_event_that_comes_twice_counts_once() -> None:
    tally = Tally(sent_live(1))
    for _ in range(2):
        tally.add(came(final("a", "b"), 7, at=11.0))
    assert (tally.summary().words, tally.summary().finals) == (2, 1)


def test_events_are_counted_by_kind_in_alphabetical_order() -> None:
    tally = Tally(sent_live(1))
    for received in (came(partial("a"), 1), foreign(), came(final("a"), 2), came(ended(), 3)):
        tally.add(received)
    counts = list(tally.summary().events.items())
    kinds = ["FinalNovelty", "FinalTranscript", "PartialTranscript", "StreamEnded"]
    assert counts == [(kind, 1) for kind in kinds]


def test_rows_say_what_each_figure_counts_from() -> None:
    summary = Summary(12, 9, 3, 0.314, 1.25, {"FinalTranscript": 9, "StreamEnded": 1})
    assert summary.rows() == [
        ("words", "12"),
        ("finals", "9, 3 with words"),
        ("first partial", "0.31 s after its first word"),
        ("final, median", "1.25 s after its last word"),
        ("events", "FinalTranscript 9, StreamEnded 1"),
    ]
