"""A name that nobody ever heard of is recognised once the client has told it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.protocol.emulator.client import connected, recognise, start, transcript
from tests.protocol.emulator.sphinx_speech import INVENTED_NAME, read_wav

from speechmq_emulator.server import Emulator, serve

SENTENCE = "We have a meeting with Zorblat in the evening. "


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve("sphinx", workers=2) as running:
        yield running


async def heard(emulator: Emulator, *vocabulary: Any) -> str:
    audio = read_wav(INVENTED_NAME)
    return transcript(await recognise(emulator.url, audio, additional_vocab=list(vocabulary)))


async def test_invented_name_is_not_recognised_without_vocabulary(emulator: Emulator) -> None:
    text = await heard(emulator)
    assert text.startswith("We have a meeting with")
    assert "Zorblat" not in text


@pytest.mark.parametrize(
    "entry",
    [
        "Zorblat",
        {"content": "Zorblat"},
        {"content": "Zorblat", "sounds_like": ["zore blat"]},
        {"content": "Zorblat", "sounds_like": ["kentucky", "zor blat"]},
    ],
)
async def test_invented_name_is_recognised_with_it(emulator: Emulator, entry: Any) -> None:
    assert await heard(emulator, entry) == SENTENCE


async def test_name_is_written_as_the_client_has_it(emulator: Emulator) -> None:
    entry = {"content": "ZORBlat & Söhne 7", "sounds_like": ["zore blat"]}
    assert await heard(emulator, entry) == SENTENCE.replace("Zorblat", "ZORBlat & Söhne 7")


async def test_name_is_found_among_a_thousand(emulator: Emulator) -> None:
    syllables = ["ba", "ko", "ri", "dun", "gel", "mor", "ti", "zan", "plu", "ster"]
    others = [a + b + c for a in syllables for b in syllables for c in syllables][:999]
    assert await heard(emulator, "Zorblat", *others) == SENTENCE


async def test_vocabulary_is_a_sessions_own(emulator: Emulator) -> None:
    async with connected(emulator.url) as other:
        await start(other, additional_vocab=["Zorblat"])
        assert "Zorblat" not in await heard(emulator)
