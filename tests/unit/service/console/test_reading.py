from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support.received_events import came, ended, final, foreign, partial, word

from speechmq.commandline.received import Received
from speechmq.console.reading import (
    MARKS,
    PARTIAL_CHARACTERS,
    PASSAGE_WORDS,
    PASSAGE_WORDS_AT_MOST,
    Reading,
    end_of_text,
)
from speechmq_schemas import (
    AudioEventStarted,
    AudioGap,
    FinalTranscript,
    FinalTranslation,
    PartialTranslation,
    StreamAccepted,
    StreamFailed,
    StreamResumed,
    StreamWarning,
)


def read(*received: Received) -> Reading:
    reading = Reading("s")
    for one in received:
        reading.apply(one)
    return reading


def entries(reading: Reading) -> list[dict[str, Any]]:
    """As the page orders them."""
    return sorted(reading.entries().values(), key=lambda entry: entry["order"])


def shown(reading: Reading) -> list[str]:
    return [f"[{e['mark']}] {e['text']}" if "mark" in e else e["text"] for e in entries(reading)]


def voices(*said: tuple[str, str], segment: int = 1, **more: Any) -> FinalTranscript:
    """Words with their speakers, one a second."""
    results = []
    for n, (text, speaker) in enumerate(said):
        results.append(word(text, n, n + 0.9))
        results[-1]["alternatives"][0]["speaker"] = speaker
    text = " ".join(text for text, _ in said)
    return FinalTranscript.model_validate(
        {
            "stream_id": "s",
            "segment_id": segment,
            "start_time": 0,
            "end_time": len(said),
            "transcript": text,
            "results": results,
            **more,
        }
    )


def translated(language: str, *texts: str, start: float = 0.0, partly: bool = False) -> Any:
    model = PartialTranslation if partly else FinalTranslation
    sentences = [
        {"content": text, "start_time": start + n, "end_time": start + n + 1}
        for n, text in enumerate(texts)
    ]
    return model.model_validate({"stream_id": "s", "language": language, "results": sentences})


RESUMED = StreamResumed(stream_id="s", session_id="2", origin=0.5, reason="connection_lost")
GAP = AudioGap(stream_id="s", start_time=2.0, end_time=2.4, first_seq=20, last_seq=23)


def test_partial_becomes_its_final() -> None:
    reading = read(came(partial("good", "mor"), 1))
    assert (reading.live(), shown(reading)) == ([{"text": "good mor"}], [])
    reading.apply(came(final("good", "morning"), 2))
    assert (reading.live(), shown(reading)) == ([], ["good morning"])


def test_passages_bear_time_and_voice_and_a_new_one_begins_with_each_speaker() -> None:
    reading = read(came(voices(("hi", "S1"), ("there", "S1"), ("hello", "S2"))))
    assert reading.entries() == {
        "p1.0.000": {"order": [0.0, 1, 1], "at": 0.0, "text": "hi there", "speaker": "S1"},
        "p1.2.000": {"order": [2.0, 1, 1], "at": 2.0, "text": "hello", "speaker": "S2"},
    }


def test_channel_of_a_later_contract_is_shown_and_parts_passages() -> None:
    left = voices(("hi", "S1"), channel="left")
    right = final("yes", segment=2, start=1).model_copy(update={"channel": "right"})
    reading = read(came(left, 1), came(right, 2))
    assert [(one.get("channel"), one["text"]) for one in entries(reading)] == [
        ("left", "hi"),
        ("right", "yes"),
    ]


def test_resume_stands_where_it_happened_and_parts_what_was_said_around_it() -> None:
    first, second = final("one", "two"), final("three", "four", segment=2, start=1)
    reading = read(came(first, 1), came(RESUMED, 2), came(second, 3))
    assert shown(reading) == [
        "one two",
        "[resumed] recognition resumed at 0.50 s: connection_lost",
        "three four",
    ]
    assert [one["at"] for one in entries(reading)] == [0.0, 1.0, 1.0]


def test_gap_stands_at_its_time_however_late_it_is_told() -> None:
    before, behind = final("a", start=1.5), final("b", segment=2, start=2.5)
    reading = read(came(before, 1), came(behind, 2), came(GAP, 3))
    assert shown(reading) == [
        "a",
        "[gap] no audio from 2.00 s to 2.40 s (chunks 20 to 23)",
        "b",
    ]
    assert [one.get("trouble") for one in entries(reading)] == [None, True, None]


def test_marks_at_one_time_keep_the_order_in_which_they_came() -> None:
    warned = StreamWarning(stream_id="s", code="connection_lost", reason="reset")
    sound = AudioEventStarted.model_validate(
        {"stream_id": "s", "event": {"type": "music", "start_time": 1.0, "confidence": 0.9}}
    )
    reading = read(
        came(StreamAccepted(stream_id="s"), 1, epoch=0), came(warned, 1), came(RESUMED, 2)
    )
    reading.apply(came(sound, 3))
    assert [one["mark"] for one in entries(reading)] == ["accepted", "warning", "resumed", "sound"]


def test_event_that_comes_twice_counts_once() -> None:
    reading = read(*[came(RESUMED, 2)] * 3, *[came(final("a"), 3)] * 2)
    assert len(reading.entries()) == 2


