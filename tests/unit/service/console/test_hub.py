from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from tests.support.received_events import came, ended, final, partial

from speechmq.console import feed, hub
from speechmq.console.board import Board, Limits
from speechmq.console.feed import HEARTBEAT, RETRY, frames
from speechmq.console.hub import BROWSERS, READ_AT_ONCE, ROWS_A_TICK, Hub, TooMany

Frame = dict[str, Any]


def new_hub(limits: Limits | None = None) -> Hub:
    numbers = itertools.count()
    return Hub(Board(limits or Limits()), lambda: 1000.0, lambda: f"t{next(numbers)}")


class Browser:
    """What a page does with its events."""

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        self.events = events
        self.rows: dict[str, Any] = {}
        self.last_id = ""
        self.frames: list[Frame] = []

    async def take(self) -> Frame:
        async with asyncio.timeout(10):
            lines = (await anext(self.events)).decode().splitlines()
        fields = dict(line.split(": ", 1) for line in lines if line)
        frame: Frame = json.loads(fields["data"])
        self.last_id = fields["id"]
        if frame["reset"]:
            self.rows.clear()
        for key in frame["gone"]:
            del self.rows[key]
        self.rows.update((row["key"], row) for row in frame["rows"])
        self.frames.append(frame)
        return frame


@asynccontextmanager
async def browsing(
    of: Hub, stream_id: str | None = None, last_event_id: str | None = None
) -> AsyncIterator[Browser]:
    events = frames(of, stream_id, last_event_id)
    with of.browser(stream_id):
        assert await anext(events) == RETRY
        yield Browser(events)
    await events.aclose()  # type: ignore[attr-defined]


def texts(browser: Browser) -> list[str]:
    rows = [row for row in browser.rows.values() if "order" in row]
    return [row["text"] for row in sorted(rows, key=lambda row: row["order"])]


def browser_texts(browser: Browser) -> list[str]:
    return [line["text"] for line in browser.rows["s"]["live"]]


async def test_browser_gets_all_streams_and_then_those_that_change() -> None:
    of = new_hub()
    of.take(came(final("a", stream="one")))
    of.take(came(final("b", stream="two")))
    async with browsing(of) as browser:
        of.publish()
        assert (await browser.take())["reset"] is True
        assert set(browser.rows) == {"@console", "one", "two"}
        of.take(came(partial("c", stream="two", segment=2, start=1), 2))
        of.publish()
        frame = await browser.take()
    assert frame["now"] == 1000.0
    assert [(row["key"], row["live"]) for row in frame["rows"]] == [("two", [{"text": "c"}])]


async def test_console_itself_and_what_it_let_go_are_told() -> None:
    of = new_hub(Limits(streams=1))
    of.take(came(final("a", stream="one")))
    async with browsing(of) as browser:
        of.publish()
        await browser.take()
        of.take(came(ended("two")))
        of.tell_broker("lost", "no route; trying again")
        of.publish()
        assert (await browser.take())["gone"] == ["one"]
    assert browser.rows["@console"] == {
        "key": "@console",
        "broker": {"state": "lost", "text": "no route; trying again"},
        "live": 0,
        "over": 1,
        "forgotten": 1,
        "unreadable": 0,
        "problem": None,
    }


async def test_browser_that_comes_back_gets_what_it_missed_and_no_more() -> None:
    of = new_hub()
    of.take(came(final("a", stream="one")))
    of.take(came(final("b", stream="two")))
    async with browsing(of) as browser:
        of.publish()
        await browser.take()
    for seq in range(2, 40):
        of.take(came(final("c", stream="two", segment=seq), seq))
        of.publish()
    async with browsing(of, last_event_id=browser.last_id) as again:
        frame = await again.take()
    assert (frame["reset"], [row["key"] for row in frame["rows"]]) == (False, ["two"])


@pytest.mark.parametrize("last_event_id", ["t0.999", "other.1", "<script>", "t0.x"])
async def test_browser_with_an_id_that_is_not_ours_begins_anew(last_event_id: str) -> None:
    of = new_hub()
    of.publish()
    async with browsing(of, last_event_id=last_event_id) as browser:
        assert (await browser.take())["reset"] is True


async def test_page_has_the_whole_stream_and_goes_on() -> None:
    of = new_hub()
    for n in range(1, 301):  # more than are read at once
        of.take(came(final(f"w{n}.", segment=n, start=2.0 * n), n))
    async with browsing(of, "s") as browser:
        of.publish()
        while len(texts(browser)) < 300:
            await browser.take()
        assert texts(browser) == [f"w{n}." for n in range(1, 301)]
        assert browser.rows["stream"]["id"] == "s"
        of.take(came(partial("next", segment=301, start=602), 301))
        of.publish()
        await browser.take()
        assert browser.rows["saying"]["live"] == [{"text": "next"}]
        of.take(came(final("next", segment=301, start=602), 302))
        of.publish()
        await browser.take()
    assert (texts(browser)[-1], browser.rows["saying"]["live"]) == ("next", [])


