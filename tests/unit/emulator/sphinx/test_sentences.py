"""Capitals and marks by simple rules."""

import pytest

from speechmq_emulator.speech.events import Mark, Result, Word
from speechmq_emulator.sphinx.sentences import Sentences, asks


def said(*contents: str, at: float = 0.0) -> list[Word]:
    return [Word(content, at + i, at + i + 1) for i, content in enumerate(contents)]


def contents(results: list[Result]) -> list[str]:
    return [result.content for result in results]


def test_sentence_begins_with_a_capital_and_ends_with_a_full_stop() -> None:
    sentences = Sentences()
    assert sentences.settle(said("good", "day")) == said("Good", "day")
    assert sentences.end(said("sir", at=2.0)) == [*said("sir", at=2.0), Mark(".", 3.0)]
    assert contents(sentences.settle(said("hello"))) == ["Hello"]


def test_full_stop_stands_behind_the_last_word_when_none_is_left() -> None:
    sentences = Sentences()
    sentences.settle(said("good", "day"))
    assert sentences.end() == [Mark(".", 2.0)]


def test_pause_without_words_is_no_sentence() -> None:
    assert Sentences().end() == []


def test_names_and_the_first_person_have_capitals() -> None:
    sentences = Sentences()
    sentences.settle(said("so"))
    assert contents(sentences.settle(said("i", "i'm", "it", "on", "monday", "in", "june"))) == [
        "I",
        "I'm",
        "it",
        "on",
        "Monday",
        "in",
        "June",
    ]


def test_preview_settles_nothing() -> None:
    sentences = Sentences()
    assert contents(sentences.preview(said("good", "day"))) == ["Good", "day"]
    assert not sentences.begun


def test_pause_inside_a_sentence_is_a_comma() -> None:
    sentences = Sentences()
    first, second = Word("yes", 0.0, 0.5, speaker="S1"), Word("please", 0.75, 1.0)
    assert sentences.settle([first, second]) == [
        Word("Yes", 0.0, 0.5, speaker="S1"),
        Mark(",", 0.5, ends_sentence=False, speaker="S1"),
        Word("please", 0.75, 1.0),
    ]
    assert contents(sentences.settle([Word("sir", 1.24, 1.5)])) == ["sir"]


def test_comma_behind_settled_words_comes_with_the_next_final_and_not_before_it() -> None:
    sentences = Sentences()
    sentences.settle([Word("yes", 0.0, 0.5)])
    comma = Mark(",", 0.6, ends_sentence=False)
    assert sentences.preview([Word("please", 0.8, 1.0)], 0.6)[0] == comma
    assert sentences.settle([Word("please", 0.8, 1.0)], 0.6)[0] == comma


def test_last_mark_stands_not_before_the_newest_final() -> None:
    sentences = Sentences()
    sentences.settle(said("good"))
    assert sentences.end((), 1.36) == [Mark(".", 1.36)]


def test_question_ends_with_a_question_mark_and_the_next_sentence_does_not() -> None:
    sentences = Sentences()
    sentences.settle(said("what", "time"))
    assert contents(sentences.end(said("is", "it", at=2.0))) == ["is", "it", "?"]
    assert contents(sentences.end(said("noon"))) == ["Noon", "."]


@pytest.mark.parametrize(
    ("opening", "question"),
    [
        ("can i have your name", True),
        ("hello can you hear me", True),
        ("what time is it", True),
        ("how much does the", True),
        ("why", True),
        ("isn't it nice", True),
        ("would be great", False),
        ("what a day", False),
        ("i can have your name", False),
        ("can", False),
        ("hello", False),
        ("", False),
    ],
)
def test_question_is_known_by_its_first_words(opening: str, question: bool) -> None:
    assert asks(opening.split()) is question


def test_clients_own_words_are_written_as_the_client_has_them() -> None:
    assert contents(Sentences().settle(said("iPhone", "McAdam"))) == ["iPhone", "McAdam"]
