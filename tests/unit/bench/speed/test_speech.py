import json
from typing import Any

from bench.speed.chunks import word_stamp
from bench.speed.speech import Pace, Speech


def said(speech: Speech, seconds: float, step: float = 0.1) -> list[dict[str, Any]]:
    heard = [round(number * step, 3) for number in range(1, round(seconds / step) + 1)]
    texts = [speech.hear(at, round(at * 1000)) for at in heard]
    return [json.loads(text) for text in texts if text is not None]


def times(message: dict[str, Any]) -> tuple[str, float, float]:
    metadata = message["metadata"]
    return message["message"], metadata["start_time"], metadata["end_time"]


def test_partials_come_each_half_second_and_finals_each_one_and_a_half() -> None:
    assert [times(one) for one in said(Speech(), 3.0)] == [
        ("AddPartialTranscript", 0.0, 0.5),
        ("AddPartialTranscript", 0.0, 1.0),
        ("AddTranscript", 0.0, 0.8),
        ("AddPartialTranscript", 0.8, 2.0),
        ("AddPartialTranscript", 0.8, 2.5),
        ("AddTranscript", 0.8, 2.3),
    ]


def test_speech_with_a_lead_has_its_first_final_earlier() -> None:
    assert [times(one) for one in said(Speech(lead=0.7), 2.5)] == [
        ("AddPartialTranscript", 0.0, 0.3),
        ("AddTranscript", 0.0, 0.1),
        ("AddPartialTranscript", 0.1, 1.3),
        ("AddPartialTranscript", 0.1, 1.8),
        ("AddTranscript", 0.1, 1.6),
    ]


def test_pace_is_kept_where_a_final_is_no_multiple_of_a_partial() -> None:
    kinds = [one["message"] for one in said(Speech(pace=Pace(0.2, 0.7)), 7.0)]
    assert (kinds.count("AddTranscript"), kinds.count("AddPartialTranscript")) == (10, 30)


def test_final_before_which_nothing_is_certain_is_empty() -> None:
    (first,) = said(Speech(lead=1.3), 0.2)
    assert (times(first), first["results"]) == (("AddTranscript", 0.0, 0.0), [])


def test_last_final_covers_all_that_was_heard() -> None:
    speech = Speech()
    said(speech, 1.5)
    assert times(json.loads(speech.end(1.9, 1))) == ("AddTranscript", 0.8, 1.9)


def test_words_fill_their_transcript_and_tell_when_it_was_said() -> None:
    text = Speech().end(1.0, 12345)
    results = json.loads(text)["results"]
    assert [(one["start_time"], one["end_time"]) for one in results] == [
        (0.0, 0.33),
        (0.33, 0.67),
        (0.67, 1.0),
    ]
    assert word_stamp(text.encode()) == 12345
