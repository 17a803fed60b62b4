"""The shape of a session that the real service recorded, on the same audio.

The recording is no part of the project: ``SPEECHMQ_REFERENCE`` is the folder that has it,
``../shared/reference`` from the project's if unset, and without it these tests are skipped.
"""

import os
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.protocol.emulator.client import Message, only, recognise, spans
from tests.protocol.emulator.sphinx_speech import TESTS, read_wav

from speechmq_emulator.server import Emulator, serve

REFERENCE = Path(
    os.environ.get("SPEECHMQ_REFERENCE") or TESTS.parent.parent / "shared" / "reference"
)
RECORDING = REFERENCE / "audio_01_16kHz.wav"
RECORDED_ENDS = [2.44, 11.08, 17.2, 20.08, 22.6, 24.04]
CONFIG: dict[str, Any] = {
    "max_delay": 0.7,
    "enable_partials": True,
    "diarization": "speaker",
    "conversation_config": {"end_of_utterance_silence_trigger": 0.2},
}

pytestmark = pytest.mark.skipif(not RECORDING.exists(), reason=f"{RECORDING} is not there")


@pytest.fixture
async def messages() -> AsyncIterator[list[Message]]:
    emulator: Emulator
    async with serve("sphinx", workers=1) as emulator:
        yield await recognise(emulator.url, read_wav(RECORDING), chunk=640, **CONFIG)


def ends(messages: list[Message]) -> list[float]:
    return [m["metadata"]["end_time"] for m in only(messages, "EndOfUtterance")]


async def test_shape_is_that_of_the_recording(messages: list[Message]) -> None:
    finals = spans(messages)
    assert ends(messages) == pytest.approx(RECORDED_ENDS, abs=0.3)
    assert all(begin <= end for begin, end in finals)
    assert all(before[1] <= after[1] for before, after in pairwise(finals))
    assert all(abs(after[0] - before[1]) <= 0.1 for before, after in pairwise(finals))
    assert finals[0][0] == 0.0
    assert finals[-1][1] == pytest.approx(27.91, abs=0.01)
    assert_silence_is_covered_in_steps(messages)
    assert_each_utterance_end_is_behind_its_final(messages)


def assert_silence_is_covered_in_steps(messages: list[Message]) -> None:
    """Behind the last utterance, as in the recording; the last step is what is left."""
    silent = [(begin, end) for begin, end in spans(messages) if begin >= 24.2]
    assert len(silent) >= 10
    assert [end - begin for begin, end in silent[:-1]] == pytest.approx(
        [0.36] * (len(silent) - 1), abs=0.02
    )


def assert_each_utterance_end_is_behind_its_final(messages: list[Message]) -> None:
    told = [m for m in messages if m["message"] in {"AddTranscript", "EndOfUtterance"}]
    for final, end in pairwise(told):
        if end["message"] == "EndOfUtterance":
            at = end["metadata"]
            assert at["start_time"] == at["end_time"]
            assert at["end_time"] - final["metadata"]["end_time"] == pytest.approx(0.08, abs=0.02)
            assert final["results"][-1]["type"] == "punctuation"
