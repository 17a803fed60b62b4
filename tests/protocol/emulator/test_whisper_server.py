"""Real recognition by Whisper, where its packages and weights are to be had."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator

import numpy as np
import pytest
from tests.protocol.emulator.client import only, recognise
from tests.protocol.emulator.sphinx_speech import DIALOGUE, read_wav
from tests.support.word_error_rate import word_error_rate, words_of

from speechmq_emulator.server import Emulator, serve
from speechmq_emulator.whisper.download import is_fetched, model_directory

REFERENCE = words_of(
    " ".join(
        line.partition(": ")[2]
        for line in DIALOGUE.with_name("dialogue.txt").read_text().splitlines()
    )
)

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        importlib.util.find_spec("ctranslate2") is None,
        reason="the extra speechmq-emulator[whisper] is not installed",
    ),
    pytest.mark.skipif(
        not is_fetched(model_directory("base")),
        reason="there are no weights: run speechmq-emulator fetch-model base",
    ),
]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve("whisper") as emulator:
        yield emulator


def heard(messages: list[dict[str, object]]) -> list[str]:
    finals = only(messages, "AddTranscript")
    return words_of("".join(final["metadata"]["transcript"] for final in finals))


async def test_sample_is_recognised_with_hardly_an_error(emulator: Emulator) -> None:
    messages = await recognise(emulator.url, read_wav(DIALOGUE), max_delay=2.0)
    assert word_error_rate(REFERENCE, heard(messages)) * len(REFERENCE) <= 3
    spans = [final["metadata"] for final in only(messages, "AddTranscript")]
    starts, ends = [m["start_time"] for m in spans], [m["end_time"] for m in spans]
    assert starts == [0.0, *ends[:-1]]
    assert ends[-1] == pytest.approx(len(read_wav(DIALOGUE)) / 32_000)


async def test_event_loop_goes_on_while_it_decodes(emulator: Emulator) -> None:
    loop = asyncio.get_running_loop()
    longest = 0.0
    session = asyncio.create_task(recognise(emulator.url, read_wav(DIALOGUE)[:200_000]))
    while not session.done():
        begun = loop.time()
        await asyncio.sleep(0.01)
        longest = max(longest, loop.time() - begun)
    assert only(await session, "EndOfTranscript")
    assert longest < 0.3


@pytest.mark.parametrize("kind", ["noise", "silence"])
async def test_nobody_speaks_so_there_is_no_word(emulator: Emulator, kind: str) -> None:
    samples = np.random.default_rng(1).normal(0, 3000 if kind == "noise" else 0, 16_000 * 20)
    messages = await recognise(emulator.url, samples.astype("<i2").tobytes(), max_delay=1.0)
    assert heard(messages) == []


async def test_language_other_than_english_is_taken(emulator: Emulator) -> None:
    messages = await recognise(emulator.url, bytes(32_000), language="de")
    assert messages[-1] == {"message": "EndOfTranscript"}
