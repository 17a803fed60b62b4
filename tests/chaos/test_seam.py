"""Real speech across a lost connection: nothing but the word at the seam may differ."""

from __future__ import annotations

import wave
from difflib import SequenceMatcher
from pathlib import Path

import pytest
from tests.support.broker import Namespace
from tests.support.speaker import speaking
from tests.support.word_error_rate import words_of
from tests.support.worker import running_worker

from speechmq_emulator.faults import FaultBook
from speechmq_emulator.server import serve

SAMPLE = Path(__file__).parents[2] / "samples" / "dialogue-16k-mono.wav"
# In the midst of a sentence.
DROP_AT = 9.3
MAX_DELAY = 2.0

pytestmark = pytest.mark.timeout(300)


async def heard(namespace: Namespace, stream_id: str, book: FaultBook) -> list[str]:
    """The sample's words."""
    with wave.open(str(SAMPLE)) as file:
        rate, audio = file.getframerate(), file.readframes(file.getnframes())
    async with (
        serve("sphinx", workers=1, faults=book) as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        await speaker.start(stream_id, sample_rate=rate, max_delay=MAX_DELAY)
        await speaker.say_audio(stream_id, audio, sample_rate=rate, speed=2.0)
        await speaker.ears.until_over(stream_id, within=120.0)
    resumed = speaker.ears.of(stream_id, "StreamResumed")
    assert [one.reason for one in resumed] == ["upstream_lost"] * len(book.fired)
    return words_of(" ".join(speaker.ears.words(stream_id)))


def differing(undisturbed: list[str], disturbed: list[str]) -> list[tuple[list[str], list[str]]]:
    """What stands in each place where they differ."""
    matcher = SequenceMatcher(a=undisturbed, b=disturbed, autojunk=False)
    return [
        (undisturbed[a:b], disturbed[c:d])
        for tag, a, b, c, d in matcher.get_opcodes()
        if tag != "equal"
    ]


async def test_words_differ_by_one_at_most_when_the_connection_is_lost_in_mid_sentence(
    namespace: Namespace,
) -> None:
    undisturbed = await heard(namespace, "calm", FaultBook())
    book = FaultBook([f"drop at={DROP_AT}s times=1"])
    disturbed = await heard(namespace, "lost", book)
    assert len(book.fired) == 1
    seams = differing(undisturbed, disturbed)
    assert sum(max(len(was), len(now)) for was, now in seams) <= 1, seams
