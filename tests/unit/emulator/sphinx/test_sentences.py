"""Capitals and full stops by simple rules."""

from speechmq_emulator.speech.events import Mark, Result, Word
from speechmq_emulator.sphinx.sentences import Sentences


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
