"""Makes the pictures of docs/console.md: the sample, recognised by the emulator, in Chromium.

Run as ``python -m scripts.generate_console_pictures`` from the checkout; takes about a minute.
"""

from __future__ import annotations

import asyncio
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.support.chromium import DESKTOP, PHONE, Browser, browsing, find_chromium
from tests.support.console import request_for, running_console
from tests.support.speaker import Speaker, speaking, start_of
from tests.support.worker import running_worker

from speechmq.dev.rabbitmq import private_broker
from speechmq_emulator.faults import FaultBook
from speechmq_emulator.server import serve
from speechmq_schemas import TranslationConfig

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "console"
SAMPLE = ROOT / "samples" / "dialogue-16k-mono.wav"
STREAMS = {"call-0041": {"queue": "reservations"}, "call-0042": {"queue": "support"}}


@asynccontextmanager
async def pipeline(faults: FaultBook) -> AsyncIterator[tuple[Speaker, str]]:
    async with (
        private_broker(report=print) as broker,
        serve("sphinx", faults=faults) as upstream,
        running_worker(broker.url, upstream.url),
        speaking(broker.url) as speaker,
        running_console(request_for(broker.url)) as console,
    ):
        yield speaker, console.url


async def say_sample(speaker: Speaker, stream_id: str) -> None:
    with wave.open(str(SAMPLE)) as sample:
        rate, audio = sample.getframerate(), sample.readframes(sample.getnframes())
    translation = TranslationConfig(target_languages=["de"], enable_partials=True)
    start = start_of(stream_id, sample_rate=rate, diarization="speaker").model_copy(
        update={"translation_config": translation, "labels": STREAMS[stream_id]}
    )
    await speaker.send(stream_id, start)
    await speaker.say_audio(stream_id, audio, sample_rate=rate, speed=1)


async def take_pictures(page: Browser, url: str, faults: FaultBook) -> None:
    await page.resize(DESKTOP)
    await page.prefer("light")
    await page.open(url)
    # Where a sentence is being said, and enough has been said before.
    speaking_now = "return document.querySelectorAll('.card .partial .text').length >= 2"
    await page.until("return document.querySelectorAll('.card .final').length >= 5")
    await page.until(speaking_now)
    await page.picture(PICTURES / "overview-light.png")
    faults.add("drop now")  # both: which of the two sessions is whose is not known here
    await page.open(f"{url}/streams/{next(iter(STREAMS))}")
    await page.until("return document.querySelector('[data-mark=resumed]')?.textContent")
    await page.until("return document.querySelector('#saying')?.textContent.length > 12")
    await page.picture(PICTURES / "stream-light.png")
    await page.resize(PHONE)
    await page.picture(PICTURES / "phone-light.png")
    await page.prefer("dark")
    await page.open(url)
    await page.until(speaking_now)
    await page.picture(PICTURES / "phone-dark.png")


async def main() -> int:
    chromium = find_chromium()
    if chromium is None:
        print("needs Chromium and chromedriver (Debian: apt-get install chromium chromium-driver)")
        return 1
    PICTURES.mkdir(exist_ok=True)
    faults = FaultBook()
    async with pipeline(faults) as (speaker, url), browsing(chromium) as page:
        saying = asyncio.gather(*(say_sample(speaker, one) for one in STREAMS))
        await take_pictures(page, url, faults)
        saying.cancel()
        with suppress(asyncio.CancelledError):
            await saying
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
