from __future__ import annotations

from dataclasses import replace

from tests.support.received_events import came, ended, final, foreign, partial

from speechmq.commandline.received import Received, receive
from speechmq.console.board import Board, Limits
from speechmq.console.kept import OVERHEAD, transcript_of
from speechmq_schemas import AmqpMessage, StreamAccepted, StreamStarted

SMALL = Limits(streams=3, bytes=40_000, events=20, event_bytes=20_000)


def board_of(*received: Received, limits: Limits = SMALL) -> Board:
    board = Board(limits)
    for number, one in enumerate(received):
        board.take(one, float(number))
    return board


def states(board: Board) -> dict[str, str]:
    return {record.stream_id: record.state for record in board}


def total(board: Board) -> int:
    return sum(record.kept.size for record in board)


def test_streams_are_known_from_any_event_on_the_longest_unheard_first() -> None:
    board = board_of(
        came(final("a", stream="one")),
        came(partial("b", stream="two")),
        came(StreamAccepted(stream_id="three"), epoch=0),
        came(final("c", stream="one", segment=2), 2),
        foreign("novelty.final.de.four"),
    )
    assert states(board) == {"two": "live", "three": "waiting", "one": "live"}
    assert list(board.changed) == ["one", "two", "three"]


def test_event_that_comes_twice_changes_nothing() -> None:
    board = board_of(came(partial("a")))
    board.changed.clear()
    assert board.take(came(partial("a")), 9.0) is None
    assert (board.changed, board._records["s"].at) == ({}, 0.0)


def test_what_cannot_be_read_is_counted_and_shown_safely() -> None:
    bad_key = replace(came(final("a")).message, routing_key="transcript.final.<b>\u202e")
    board = board_of(
        receive(AmqpMessage("stream.ended.s", "StreamEnded", b"[]"), 0.0),
        receive(AmqpMessage("x.y.s", "", b"\xff"), 0.0),
        receive(bad_key, 0.0),
        came(final("x" * 30_000)),
    )
    assert (len(board), board.unreadable) == (0, 4)
    assert board.problem is not None
    assert board.problem.startswith("an event of 6")
    board.take(receive(bad_key, 0.0), 0.0)
    assert board.problem == "'<b>\\u202e' is no stream's id"


def test_too_many_streams_cost_those_that_are_over_then_the_silent_ones() -> None:
    board = board_of(
        came(final("a", stream="one")),
        came(ended("two"), 1),
        came(final("a", stream="three")),
        came(final("a", stream="four")),
    )
    assert list(states(board)) == ["one", "three", "four"]
    board.changed.clear()
    board.take(came(final("a", stream="five")), 9.0)
    assert (list(states(board)), board.forgotten) == (["three", "four", "five"], 2)
    assert list(board.changed) == ["five", "one"]


def test_stream_of_many_events_loses_its_oldest_quarter_and_says_so() -> None:
    started = StreamStarted(stream_id="s", session_id="1")
    finals = [came(final(f"w{n}", segment=n), n) for n in range(2, 23)]
    board = board_of(came(started), *finals, limits=replace(SMALL, bytes=10**6))
    record = board.record("s")
    assert record is not None
    assert (len(record.kept), record.kept.forgotten) == (18, 4)
    transcript = transcript_of(iter(record.kept), "s")
    assert transcript.text.split() == [f"w{n}" for n in range(6, 23)]
    assert transcript.missing == [(1, 5)]
    assert next(one.type for one in record.kept) == "StreamStarted"


def test_memory_has_a_bound_and_streams_that_are_over_go_first() -> None:
    limits = replace(SMALL, streams=100, events=1000)
    board = Board(limits)
    board.take(came(ended("over")), 0.0)
    for n in range(1, 200):
        board.take(came(final("x" * 400, segment=n, stream=f"s{n % 7}"), n), 1.0)
        assert total(board) == board._bytes <= limits.bytes
    assert board.record("over") is None
    assert sum(record.kept.forgotten for record in board) > 50


def test_memory_has_a_bound_also_when_nothing_but_starts_come() -> None:
    board = Board(replace(SMALL, streams=1000, bytes=10 * OVERHEAD))
    for n in range(100):
        board.take(came(StreamStarted(stream_id=f"s{n}", session_id="1"), 1), 0.0)
    assert total(board) == board._bytes <= 10 * OVERHEAD
    assert len(board) < 10


def test_event_larger_than_all_that_may_be_kept_does_no_harm() -> None:
    board = board_of(came(final("x" * 300)), limits=replace(SMALL, bytes=100))
    (record,) = board
    assert (len(record.kept), record.kept.forgotten, board._bytes) == (0, 1, 0)


def test_id_that_is_used_again_is_another_stream() -> None:
    board = board_of(came(final("old"), 1), came(ended(), 2))
    before = board.record("s")
    after = board.take(came(StreamAccepted(stream_id="s"), 5, epoch=0), 9.0)
    assert after is not None
    assert after is not before
    assert (after.since, total(board)) == (9.0, board._bytes)


def test_streams_that_were_live_are_told_when_nobody_listened() -> None:
    board = board_of(came(final("a", stream="live")), came(ended("over")))
    for _ in range(2):
        for received in board.missed(12.3):
            assert board.take(received, 50.0) is not None
    live, over = board.record("live"), board.record("over")
    assert live is not None
    assert over is not None
    assert [one.type for one in live.kept] == ["FinalTranscript", "StreamInfo", "StreamInfo"]
    assert live.row()["news"] == (
        "not_listening: the console heard nothing for 12.3 s: what was said then may be missing"
    )
    assert (live.state, len(over.kept)) == ("live", 1)
