"""Sentences are translated once they have ended, with the times of their words."""

from collections.abc import Sequence

from tests.unit.emulator.speech.said import final, said

from speechmq_emulator.speech.events import (
    Final,
    Heard,
    Partial,
    TranslatedSentence,
    Translation,
    UtteranceEnded,
)
from speechmq_emulator.speech.translation import MAX_SENTENCE_WORDS, Translations


def only_translations(heard: Sequence[Heard]) -> list[Heard]:
    return [event for event in heard if isinstance(event, Translation)]


def one(
    language: str, content: str, start: float, end: float, *, final: bool = True
) -> Translation:
    return Translation(language, (TranslatedSentence(content, start, end),), final)


def test_sentence_follows_the_final_that_ends_it_in_every_language() -> None:
    translations = Translations(["de", "fr"], partials=False)
    opening, ending = final("Good"), final("morning , all .", 0.1)
    assert translations.follow([opening]) == [opening]
    assert translations.follow([ending]) == [
        ending,
        one("de", "Good[de] morning[de], all[de].", 0.0, 0.3),
        one("fr", "Good[fr] morning[fr], all[fr].", 0.0, 0.3),
    ]


def test_sentence_without_a_mark_ends_with_its_utterance() -> None:
    heard: list[Heard] = [final("so be it"), UtteranceEnded(1.0), UtteranceEnded(2.0)]
    followed = Translations(["de"], partials=False).follow(heard)
    assert only_translations(followed) == [one("de", "so[de] be[de] it[de]", 0.0, 0.3)]


def test_sentence_without_a_mark_ends_with_the_audio() -> None:
    followed = Translations(["de"], partials=False).follow([final("so")], last=True)
    assert only_translations(followed) == [one("de", "so[de]", 0.0, 0.1)]


def test_sentence_without_a_mark_ends_with_a_long_pause() -> None:
    heard = [final("so"), Final(0.1, 2.0), Final(2.0, 2.2), Final(2.2, 9.0)]
    translations = Translations(["de"], partials=False)
    assert translations.follow(heard[:2]) == heard[:2]
    assert translations.follow(heard[2:]) == [heard[2], one("de", "so[de]", 0.0, 0.1), heard[3]]


def test_sentence_without_an_end_is_translated_in_parts() -> None:
    words = " ".join(["so"] * (MAX_SENTENCE_WORDS + 1))
    followed = Translations(["de"], partials=False).follow([final(words)], last=True)
    sizes = [len(t.sentences[0].content.split()) for t in followed if isinstance(t, Translation)]
    assert sizes == [MAX_SENTENCE_WORDS, 1]


def test_each_speaker_has_sentences_of_their_own() -> None:
    results = (*said("well", speaker="S1"), *said("yes", 0.1, speaker="S2"))
    followed = Translations(["de"], partials=False).follow([Final(0, 0.2, results)], last=True)
    assert [t.sentences for t in followed if isinstance(t, Translation)] == [
        (TranslatedSentence("well[de]", 0.0, 0.1, "S1"),),
        (TranslatedSentence("yes[de]", 0.1, 0.2, "S2"),),
    ]


def test_partials_show_the_sentence_so_far_once() -> None:
    translations = Translations(["de"], partials=True)
    partial = Partial(0.0, 0.2, said("good day"))
    shown = one("de", "good[de] day[de]", 0.0, 0.2, final=False)
    assert translations.follow([partial, partial]) == [partial, shown, partial]
    assert only_translations(translations.follow([final("good")])) == [
        one("de", "good[de]", 0.0, 0.1, final=False)
    ]
    assert only_translations(translations.follow([final("day .", 0.1)])) == [
        one("de", "good[de] day[de].", 0.0, 0.2)
    ]


def test_marks_alone_are_no_sentence() -> None:
    followed = Translations(["de"], partials=True).follow([final(".")], last=True)
    assert only_translations(followed) == []
