"""The sample's real speech, recognised by the emulator's PocketSphinx, through everything."""

from __future__ import annotations

import wave
from itertools import pairwise
from pathlib import Path

import pytest
from tests.e2e.test_streams import is_clean
from tests.support.broker import Namespace
from tests.support.speaker import speaking
from tests.support.word_error_rate import word_error_rate, words_of
from tests.support.worker import running_worker

from speechmq_emulator.server import serve
from speechmq_schemas import EndOfUtterance, FinalTranscript

SAMPLES = Path(__file__).parents[2] / "samples"
TURNS = [line.partition(": ")[2] for line in (SAMPLES / "dialogue.txt").read_text().splitlines()]
REFERENCE = words_of(" ".join(TURNS))

pytestmark = pytest.mark.timeout(240)


async def test_sample_becomes_captions(namespace: Namespace) -> None:
    with wave.open(str(SAMPLES / "dialogue-16k-mono.wav")) as file:
        rate, audio = file.getframerate(), file.readframes(file.getnframes())
    seconds = len(audio) / 2 / rate
    async with (
        serve("sphinx", workers=1) as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        trigger = {"end_of_utterance_silence_trigger": 0.2}
        await speaker.start("call", sample_rate=rate, max_delay=2.0, conversation_config=trigger)
        await speaker.say_audio("call", audio, sample_rate=rate, speed=2.0)
        await speaker.ears.until_over("call", within=120.0)
        await namespace.wait_for_queues(is_clean)
    ears = speaker.ears
    assert word_error_rate(REFERENCE, words_of(" ".join(ears.words("call")))) <= 0.15
    assert upstream.sessions[0].audio_seconds == pytest.approx(seconds)

    kinds = [type(event).__name__ for event in ears.of("call")]
    assert kinds[:2] == ["StreamAccepted", "StreamStarted"]
    assert kinds[-1] == "StreamEnded"
    assert set(kinds[2:-1]) == {"PartialTranscript", "FinalTranscript", "EndOfUtterance"}
    finals: list[FinalTranscript] = ears.of("call", "FinalTranscript")
    ends = [0.0, *(final.end_time for final in finals)]
    assert all(earlier < later for earlier, later in pairwise(ends))
    assert all(
        final.start_time == pytest.approx(end, abs=0.11)
        for final, end in zip(finals, ends[:-1], strict=True)
    )
    assert ends[-1] == pytest.approx(seconds, abs=0.5)
    turns: list[EndOfUtterance] = ears.of("call", "EndOfUtterance")
    assert len(turns) == len(TURNS) - 1  # the last turn is ended by the stream, not by a pause
