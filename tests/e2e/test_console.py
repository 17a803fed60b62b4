"""The console in a real browser: RabbitMQ, a worker and the emulator behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys
from tests.support.broker import Namespace
from tests.support.chromium import DESKTOP, PHONE, Browser, Chromium, browsing, chromium_or_skip
from tests.support.console import request_for, running_console
from tests.support.received_events import final, partial
from tests.support.scripted_worker import ScriptedWorker, scripted_worker
from tests.support.speaker import Speaker, speaking, start_of
from tests.support.worker import running_worker

from speechmq_emulator.faults import FaultBook
from speechmq_emulator.server import serve
from speechmq_schemas import FinalTranslation, StreamStarted, StreamWarning, TranslationConfig

pytestmark = pytest.mark.timeout(240)

NUMBERS = list(range(500, 560))


@pytest.fixture(scope="session")
def chromium() -> Chromium:
    return chromium_or_skip()


# What was a partial at some time, looked at by the page itself: a test that asks now and then could
# be too slow for it.
REMEMBER_PARTIALS = """
window.partials = new Set();
new MutationObserver(() => {
  for (const one of document.querySelectorAll(".partial .text"))
    one.textContent.split(" ").forEach((word) => window.partials.add(word));
}).observe(document.body, { childList: true, subtree: true, characterData: true });
"""
# Words that were partials and now are final.
MATURED = """
const said = [...document.querySelectorAll(arguments[0])].map((one) => one.textContent).join(" ");
return said.split(" ").filter((word) => window.partials.has(word));
"""
WIDER_THAN_THE_WINDOW = "return document.documentElement.scrollWidth - window.innerWidth"
# Lightness of the text, its place's and their contrast, as WCAG counts it.
COLOURS = """
const lightness = (colour) => {
  const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((one) => one / 255)
    .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const back = (element) => {
  const colour = getComputedStyle(element).backgroundColor;
  return colour === "rgba(0, 0, 0, 0)" ? back(element.parentElement) : colour;
};
return arguments[0].map((selector) => {
  const element = document.querySelector(selector);
  const [text, behind] = [getComputedStyle(element).color, back(element)].map(lightness);
  return [selector, behind, (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05)];
});
"""


@asynccontextmanager
async def pipeline(namespace: Namespace, faults: FaultBook) -> AsyncIterator[tuple[Speaker, str]]:
    """Everything that a stream needs, and the console's URL."""
    async with (
        serve("ledger", faults=faults) as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
        running_console(request_for(namespace.url)) as console,
    ):
        yield speaker, console.url


async def open_connected(page: Browser, url: str) -> None:
    await page.open(url)
    await page.until("return document.querySelector('#connection').dataset.state === 'connected'")


START = start_of("call-1", diarization="speaker").model_copy(
    update={
        "translation_config": TranslationConfig(target_languages=["de"], enable_partials=True),
        "labels": {"queue": "reservations"},
    }
)


async def test_stream_is_seen_live_with_its_partials_finals_and_its_resume(
    namespace: Namespace, chromium: Chromium
) -> None:
    book = FaultBook()
    async with pipeline(namespace, book) as (speaker, url), browsing(chromium) as page:
        await page.resize(DESKTOP)
        await open_connected(page, url)
        await page.run(REMEMBER_PARTIALS)
        await speaker.send("call-1", START)
        saying = asyncio.create_task(speaker.say("call-1", NUMBERS[:30], speed=1, finish=False))
        await page.until(MATURED, "#live .final .text")
        await page.press("/", "call", Keys.ESCAPE, Keys.TAB)
        assert await page.run("return document.activeElement.textContent") == "call-1"
        await page.press(Keys.ENTER)
        await page.until("return location.pathname === '/streams/call-1'")
        await page.run(REMEMBER_PARTIALS)
        await page.until(MATURED, ".passage .text")
        book.add("drop now")
        next_seq = await saying
        await page.until("return document.querySelector('[data-mark=resumed]')?.textContent")
        await speaker.say("call-1", NUMBERS[30:], first_seq=next_seq + 3, speed=3)  # 3 are lost
        await page.until("return document.body.dataset.state === 'ended'")
        said = await page.until(SAID, wanted=lambda texts: "w559" in " ".join(texts))
        marks = await page.texts(".mark .text")
        translations = await page.texts(".passage .translation .text")
        saved = await page.run(SAVED)
        assert await page.complaints() == []
    words = [word.strip(".") for text in said for word in text.split()]
    assert words == [f"w{number}" for number in NUMBERS]
    assert [word.strip(".") for word in saved.split() if word != "S1:"] == words
    assert marks[0] == "accepted"
    assert any(mark.startswith("recognition resumed at ") for mark in marks)
    assert "no audio from 6.00 s to 6.30 s (chunks 61 to 63)" in marks
    assert marks[-1].startswith("ended after 12.3 s of audio")
    assert "w559" in " ".join(translations)


SAID = "return [...document.querySelectorAll('.passage .said > .text')].map((e) => e.textContent)"
SAVED = "return fetch(document.querySelector('#files a').href).then((answer) => answer.text())"


TONES = ["h1", ".count", ".name", ".figures dt", ".figures dd", ".final .text", ".partial .text"]
PAGE_TONES = ["h1", ".connection", ".files a", ".time", ".said", ".partial .text", ".mark .text"]


async def test_pages_fit_desktop_and_phone_in_light_and_dark(
    namespace: Namespace, chromium: Chromium
) -> None:
    async with scripted(namespace) as (worker, url), browsing(chromium) as page:
        await open_connected(page, url)
        long = "x" * 300
        for event in (
            final("good", long, "day", stream="one"),
            StreamWarning(stream_id="one", code="connection_lost", reason=long),
            partial("and", long, segment=2, start=2, stream="one"),
            final("a", stream="n" * 128),
        ):
            await worker.publish(event)
        await page.until("return document.querySelectorAll('.card').length === 2")
        for path, tones in (("/", TONES), ("/streams/one", PAGE_TONES)):
            await open_connected(page, url + path)
            await say_again(worker, page)
            for size in (DESKTOP, PHONE):
                await page.resize(size)
                assert await page.run(WIDER_THAN_THE_WINDOW) <= 0, (path, size)
            for scheme, is_light in (("light", True), ("dark", False)):
                await page.prefer(scheme)
                for selector, behind, contrast in await page.run(COLOURS, tones):
                    assert (behind > 0.5) is is_light, (selector, scheme)
                    assert contrast >= 4.5, (selector, scheme, contrast)


async def say_again(worker: ScriptedWorker, page: Browser) -> None:
    """A page shows partials from the next one on."""
    await worker.publish(partial("and", "on", segment=2, start=2, stream="one"))
    await page.until("return document.querySelector('.partial .text')?.textContent")


@asynccontextmanager
async def scripted(namespace: Namespace) -> AsyncIterator[tuple[ScriptedWorker, str]]:
    async with (
        scripted_worker(namespace.url) as worker,
        running_console(request_for(namespace.url)) as console,
    ):
        yield worker, console.url


def ends_with(last: str) -> Callable[[Any], bool]:
    return lambda text: text is not None and text.endswith(last)


WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries())
    window.shifts.push(one.sources.map((source) => source.node?.parentElement?.outerHTML ?? "?"));
}).observe({ type: "layout-shift" });
"""


async def test_nothing_jumps_while_partials_change(
    namespace: Namespace, chromium: Chromium
) -> None:
    async with scripted(namespace) as (worker, url), browsing(chromium) as page:
        await page.resize(PHONE)
        await open_connected(page, url)
        for stream in ("one", "two"):
            await worker.publish(final("good", "day", stream=stream))
        await page.until("return document.querySelectorAll('.card').length === 2")
        for path in ("/", "/streams/one"):
            await open_connected(page, url + path)
            await page.until("return document.body.innerText.includes('good day')")
            await page.run(WATCH_SHIFTS)
            for count in (1, 5, 20, 60, 3, 200, 1):
                words = [f"{path.count('/')}w{count}"] * count
                await worker.publish(partial(*words, segment=2, start=2, stream="one"))
                await page.until(
                    "return document.querySelector('.partial .text')?.textContent",
                    wanted=ends_with(words[-1]),
                )
            await page.run("return new Promise((done) => requestAnimationFrame(() => done()))")
            assert await page.run("return window.shifts") == [], path


HOSTILE = (
    "<script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'>",
    "</div></li></ol><h1>owned</h1>",
    "\u202e\u2067drow siht\u202c",
    "javascript:window.hurt=1",
    "A" + "\u0301" * 500,
    "{{7*7}}${7*7}",
)


async def test_hostile_words_stay_words(namespace: Namespace, chromium: Chromium) -> None:
    async with scripted(namespace) as (worker, url), browsing(chromium) as page:
        await page.resize(PHONE)
        await open_connected(page, url)
        started = StreamStarted(
            stream_id="one", session_id="1", labels={HOSTILE[0]: HOSTILE[1], "b": HOSTILE[2]}
        )
        long = [f"word{n}" for n in range(10_000)]
        for event in (
            started,
            StreamWarning(stream_id="one", code=HOSTILE[0], reason=HOSTILE[2]),
            final(*HOSTILE, stream="one"),
            final(*long, segment=2, start=10, stream="one"),
            FinalTranslation.model_validate(
                {
                    "stream_id": "one",
                    "language": HOSTILE[0],
                    "results": [{"content": HOSTILE[1], "start_time": 0, "end_time": 1}],
                }
            ),
            partial(*HOSTILE, segment=3, start=20_000, stream="one"),
        ):
            await worker.publish(event)
        await page.until("return document.querySelector('.partial .text')?.textContent")
        assert await page.run(WIDER_THAN_THE_WINDOW) <= 0
        assert await page.run(FOREIGN_ELEMENTS) == 0
        await open_connected(page, f"{url}/streams/one")
        texts = await page.until(SAID, wanted=lambda texts: len(texts) == 68)
        assert texts[0] == " ".join(HOSTILE)
        assert texts[-1].endswith("word9999")
        assert await page.texts(".passage .translation .text") == [HOSTILE[1]]
        assert await page.run(WIDER_THAN_THE_WINDOW) <= 0
        assert await page.run(FOREIGN_ELEMENTS) == 0
        assert await page.run("return window.hurt ?? null") is None
        # A mark that turns text round stays within its own line.
        name = await page.run("return getComputedStyle(document.querySelector('h1')).direction")
        assert name == "ltr"
        assert await page.complaints() == []


# Of a kind that the pages never make, or with code in them.
FOREIGN_ELEMENTS = (
    "return document.querySelectorAll("
    "'img, iframe, object, script:not([src]), [onerror], [style], h1 ~ h1, li h1').length"
)


async def test_thousand_streams_can_be_looked_through(
    namespace: Namespace, chromium: Chromium
) -> None:
    async with scripted(namespace) as (worker, url), browsing(chromium) as page:
        await page.resize(DESKTOP)
        await open_connected(page, url)
        for n in range(1000):
            await worker.publish(final(f"number{n}", stream=f"call-{n:04}"))
        await page.until("return document.querySelectorAll('.card').length === 1000")
        await page.press("/", "call-0777")
        shown = "return [...document.querySelectorAll('.card:not([hidden]) .name')]"
        names = await page.until(
            f"{shown}.map((e) => e.textContent)", wanted=lambda names: len(names) == 1
        )
        assert names == ["call-0777"]
        assert await page.texts("#count") == ["1 shown of 1000 live, 0 over"]
        await page.press(Keys.ESCAPE)
        await page.until(f"{shown}.length === 1000")
        assert await page.complaints() == []


async def test_page_says_when_the_console_is_gone(namespace: Namespace, chromium: Chromium) -> None:
    async with scripted_worker(namespace.url), browsing(chromium) as page:
        async with running_console(request_for(namespace.url)) as console:
            await open_connected(page, console.url)
        text = await page.until(
            "return document.querySelector('#connection[data-state=lost]')?.textContent"
        )
    assert text == "not connected: the console cannot be reached; trying again"
