"""Reports of an engine, as the messages that a client gets."""

from typing import Any

import pytest
from tests.unit.emulator.protocol.sessions import recognising_session, session_with_channels

from speechmq_emulator.protocol.errors import WarningType
from speechmq_emulator.protocol.outputs import Send
from speechmq_emulator.protocol.replies import Report
from speechmq_emulator.protocol.session import Session
from speechmq_emulator.speech.events import (
    AudioEventEnded,
    AudioEventStarted,
    Entity,
    Final,
    Mark,
    Notice,
    Partial,
    Recorded,
    TranslatedSentence,
    Translation,
    UtteranceEnded,
    Word,
)


def sent(session: Session, report: Report, channel: str | None = None) -> Any:
    (output,) = session.recognised(report, channel)
    assert isinstance(output, Send)
    return output.message


def word(content: str, start_time: float, end_time: float, **alternative: Any) -> dict[str, Any]:
    return {
        "alternatives": [{"confidence": 1.0, "content": content, "language": "en", **alternative}],
        "end_time": end_time,
        "start_time": start_time,
        "type": "word",
    }


def mark(content: str, at: float, **alternative: Any) -> dict[str, Any]:
    return {
        "alternatives": [{"confidence": 1.0, "content": content, "language": "en", **alternative}],
        "attaches_to": "previous",
        "end_time": at,
        "is_eos": True,
        "start_time": at,
        "type": "punctuation",
    }


def test_final_bears_words_marks_and_a_text_to_append() -> None:
    final = Final(0.2, 1.0, (Word("Good", 0.3, 0.6, 0.9), Word("day", 0.6, 0.9), Mark(".", 0.9)))
    assert sent(recognising_session(), final) == {
        "message": "AddTranscript",
        "format": "2.9",
        "results": [
            word("Good", 0.3, 0.6, confidence=0.9),
            word("day", 0.6, 0.9),
            mark(".", 0.9),
        ],
        "metadata": {"end_time": 1.0, "start_time": 0.2, "transcript": "Good day. "},
    }


def test_fields_come_in_the_order_of_recorded_sessions() -> None:
    message = sent(recognising_session(diarization="speaker"), Final(0, 1, (Word("Good", 0, 1),)))
    (result,) = message["results"]
    assert list(message) == ["message", "format", "results", "metadata"]
    assert list(message["metadata"]) == ["end_time", "start_time", "transcript"]
    assert list(result) == ["alternatives", "end_time", "start_time", "type"]
    assert list(result["alternatives"][0]) == ["confidence", "content", "language", "speaker"]


def test_empty_final_has_an_empty_text() -> None:
    assert sent(recognising_session(), Final(0.0, 0.36)) == {
        "message": "AddTranscript",
        "format": "2.9",
        "results": [],
        "metadata": {"end_time": 0.36, "start_time": 0.0, "transcript": ""},
    }


def test_partial_text_has_no_trailing_delimiter() -> None:
    partial = Partial(0.0, 0.5, (Word("hello", 0.1, 0.4),))
    assert sent(recognising_session(), partial) == {
        "message": "AddPartialTranscript",
        "format": "2.9",
        "results": [word("hello", 0.1, 0.4)],
        "metadata": {"end_time": 0.5, "start_time": 0.0, "transcript": "hello"},
    }


def test_text_of_a_language_without_spaces_has_none() -> None:
    session = recognising_session(language="ja")
    message = sent(session, Final(0, 1, (Word("今日", 0, 0.5), Word("は", 0.5, 1), Mark("。", 1))))
    assert message["metadata"]["transcript"] == "今日は。"


def test_words_of_a_multilingual_session_are_english() -> None:
    session = recognising_session(language="multi", model="melia-1")
    message = sent(session, Final(0, 1, (Word("hi", 0, 1),)))
    assert message["results"] == [word("hi", 0, 1)]


def test_end_of_utterance_takes_no_time() -> None:
    assert sent(recognising_session(), UtteranceEnded(2.44)) == {
        "message": "EndOfUtterance",
        "format": "2.9",
        "metadata": {"end_time": 2.44, "start_time": 2.44},
    }


def test_what_was_forced_says_so() -> None:
    session = recognising_session()
    reports: list[Report] = [
        Final(0, 1, forced=True),
        Partial(1, 1, forced=True),
        UtteranceEnded(1, forced=True),
    ]
    assert [sent(session, report)["forced"] for report in reports] == [True, True, True]


