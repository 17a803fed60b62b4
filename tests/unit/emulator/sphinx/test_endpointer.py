"""Utterances begin with voice and not with a click, and grow quiet."""

from speechmq_emulator.sphinx.endpointer import Endpointer


def begins(endpointer: Endpointer, frames: str) -> list[int]:
    """The places in ``frames`` (``#`` is voice) at which an utterance begins."""
    return [at for at, frame in enumerate(frames) if endpointer.push(frame == "#")]


def test_utterance_begins_when_most_of_the_last_frames_are_voice() -> None:
    assert begins(Endpointer(), "....#####") == [8]
    assert begins(Endpointer(), "...##.##.#") == [9]


def test_click_begins_no_utterance() -> None:
    assert begins(Endpointer(), "..##......##......##..") == []


def test_utterance_does_not_begin_twice() -> None:
    assert begins(Endpointer(), "##########") == [4]


def test_utterance_begins_anew_after_its_end() -> None:
    endpointer = Endpointer()
    begins(endpointer, "#####")
    endpointer.end_utterance()
    assert not endpointer.in_utterance
    assert begins(endpointer, "#####") == [4]


def test_quiet_is_counted_from_the_last_voice() -> None:
    endpointer = Endpointer()
    begins(endpointer, "##########" + 20 * ".")
    assert endpointer.quiet_frames == 20


def test_click_does_not_end_the_quiet() -> None:
    endpointer = Endpointer()
    begins(endpointer, "##########" + 10 * "." + "##" + 8 * ".")
    assert endpointer.quiet_frames == 20
