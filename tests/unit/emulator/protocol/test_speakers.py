"""Answers about voices, put together from several channels."""

import pytest

from speechmq_emulator.protocol.speakers import SpeakerRounds
from speechmq_emulator.speech.events import Speakers, SpeakerVoices

ANN, BEN = SpeakerVoices("S1", ("ann",)), SpeakerVoices("S1", ("ben",))


def test_answer_is_complete_with_the_last_channel_and_in_the_order_of_channels() -> None:
    rounds = SpeakerRounds()
    rounds.ask(["a", "b"])
    assert rounds.answer("b", Speakers((BEN,))) is None
    assert rounds.answer("a", Speakers((ANN,))) == (ANN, BEN)


def test_questions_are_answered_in_their_order() -> None:
    rounds = SpeakerRounds()
    rounds.ask([None])
    rounds.ask([None])
    assert rounds.answer(None, Speakers(())) == ()
    assert rounds.answer(None, Speakers((ANN,))) == (ANN,)


def test_second_answer_of_a_channel_is_for_the_next_question() -> None:
    rounds = SpeakerRounds()
    rounds.ask(["a", "b"])
    rounds.ask(["a", "b"])
    assert rounds.answer("a", Speakers(())) is None
    assert rounds.answer("a", Speakers((ANN,))) is None
    assert rounds.answer("b", Speakers(())) == ()
    assert rounds.answer("b", Speakers((BEN,))) == (ANN, BEN)


def test_answer_that_nobody_asked_for_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="speakers came unasked from channel 'a'"):
        SpeakerRounds().answer("a", Speakers(()))


def test_final_answers_wait_for_the_end() -> None:
    rounds = SpeakerRounds()
    assert rounds.answer("b", Speakers((BEN,), final=True)) is None
    assert rounds.answer("a", Speakers((ANN,), final=True)) is None
    assert rounds.at_the_end(["a", "b", "silent"]) == (ANN, BEN)