async def test_events_that_come_while_a_page_is_read_stand_where_they_belong() -> None:
    of = new_hub()
    for n in range(1, 301):
        of.take(came(final(f"w{n}.", segment=n, start=2.0 * n), n))
    reading = asyncio.create_task(of.page("s"))
    await asyncio.sleep(0)
    of.take(came(final("last", segment=301, start=602), 301))
    of.take(came(ended(), 302))
    rows = await reading
    with of.browser("s"):
        of.publish()
    found = [json.loads(row) for row in rows.since(None, 1000).rows]
    ordered = sorted((row for row in found if "order" in row), key=lambda row: row["order"])
    assert [row["text"] for row in ordered[-2:]] == ["last", "ended after 2.0 s of audio"]


async def test_page_of_a_stream_that_is_not_known_yet_fills_when_it_is() -> None:
    of = new_hub()
    async with browsing(of, "s") as browser:
        of.publish()
        await browser.take()
        assert browser.rows["stream"] == {"key": "stream", "id": None}
        of.take(came(final("hello")))
        of.publish()
        assert (await browser.take())["reset"] is True
        assert texts(browser) == ["hello"]


async def test_page_begins_anew_when_its_id_is_another_stream_s() -> None:
    of = new_hub()
    of.take(came(final("old")))
    of.take(came(ended(), 2))
    async with browsing(of, "s") as browser:
        of.publish()
        await browser.take()
        of.take(came(final("new"), 1, epoch=2))
        of.publish()
        assert (await browser.take())["reset"] is True
        assert texts(browser) == ["new"]


async def test_page_tells_what_was_let_go() -> None:
    of = new_hub(Limits(events=40))
    async with browsing(of, "s") as browser:
        for n in range(1, 42):
            of.take(came(final(f"w{n}.", segment=n, start=2.0 * n), n))
        of.publish()
        await browser.take()
        while len(texts(browser)) != 31:
            of.publish()
            await browser.take()
    assert browser.rows["kept"] == {"key": "kept", "missing": [[1, 10]], "forgotten": 10}


async def test_thousand_streams_come_in_parts_and_all_of_them() -> None:
    of = new_hub()
    for n in range(1000):
        of.take(came(final("a", stream=f"s{n}")))
    async with browsing(of) as browser:
        while len(browser.rows) < 1001:
            of.publish()
            await browser.take()
    assert max(len(frame["rows"]) for frame in browser.frames) <= ROWS_A_TICK
    assert not of.board.changed


async def test_all_browsers_get_the_same_bytes_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    of = new_hub()
    of.take(came(final("a")))
    async with browsing(of) as one, browsing(of) as other:
        of.publish()
        first, second = await anext(one.events), await anext(other.events)
    assert first is second


async def test_slow_browser_costs_nothing_and_gets_the_newest() -> None:
    of = new_hub()
    async with browsing(of) as slow:
        for seq in range(1, 2000):
            of.take(came(partial(f"w{seq}"), seq))
            of.publish()
        frame = await slow.take()
        assert [row["key"] for row in frame["rows"]] == ["@console", "s"]
        assert browser_texts(slow) == ["w1999"]
    assert len(of._frames) <= 2


async def test_quiet_time_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "HEARTBEAT_SECONDS", 0.001)
    of = new_hub()
    async with browsing(of) as browser:
        of.publish()
        await browser.take()
        assert [await anext(browser.events) for _ in range(3)] == [HEARTBEAT] * 3


async def test_closing_ends_what_is_being_sent() -> None:
    of = new_hub()
    async with browsing(of) as browser, asyncio.timeout(10):

        async def drain() -> int:
            return len([frame async for frame in browser.events])

        draining = asyncio.create_task(drain())
        of.publish()
        while of._frames == {}:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)
        of.close()
        assert await draining == 1


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(TooMany):
        yield


async def test_browsers_and_open_pages_are_bounded() -> None:
    of = new_hub()
    stack = [of.browser(f"s{n}") for n in range(READ_AT_ONCE)]
    for one in stack:
        one.__enter__()
    with refused(), of.browser("one more"):
        pass
    with of.browser("s0"):  # another reader of the same costs nothing
        pass
    more = [of.browser(None) for _ in range(BROWSERS - READ_AT_ONCE)]
    for one in more:
        one.__enter__()
    with refused(), of.browser(None):
        pass
    for one in [*stack, *more]:
        one.__exit__(None, None, None)
    assert (of._browsers, dict(of._readers)) == (0, {})


async def test_pages_that_nobody_looks_at_are_let_go() -> None:
    of = new_hub()
    for n in range(hub.IDLE + 3):
        of.take(came(final("a", stream=f"s{n}")))
        async with browsing(of, f"s{n}") as browser:
            of.publish()
            await browser.take()
    assert list(of._watched) == [f"s{n}" for n in range(3, hub.IDLE + 3)]


async def test_nothing_is_worked_out_as_long_as_nobody_looks() -> None:
    of = new_hub()
    ticking = asyncio.create_task(of.tick())
    of.take(came(final("a")))
    await asyncio.sleep(0)
    assert of._rows.version == 0
    async with browsing(of) as browser:
        await browser.take()
        while "s" not in browser.rows:
            await browser.take()
    ticking.cancel()
