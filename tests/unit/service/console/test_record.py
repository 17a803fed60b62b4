from __future__ import annotations

from typing import Any

import pytest
from tests.support.received_events import came, ended, final, partial

from speechmq.commandline.received import Received
from speechmq.console.record import LABELS, LINES, RECENT_FINALS, Record
from speechmq_schemas import (
    AudioGap,
    StreamAccepted,
    StreamDetached,
    StreamFailed,
    StreamInfo,
    StreamResumed,
    StreamStarted,
    StreamWarning,
)

ACCEPTED = StreamAccepted(stream_id="s")
STARTED = StreamStarted(stream_id="s", session_id="1", labels={"agent": "Ann"})
DETACHED = StreamDetached(stream_id="s", reason="drain")
RESUMED = StreamResumed(stream_id="s", session_id="2", origin=0.5, reason="connection_lost")
SUSPENDED = StreamInfo(stream_id="s", code="suspended", reason="silent")
FAILED = StreamFailed(stream_id="s", code="x", reason="y", retryable=False)


def record_of(*received: Received) -> Record:
    record = Record("s", 100.0)
    for number, one in enumerate(received):
        record.apply(one, 100.0 + number)
    return record


def row_of(*received: Received) -> dict[str, Any]:
    return record_of(*received).row()


def test_row_tells_how_a_stream_does() -> None:
    gap = AudioGap(stream_id="s", start_time=1.0, end_time=1.4, first_seq=10, last_seq=13)
    warned = StreamWarning(stream_id="s", code="connection_lost", reason="reset")
    row = row_of(
        came(ACCEPTED, 1, epoch=0),
        came(STARTED, 1, epoch=7),
        came(final("good", "day"), 2, epoch=7),
        came(gap, 3, epoch=7),
        came(warned, 4, epoch=7),
        came(RESUMED, 5, epoch=7),
        came(partial("how", "are", "you", segment=2, start=1.0), 6, epoch=7),
    )
    assert row == {
        "id": "s",
        "state": "live",
        "over": False,
        "epoch": 7,
        "since": 100.0,
        "at": 106.0,
        "heard": 2.5,
        "lag": 1.5,
        "resumes": 1,
        "warnings": 1,
        "gaps": 1,
        "gap_seconds": 0.4,
        "labels": {"agent": "Ann"},
        "news": "recognition resumed at 0.50 s: connection_lost",
        "trouble": False,
        "lines": [{"text": "good day"}],
        "live": [{"text": "how are you"}],
        "translations": [],
    }


@pytest.mark.parametrize(
    ("received", "state"),
    [
        ([came(ACCEPTED, 1, epoch=0)], "waiting"),
        ([came(ACCEPTED, 1, epoch=0), came(STARTED)], "live"),
        ([came(STARTED), came(DETACHED, 2)], "handed over"),
        ([came(STARTED), came(DETACHED, 2), came(RESUMED, 1, epoch=2)], "live"),
        ([came(STARTED), came(SUSPENDED, 2)], "suspended"),
        ([came(STARTED), came(SUSPENDED, 2), came(partial("a"), 3)], "live"),
        ([came(STARTED), came(ended(), 2)], "ended"),
        ([came(STARTED), came(FAILED, 2)], "failed"),
        ([came(FAILED, 1, epoch=0)], "failed"),
        # a late joiner's first event
        ([came(partial("a"), 50)], "live"),
        ([came(StreamWarning(stream_id="s", code="a", reason="b"), 50)], "live"),
        # in whatever order
        ([came(STARTED), came(ACCEPTED, 1, epoch=0)], "live"),
        ([came(RESUMED, 1, epoch=2), came(DETACHED, 2)], "live"),
        ([came(ended(), 9), came(final("a"), 8)], "ended"),
        # a refused start with the id of a live stream
        ([came(STARTED), came(FAILED, 10**18, epoch=0)], "live"),
    ],
)
def test_state_follows_the_order_of_events(received: list[Received], state: str) -> None:
    assert row_of(*received)["state"] == state


def test_lag_is_of_streams_that_go_on() -> None:
    live = [came(partial("a", "b", "c", "d"), 1), came(final("a", "b"), 2)]
    assert row_of(*live)["lag"] == 1.0
    assert row_of(*live, came(ended(seconds=3.0), 3))["lag"] is None
    assert row_of(*live, came(ended(seconds=3.0), 3))["heard"] == 3.0


def test_event_that_comes_twice_is_counted_once() -> None:
    record = record_of(came(RESUMED, 2))
    assert record.apply(came(RESUMED, 2), 200.0) is False
    assert (record.resumes, record.at) == (1, 100.0)


def test_newest_lines_are_those_of_the_whole_transcript() -> None:
    count = 3 * RECENT_FINALS
    finals = [came(final(f"w{n}.", segment=n, start=2.0 * n), n) for n in range(1, count)]
    speaking = came(partial("hm", segment=count, start=2.0 * count), count)
    row = row_of(*finals, speaking)
    texts = [f"w{n}." for n in range(count - LINES, count)]
    assert [line["text"] for line in row["lines"]] == texts
    assert row["live"] == [{"text": "hm"}]


def test_languages_without_spaces_stay_so_when_older_finals_are_let_go() -> None:
    started = StreamStarted.model_validate(
        {"stream_id": "s", "session_id": "1", "language_pack_info": {"word_delimiter": ""}}
    )
    count = RECENT_FINALS + 2
    finals = [came(final("好", segment=n, start=n / 2), n + 1) for n in range(1, count)]
    assert " " not in row_of(came(started), *finals)["lines"][0]["text"]


def test_much_text_and_many_labels_are_cut() -> None:
    labels = {f"name{n}": "x" * 5000 for n in range(100)}
    started = StreamStarted(stream_id="s", session_id="1", labels=labels)
    warned = StreamWarning(stream_id="s", code="c", reason="r" * 5000)
    row = row_of(came(started), came(final("x" * 50_000), 2), came(warned, 3))
    assert len(row["labels"]) == LABELS
    assert {len(text) for text in row["labels"].values()} == {80}
    assert len(row["lines"][0]["text"]) == 282
    assert len(row["news"]) == 281


def test_id_is_used_again_by_another_stream_when_this_one_is_over() -> None:
    record = record_of(came(STARTED), came(ended(), 2))
    assert record.begins_anew(came(ACCEPTED, 77, epoch=0))
    assert record.begins_anew(came(STARTED, 1, epoch=2))
    assert not record.begins_anew(came(ended(), 2))  # comes twice
    assert not record.begins_anew(came(final("late"), 1))
    live = record_of(came(STARTED))
    assert not live.begins_anew(came(ACCEPTED, 77, epoch=0))
