"""Two voices are told apart as they come, and a later session knows them by name."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.protocol.emulator.client import Message, only, recognise
from tests.protocol.emulator.sphinx_speech import DIALOGUE, read_wav, turns_of_dialogue

from speechmq_emulator.server import Emulator, serve

LEAST_SHARE = 0.9
"""Of the words; on the sample all are right, and one or two may come out otherwise elsewhere."""


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve("sphinx", workers=2) as running:
        yield running


async def dialogue(emulator: Emulator, **diarization: Any) -> list[Message]:
    return await recognise(
        emulator.url,
        read_wav(DIALOGUE),
        max_delay=0.7,
        diarization="speaker",
        speaker_diarization_config={"get_speakers": True, **diarization},
    )


def labels(messages: list[Message]) -> Counter[tuple[str, str]]:
    """How many words of each speaker of the script got which label."""
    turns = turns_of_dialogue(read_wav(DIALOGUE))
    said: Counter[tuple[str, str]] = Counter()
    for message in only(messages, "AddTranscript"):
        for result in message["results"]:
            middle = (result["start_time"] + result["end_time"]) / 2
            who = [who for who, begin, end in turns if begin <= middle <= end]
            if result["type"] == "word" and who:
                said[who[0], result["alternatives"][0]["speaker"]] += 1
    return said


def share(said: Counter[tuple[str, str]], caller: str, agent: str) -> float:
    return (said["caller", caller] + said["agent", agent]) / said.total()


def identifiers(messages: list[Message]) -> dict[str, list[str]]:
    (told,) = only(messages, "SpeakersResult")
    return {known["label"]: known["speaker_identifiers"] for known in told["speakers"]}


async def test_two_voices_are_told_apart(emulator: Emulator) -> None:
    messages = await dialogue(emulator)
    assert share(labels(messages), "S1", "S2") >= LEAST_SHARE
    assert labels(messages).total() >= 50
    assert list(identifiers(messages)) == ["S1", "S2"]


async def test_later_session_knows_voices_by_name(emulator: Emulator) -> None:
    known = identifiers(await dialogue(emulator))
    speakers = [
        {"label": "Agent", "speaker_identifiers": known["S2"]},
        {"label": "Caller", "speaker_identifiers": known["S1"]},
    ]
    messages = await dialogue(emulator, speakers=speakers)
    assert share(labels(messages), "Caller", "Agent") >= LEAST_SHARE
    assert sorted(identifiers(messages)) == ["Agent", "Caller"]


async def test_voice_that_is_not_known_gets_a_label(emulator: Emulator) -> None:
    known = identifiers(await dialogue(emulator))
    speakers = [{"label": "Agent", "speaker_identifiers": known["S2"]}]
    messages = await dialogue(emulator, speakers=speakers)
    assert share(labels(messages), "S1", "Agent") >= LEAST_SHARE


async def test_unreadable_identifier_is_a_warning(emulator: Emulator) -> None:
    speakers = [{"label": "Agent", "speaker_identifiers": ["nonsense"]}]
    messages = await dialogue(emulator, speakers=speakers)
    (warning,) = only(messages, "Warning")
    assert warning["type"] == "speaker_id"
    assert "'Agent'" in warning["reason"]
    assert share(labels(messages), "S1", "S2") >= LEAST_SHARE


async def test_words_have_no_speaker_without_diarization(emulator: Emulator) -> None:
    messages = await recognise(emulator.url, read_wav(DIALOGUE)[:160_000])
    results = [r for m in only(messages, "AddTranscript") for r in m["results"]]
    assert results
    assert all("speaker" not in result["alternatives"][0] for result in results)
