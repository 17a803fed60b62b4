from __future__ import annotations

import json

from tests.support.received_events import came, final, partial

from speechmq.console.record import Record
from speechmq.console.watched import BATCH, Pace, Watched


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_work_that_takes_long_rests_ten_times_as_long() -> None:
    clock, done = Clock(), []
    pace = Pace(clock)

    def work() -> None:
        done.append(clock.now)
        clock.now += 0.5

    for tick in range(1, 200):
        clock.now = max(clock.now, tick / 4)
        pace.is_due = True
        pace.go(work)
    assert done == [0.25, 5.75, 11.25, 16.75, 22.25, 27.75, 33.25, 38.75, 44.25, 49.75]


def test_work_is_done_only_when_it_is_due() -> None:
    done: list[int] = []
    pace = Pace(Clock())
    for _ in range(3):
        pace.go(lambda: done.append(1))
    assert done == [1]


def record_of(count: int) -> Record:
    record = Record("s", 0.0)
    for n in range(1, count + 1):
        record.apply(came(final(f"w{n}.", segment=n, start=2.0 * n), n), float(n))
    return record


def texts(watched: Watched) -> list[str]:
    rows = map(json.loads, watched.rows.since(None, 10_000).rows)
    found = sorted((row for row in rows if "order" in row), key=lambda row: row["order"])
    return [row["text"] for row in found]


def test_what_was_kept_is_read_in_parts_and_shown_when_all_of_it_is() -> None:
    record = record_of(2 * BATCH)
    watched = Watched(record, "t", Clock())
    reads = []
    while not watched.catch_up():
        watched.refresh()
        reads.append(len(texts(watched)))
    watched.refresh()
    assert (reads, len(texts(watched))) == ([0, 0], 2 * BATCH)


def test_page_follows_and_knows_when_it_is_of_another_stream() -> None:
    record = record_of(3)
    watched = Watched(record, "t", Clock())
    assert watched.catch_up()
    watched.refresh()
    watched.hear(came(partial("hm", segment=4, start=8), 4))
    watched.refresh()
    saying = [json.loads(row) for row in watched.rows.since(None, 99).rows if '"saying"' in row]
    assert saying == [{"key": "saying", "live": [{"text": "hm"}], "translations": []}]
    watched.hear(came(final("hm", segment=4, start=8), 5))
    watched.refresh()
    assert texts(watched) == ["w1.", "w2.", "w3.", "hm"]
    assert watched.is_of(record)
    assert not watched.is_of(record_of(3))
    record.kept.forget(1)
    assert not watched.is_of(record)