def test_messages_of_a_channel_name_it() -> None:
    session = session_with_channels("a", "b")
    reports: list[Report] = [
        Final(0, 1),
        Partial(1, 1),
        UtteranceEnded(1),
        AudioEventStarted("music", 1, 0.5),
        AudioEventEnded("music", 2),
    ]
    assert [sent(session, report, "b")["channel"] for report in reports] == ["b"] * 5


@pytest.mark.parametrize("diarization", ["speaker", "channel_and_speaker"])
def test_words_and_marks_bear_their_speaker(diarization: str) -> None:
    labels: dict[str, Any] = (
        {"channel_diarization_labels": ["a"]} if diarization != "speaker" else {}
    )
    session = recognising_session(diarization=diarization, **labels)
    results = (Word("hello", 0.1, 0.4, speaker="S1"), Word("there", 0.4, 0.5), Mark("!", 0.5))
    message = sent(session, Final(0.0, 0.5, results), next(iter(session.channels)))
    assert message["results"] == [
        word("hello", 0.1, 0.4, speaker="S1"),
        word("there", 0.4, 0.5, speaker="UU"),
        mark("!", 0.5, speaker="UU"),
    ]


def test_words_bear_no_speaker_where_none_is_asked_for() -> None:
    message = sent(recognising_session(), Final(0, 1, (Word("hello", 0, 1, speaker="S1"),)))
    assert message["results"] == [word("hello", 0, 1)]


def test_word_bears_its_tags_and_its_volume() -> None:
    spoken = Word("hm", 0, 1, tags=("disfluency",), volume=61.5)
    message = sent(recognising_session(), Final(0, 1, (spoken,)))
    assert message["results"] == [word("hm", 0, 1, tags=["disfluency"]) | {"volume": 61.5}]


def test_entity_bears_how_it_was_spoken_and_how_it_is_written() -> None:
    spoken = (Word("twenty", 1, 1.5, 0.9, volume=40.0), Word("one", 1.5, 2))
    entity = Entity("21", 1, 2, "number", spoken, (Word("21", 1, 2),), 0.9, volume=50.0)
    message = sent(recognising_session(), Final(0, 2, (Word("page", 0, 1), entity)))
    assert message["metadata"]["transcript"] == "page 21 "
    assert message["results"][1] == {
        "alternatives": [{"confidence": 0.9, "content": "21", "language": "en"}],
        "end_time": 2,
        "entity_class": "number",
        "spoken_form": [word("twenty", 1, 1.5, confidence=0.9), word("one", 1.5, 2)],
        "start_time": 1,
        "type": "entity",
        "volume": 50.0,
        "written_form": [word("21", 1, 2)],
    }


def test_settled_translation_names_its_speakers() -> None:
    session = recognising_session(diarization="speaker")
    sentences = (TranslatedSentence("Hallo", 0.1, 0.4, "S1"), TranslatedSentence("du", 0.4, 1))
    assert sent(session, Translation("de", sentences, final=True)) == {
        "message": "AddTranslation",
        "format": "2.9",
        "language": "de",
        "results": [
            {"content": "Hallo", "start_time": 0.1, "end_time": 0.4, "speaker": "S1"},
            {"content": "du", "start_time": 0.4, "end_time": 1, "speaker": "UU"},
        ],
    }


def test_partial_translation_names_no_speaker_and_no_channel() -> None:
    config: dict[str, Any] = {
        "diarization": "channel_and_speaker",
        "channel_diarization_labels": ["a"],
    }
    session = recognising_session(**config)
    translation = Translation("de", (TranslatedSentence("Hallo", 0.1, 0.4, "S1"),), final=False)
    assert sent(session, translation, "a") == {
        "message": "AddPartialTranslation",
        "format": "2.9",
        "language": "de",
        "results": [{"content": "Hallo", "start_time": 0.1, "end_time": 0.4}],
    }


def test_audio_events_bear_their_time() -> None:
    session = recognising_session()
    assert sent(session, AudioEventStarted("music", 1.5, 0.75)) == {
        "message": "AudioEventStarted",
        "event": {"type": "music", "start_time": 1.5, "confidence": 0.75},
    }
    assert sent(session, AudioEventEnded("music", 2.5)) == {
        "message": "AudioEventEnded",
        "event": {"type": "music", "end_time": 2.5},
    }


def test_notice_is_a_warning() -> None:
    notice = Notice(WarningType.SPEAKER_ID, "No such voice")
    assert sent(recognising_session(), notice) == {
        "message": "Warning",
        "type": "speaker_id",
        "reason": "No such voice",
    }


def test_recorded_message_is_sent_as_it_was() -> None:
    message = {"message": "AddTranscript", "format": "2.7", "results": [], "anything": 1}
    assert sent(recognising_session(), Recorded(message)) == message
