"""What a worker says arrives as it was said."""

import pytest

from speechmq_emulator.protocol.errors import ErrorType, WarningType
from speechmq_emulator.speech.events import (
    AudioEventEnded,
    AudioEventStarted,
    Entity,
    Failed,
    Final,
    Heard,
    Mark,
    Notice,
    Partial,
    Recorded,
    Speakers,
    SpeakerVoices,
    TranslatedSentence,
    Translation,
    UtteranceEnded,
    Word,
)
from speechmq_emulator.sphinx.frames import (
    HEADER,
    Kind,
    dump_event,
    dump_time,
    frame,
    load_event,
    load_time,
)

FIVE = Word("five", 0.1, 0.4, 0.9, "S1", 12.5, ("disfluency", "profanity"))
ENTITY = Entity("5", 0.1, 0.4, "cardinal", (FIVE,), (Word("5", 0.1, 0.4),), 0.9, "S1", 1.0)
MARK = Mark(",", 0.4, ends_sentence=False, speaker="S2")


@pytest.mark.parametrize(
    "event",
    [
        Partial(0.0, 0.5),
        Final(0.1, 0.5, (FIVE, MARK, ENTITY), forced=True),
        UtteranceEnded(2.44, forced=True),
        Translation("de", (TranslatedSentence("fünf", 0.1, 0.4, "S1"),), final=True),
        AudioEventStarted("music", 1.0, 0.75),
        AudioEventEnded("music", 2.5),
        Speakers((SpeakerVoices("S1", ("AQ==", "Ag==")),), final=True),
        Notice(WarningType.SPEAKER_ID, "an identifier is damaged"),
        Recorded({"message": "AddTranscript", "results": [{"start_time": 0.1}]}),
        Failed("no audio", ErrorType.INVALID_AUDIO_TYPE),
    ],
)
def test_event_comes_back(event: Heard | Failed) -> None:
    assert load_event(dump_event(event)) == event


def test_enum_members_come_back_as_such() -> None:
    notice = load_event(dump_event(Notice(WarningType.SPEAKER_ID, "damaged")))
    assert isinstance(notice, Notice)
    assert notice.type is WarningType.SPEAKER_ID


@pytest.mark.parametrize("at", [None, 0.0, 0.1, 1234.567891])
def test_time_comes_back(at: float | None) -> None:
    assert load_time(dump_time(at)) == at


def test_frame_has_kind_and_length() -> None:
    data = frame(Kind.AUDIO, b"abc")
    assert HEADER.unpack(data[: HEADER.size]) == (Kind.AUDIO, 3)
    assert data[HEADER.size :] == b"abc"
