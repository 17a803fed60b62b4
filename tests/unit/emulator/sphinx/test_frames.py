"""What a worker says arrives as it was said."""

import pytest

from speechmq_emulator.speech.events import (
    Final,
    Mark,
    Partial,
    Transcript,
    UtteranceEnded,
    Word,
)
from speechmq_emulator.sphinx.frames import HEADER, Kind, dump_event, frame, load_event


@pytest.mark.parametrize(
    "event",
    [
        Partial(0.0, 0.5),
        Final(0.1, 0.5, (Word("day", 0.1, 0.4, 0.9), Mark(".", 0.4))),
        UtteranceEnded(2.44),
    ],
)
def test_event_comes_back(event: Transcript) -> None:
    assert load_event(dump_event(event)) == event


def test_frame_has_kind_and_length() -> None:
    data = frame(Kind.AUDIO, b"abc")
    assert HEADER.unpack(data[: HEADER.size]) == (Kind.AUDIO, 3)
    assert data[HEADER.size :] == b"abc"
