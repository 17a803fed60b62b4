"""What waits for the broker: in order, superseded where it may be, and counted."""

from __future__ import annotations

import pytest

from speechmq.core.values.events import (
    EndOfUtterance,
    Event,
    PartialTranscript,
    PartialTranslation,
)
from speechmq.core.values.outputs import DeadLetter, Publish
from speechmq.worker.outbox import MAX_WAITING, Backlog, Entry, Outbox


def outbox(limit: int = 1000, stream_limit: int = 100, share: int = 10) -> Outbox:
    return Outbox(room=0, backlog=Backlog(limit, stream_limit, share))


def entry(event: Event, seq: int, size: int = 10) -> Entry:
    return Entry(Publish(event, seq, confirm=isinstance(event, EndOfUtterance)), bytes(size))


def partial(channel: str | None = None) -> PartialTranscript:
    said = PartialTranscript("s", 0, 0.0, 1.0, "hello ", [])
    return said if channel is None else PartialTranscript("s", 0, 0.0, 1.0, "x ", [], channel="a")


def translation(language: str) -> PartialTranslation:
    return PartialTranslation("s", language, [])


def taken(outbox: Outbox) -> list[int]:
    found = []
    while not outbox.is_empty:
        work = outbox.take().work
        assert isinstance(work, Publish)
        found.append(work.seq)
        outbox.done()
    return found


def test_waiting_partial_is_superseded_by_the_next_of_its_channel_or_language() -> None:
    waiting = outbox()
    events: list[Event] = [
        partial(),
        translation("de"),
        EndOfUtterance("s", 1.0, 1.0),
        partial("a"),
        partial(),
        translation("fr"),
        translation("de"),
    ]
    for seq, event in enumerate(events, start=1):
        waiting.put(entry(event, seq))
    assert (waiting.held, taken(waiting), waiting.held) == (50, [3, 4, 5, 6, 7], 0)


def test_partial_that_is_being_published_is_not_superseded() -> None:
    waiting = outbox()
    waiting.put(entry(partial(), 1))
    first = waiting.take()
    waiting.put(entry(partial(), 2))
    waiting.put(entry(partial(), 3))
    held = waiting.held
    waiting.done()
    assert (first.work, held, taken(waiting)) == (Publish(partial(), 1, confirm=False), 20, [3])


def test_order_of_everything_else_is_kept_and_nothing_is_left_out() -> None:
    waiting = outbox(stream_limit=10_000)
    for seq in range(1, MAX_WAITING + 1):
        waiting.put(entry(EndOfUtterance("s", 1.0, 1.0), seq))
    assert waiting.is_full
    assert taken(waiting) == [*range(1, MAX_WAITING + 1)]
    assert not waiting.is_full


def test_stream_is_over_its_bound_whatever_the_others_have() -> None:
    waiting = outbox(stream_limit=100)
    waiting.put(entry(EndOfUtterance("s", 1.0, 1.0), 1, size=100))
    within = waiting.is_over_bound
    waiting.put(Entry(DeadLetter(1, "too_large", "")))
    waiting.put(entry(EndOfUtterance("s", 1.0, 1.0), 2, size=1))
    assert (within, waiting.is_over_bound) == (False, True)


def test_stream_may_have_an_equal_share_of_a_backlog_that_is_full() -> None:
    """So the streams that have most are those that fail."""
    backlog = Backlog(limit=150, stream_limit=100, share=10)
    greedy, other, modest = Outbox(backlog), Outbox(backlog), Outbox(backlog)
    for one, size in ((greedy, 90), (other, 55), (modest, 10)):
        one.put(entry(EndOfUtterance("s", 1.0, 1.0), 1, size=size))
    over = [one.is_over_bound for one in (greedy, other, modest)]
    greedy.clear()
    assert over == [True, True, False]
    assert (backlog.held, other.is_over_bound, greedy.held) == (65, False, 0)


def test_what_a_stream_leaves_is_no_longer_counted() -> None:
    waiting = outbox()
    waiting.put(entry(EndOfUtterance("s", 1.0, 1.0), 1))
    waiting.put(entry(EndOfUtterance("s", 1.0, 1.0), 2))
    waiting.take()
    waiting.clear()
    waiting.done()
    assert (waiting.held, waiting.backlog.held, waiting.is_empty) == (0, 0, True)
    with pytest.raises(IndexError):
        waiting.take()


def test_partials_are_all_kept_while_there_is_room() -> None:
    waiting = Outbox(Backlog(1000, 100, 50), room=20)
    waiting.put(entry(partial(), 1))
    waiting.put(entry(partial(), 2))
    whole = waiting.held
    waiting.put(entry(partial(), 3))
    assert (whole, taken(waiting)) == (20, [3])
