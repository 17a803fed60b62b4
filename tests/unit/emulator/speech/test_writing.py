"""What a session asked for is done to what was heard, in the service's order."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.emulator.speech.said import config, final, said, text

from speechmq_emulator.speech.events import (
    Entity,
    Final,
    Heard,
    Mark,
    Partial,
    Result,
    UtteranceEnded,
    Word,
)
from speechmq_emulator.speech.writing import Writing


def written(spoken: str, **fields: Any) -> str:
    """How one final that ends the audio is written."""
    (settled,) = Writing(config(**fields)).write([final(spoken)], last=True)
    assert isinstance(settled, Final)
    return text(settled.results)


def test_entity_has_its_spoken_and_its_written_words() -> None:
    spoken = said("march third", 1.0, confidence=0.9, speaker="S1", volume=5.0)
    (settled,) = Writing(config()).write([Final(1.0, 1.2, spoken)], last=True)
    assert settled == Final(
        1.0,
        1.2,
        (
            Entity(
                "March 3rd",
                1.0,
                1.2,
                "date",
                spoken=tuple(w for w in spoken if isinstance(w, Word)),
                written=(
                    Word("March", 1.0, 1.1, 0.9, "S1", 5.0),
                    Word("3rd", 1.1, 1.2, 0.9, "S1", 5.0),
                ),
                confidence=0.9,
                speaker="S1",
                volume=5.0,
            ),
        ),
    )


def test_without_entities_the_written_words_stand_alone() -> None:
    (settled,) = Writing(config(enable_entities=False)).write([final("march third")], last=True)
    assert settled == Final(0.0, 0.2, (Word("March", 0.0, 0.1), Word("3rd", 0.1, 0.2)))


@pytest.mark.parametrize(
    ("fields", "spoken", "expected"),
    [
        ({}, "it is twenty five , five", "it is [25:cardinal] , five"),
        ({"language": "de"}, "twenty five um", "twenty five um"),
        (
            {"transcript_filtering_config": {"remove_disfluencies": True}},
            "Um , what would you like , hmm ?",
            "What would you like ?",
        ),
        (
            {"transcript_filtering_config": {"remove_disfluencies": True}},
            "it is twenty um five",
            "it is [25:cardinal]",
        ),
        ({"output_locale": "en-GB"}, "Color and center", "Colour and centre"),
        (
            {"transcript_filtering_config": {"replacements": [{"from": "25", "to": "X Y"}]}},
            "twenty five",
            "[X Y:cardinal]",
        ),
        ({"punctuation_overrides": {"permitted_marks": ["."]}}, "well , yes .", "well yes ."),
        ({"punctuation_overrides": {"permitted_marks": []}}, "well , yes .", "well yes"),
        ({"punctuation_overrides": {"permitted_marks": ["all"]}}, "well , yes .", "well , yes ."),
        ({"punctuation_overrides": {"sensitivity": 0.0}}, "well , yes .", "well yes"),
    ],
)
def test_final_is_written_as_configured(fields: dict[str, Any], spoken: str, expected: str) -> None:
    assert written(spoken, **fields) == expected


def test_entity_does_not_join_two_speakers() -> None:
    results = (*said("twenty", speaker="S1"), *said("five", 0.1, speaker="S2"))
    (settled,) = Writing(config()).write([Final(0.0, 0.2, results)], last=True)
    assert isinstance(settled, Final)
    assert text(settled.results) == "[20:cardinal] five"


def test_partial_has_words_and_no_entities() -> None:
    fields = {"transcript_filtering_config": {"replacements": [{"from": "five", "to": "V"}]}}
    partial = Partial(0.0, 0.2, said("twenty five"))
    expected = Partial(0.0, 0.2, (Word("twenty", 0.0, 0.1), Word("V", 0.1, 0.2)))
    assert Writing(config(**fields)).write([partial]) == [expected]


def test_disfluencies_and_profanities_are_tagged() -> None:
    heard = Writing(config()).write([final("Um damn right")])
    assert heard == [
        Final(
            0.0,
            0.3,
            (
                Word("Um", 0.0, 0.1, tags=("disfluency",)),
                Word("damn", 0.1, 0.2, tags=("profanity",)),
                Word("right", 0.2, 0.3),
            ),
        )
    ]


def test_entity_said_over_two_finals_is_whole_when_the_delay_is_flexible() -> None:
    writing = Writing(config())
    assert writing.write([final("it is twenty")]) == [final("it is")]
    (settled,) = writing.write([final("five people", 0.3)])
    assert isinstance(settled, Final)
    assert (settled.start, text(settled.results)) == (0.2, "[25:cardinal] people")


def test_entity_said_over_two_finals_is_cut_when_the_delay_is_fixed() -> None:
    writing = Writing(config(max_delay_mode="fixed"))
    heard = [*writing.write([final("it is twenty")]), *writing.write([final("five people", 0.3)])]
    assert [text(f.results) for f in heard if isinstance(f, Final)] == [
        "it is [20:cardinal]",
        "five people",
    ]


def test_utterance_end_comes_behind_all_its_words() -> None:
    spoken = final("it is twenty", end=0.5)
    events: list[Heard] = [spoken, Partial(0.5, 0.5), UtteranceEnded(0.6)]
    kinds = [type(event) for event in Writing(config()).write(events)]
    assert kinds == [Final, Partial, UtteranceEnded]


def test_words_held_back_come_before_an_utterance_end_that_follows_later() -> None:
    writing = Writing(config())
    writing.write([final("it is twenty")])
    settled, ended = writing.write([UtteranceEnded(0.6)])
    assert isinstance(settled, Final)
    assert (settled.start, settled.end, text(settled.results)) == (0.2, 0.3, "[20:cardinal]")
    assert ended == UtteranceEnded(0.6)


def test_forced_final_holds_nothing_back() -> None:
    (settled,) = Writing(config()).write([Final(0.0, 0.1, said("twenty"), forced=True)])
    assert isinstance(settled, Final)
    assert (text(settled.results), settled.forced) == ("[20:cardinal]", True)


def test_configuration_changes_in_the_middle() -> None:
    writing = Writing(config())
    writing.write([final("twenty")])
    writing.configure(config(max_delay_mode="fixed"))
    (settled,) = writing.write([final("five", 0.1)])
    assert isinstance(settled, Final)
    assert text(settled.results) == "[25:cardinal]"


SPOKEN = ["um", "well", "twenty", "five", "dollars", "march", "third", ",", ".", "oh"]


def spoken_words(results: list[Result]) -> list[str]:
    words: list[str] = []
    for result in results:
        spoken = result.spoken if isinstance(result, Entity) else (result,)
        words += [word.content for word in spoken]
    return words


@given(st.lists(st.lists(st.sampled_from(SPOKEN), max_size=5), max_size=8))
def test_no_word_is_lost_however_finals_are_cut(pieces: list[list[str]]) -> None:
    writing, heard, at = Writing(config()), [], 0.0
    for piece in pieces:
        spoken = final(" ".join(piece), at)
        heard += writing.write([spoken])
        at = spoken.end
    heard += writing.write([], last=True)
    finals = [event for event in heard if isinstance(event, Final)]
    said_again = spoken_words([result for f in finals for result in f.results])
    assert said_again == [word for piece in pieces for word in piece]


@given(st.lists(st.sampled_from(SPOKEN), max_size=12))
def test_no_disfluency_stays_and_no_mark_dangles(words: list[str]) -> None:
    fields = {"transcript_filtering_config": {"remove_disfluencies": True}}
    heard = Writing(config(**fields)).write([final(" ".join(words))], last=True)
    (settled,) = [event for event in heard if isinstance(event, Final)]
    kept = spoken_words(list(settled.results))
    said_words = [w.lower() for w in kept if w not in ".,"]
    assert said_words == [w for w in words if w not in {"um", ".", ","}]
    marks = [isinstance(result, Mark) for result in settled.results]
    assert pairs(marks) <= pairs([word in ".," for word in words])


def pairs(flags: list[bool]) -> int:
    return sum(one and next_one for one, next_one in pairwise(flags))