def test_another_stream_s_name_in_the_body_puts_no_words_here() -> None:
    failed = StreamFailed(stream_id="x<y", code="invalid_field", reason="no", retryable=False)
    reading = read(came(final("foreign", stream="t")), came(failed, 2), foreign())
    assert shown(reading) == ["[failed] failed, invalid_field: no"]


def test_translations_stand_with_the_passage_in_which_their_sentence_begins() -> None:
    reading = read(
        came(voices(("Hi.", "S1"), ("Yes.", "S2")), 1),
        came(translated("de", "Hallo.", "Ja."), 2),
        came(translated("fr", "Oui.", start=1.2), 3),
        came(translated("de", "Hallo.", "Ja."), 2, epoch=2),
    )
    assert [one["translations"] for one in entries(reading)] == [
        [{"language": "de", "text": "Hallo."}],
        [{"language": "de", "text": "Ja."}, {"language": "fr", "text": "Oui."}],
    ]


def test_partial_translation_is_replaced_by_the_final_one() -> None:
    reading = read(came(translated("de", "Hal", partly=True), 1))
    assert reading.live_translations() == [{"language": "de", "text": "Hal"}]
    reading.apply(came(translated("de", "Hallo."), 2))
    assert reading.live_translations() == []
    reading.apply(came(translated("de", "Hal", partly=True), 1))  # late
    assert reading.live_translations() == []


def test_translation_without_any_words_of_the_stream_waits_for_them() -> None:
    reading = read(came(translated("de", "Hallo."), 2))
    assert entries(reading) == []
    reading.apply(came(final("hi"), 1))
    assert entries(reading)[0]["translations"] == [{"language": "de", "text": "Hallo."}]


def test_end_of_the_stream_ends_what_is_being_said() -> None:
    reading = read(came(partial("hm"), 1), came(translated("de", "hm", partly=True), 2))
    reading.apply(came(ended(), 3))
    assert (reading.live(), reading.live_translations()) == ([], [])


def test_long_passage_is_cut_behind_a_sentence_or_at_the_latest_somewhere() -> None:
    endless = [f"w{n}" for n in range(10_000)]
    sizes = [len(one["text"].split()) for one in entries(read(came(final(*endless))))]
    assert sizes == [PASSAGE_WORDS_AT_MOST] * 66 + [100]
    sentence = voices(*[(f"w{n}", "S1") for n in range(PASSAGE_WORDS + 10)])
    sentence.results[PASSAGE_WORDS + 4] = sentence.results[PASSAGE_WORDS + 4].model_copy(
        update={"is_eos": True}
    )
    sizes = [len(one["text"].split()) for one in entries(read(came(sentence)))]
    assert sizes == [PASSAGE_WORDS + 5, 5]


def test_of_a_long_partial_the_newest_words_are_shown() -> None:
    reading = read(came(partial(*[f"w{n}" for n in range(10_000)])))
    (line,) = reading.live()
    assert line["text"].startswith("… w9")
    assert line["text"].endswith(" w9999")
    assert len(line["text"]) <= PARTIAL_CHARACTERS + 2
    assert end_of_text("x" * 50, 10) == "… " + "x" * 10


def test_marks_are_bounded_and_the_newest_stay() -> None:
    warned = StreamWarning(stream_id="s", code="late_chunk", reason="late")
    reading = read(*(came(warned, seq) for seq in range(MARKS + 5)))
    keys = list(reading.entries())
    assert len(keys) == MARKS
    assert keys[-1] == f"m1.{MARKS + 4}.StreamWarning"


def test_passages_that_begin_together_are_two() -> None:
    both = voices(("a", "S1"), ("b", "S2"))
    both.results[1] = both.results[1].model_copy(update={"start_time": 0.0})
    assert shown(read(came(both))) == ["a", "b"]


def test_text_has_no_control_character_and_is_else_as_it_was_said() -> None:
    said = "\u202e<script>\x00\x1b[31m\u200d"
    assert shown(read(came(final(said)))) == ["\u202e<script>\ufffd\ufffd[31m\u200d"]


EVENTS = [
    came(final("one", "two"), 1),
    came(partial("three", segment=2, start=1), 2),
    came(final("three", segment=2, start=1), 3),
    came(translated("de", "eins"), 4),
    came(final("other", segment=2, start=1), 1, epoch=2),
    came(translated("de", "zwei", start=1), 2, epoch=2),
]


@given(st.permutations(EVENTS), st.integers(0, 5))
def test_words_and_translations_are_the_same_in_any_order(
    order: list[Received], twice: int
) -> None:
    reading = read(*order, order[twice])
    assert [(one["text"], one.get("translations")) for one in entries(reading)] == [
        ("one two other", [{"language": "de", "text": "eins zwei"}])
    ]


def test_keys_stay_while_a_passage_grows() -> None:
    reading = Reading("s")
    seen = []
    for n, text in enumerate(["a", "b", "c"]):
        reading.apply(came(final(text, segment=n + 1, start=n / 2), n + 1))
        seen.append([(key, one["text"]) for key, one in reading.entries().items()])
    assert list(itertools.chain(*seen)) == [
        ("p1.0.000", "a"),
        ("p1.0.000", "a b"),
        ("p1.0.000", "a b c"),
    ]
