"""Pieces of text become words and marks; what nobody said becomes nothing."""

from speechmq_emulator.speech.events import Word
from speechmq_emulator.whisper.hypothesis import HeardWord, Piece, is_speech, within, words_of


def test_pieces_join_to_words_with_their_marks_and_times() -> None:
    pieces = [
        Piece(" speech", 0.1, 0.4, 1.0),
        Piece("mat", 0.4, 0.6, 1.0),
        Piece("ics", 0.6, 0.9, 1.0),
        Piece(".", 0.9, 1.4, 0.5),
        Piece(" We", 1.5, 1.7, 0.25),
    ]
    assert words_of(pieces, 10.0, spaced=True) == (
        HeardWord(Word("speechmatics", 10.1, 10.9, 1.0), "."),
        HeardWord(Word("We", 11.5, 11.7, 0.25)),
    )


def test_every_piece_is_a_word_where_no_spaces_part_them() -> None:
    pieces = [Piece("你", 0, 0.2, 1.0), Piece("好", 0.2, 0.4, 1.0), Piece("。", 0.4, 0.4, 1.0)]
    assert words_of(pieces, 0.0, spaced=False) == (
        HeardWord(Word("你", 0.0, 0.2)),
        HeardWord(Word("好", 0.2, 0.4), "。"),
    )


def test_signs_that_nobody_says_are_left_out() -> None:
    pieces = [Piece(" ♪", 0, 1, 1.0), Piece(' "Hi', 1, 1.2, 1.0), Piece('",', 1.2, 1.3, 1.0)]
    assert words_of(pieces, 0.0, spaced=True) == (HeardWord(Word("Hi", 1.0, 1.2), ","),)


def test_words_after_the_end_of_the_audio_are_invented() -> None:
    inside, beyond = HeardWord(Word("a", 0.5, 1.2)), HeardWord(Word("b", 1.2, 1.5))
    assert within([inside, beyond], 1.0) == (HeardWord(Word("a", 0.5, 1.0)),)


def test_doubtful_sound_is_no_speech() -> None:
    assert is_speech(0.6, -1.0)
    assert not is_speech(0.61, -0.1)
    assert not is_speech(0.1, -1.01)


def test_settled_words_outweigh_the_doubt_that_there_is_speech() -> None:
    assert is_speech(0.9, -0.9, goes_on=True)
    assert not is_speech(0.9, -1.01, goes_on=True)
