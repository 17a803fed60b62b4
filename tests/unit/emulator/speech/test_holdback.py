"""Finals keep tiling and no word is lost, repeated or moved, whatever is held back."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.emulator.speech.said import final, said

from speechmq_emulator.speech.events import Final, Partial, Result
from speechmq_emulator.speech.formatting import open_words
from speechmq_emulator.speech.holdback import MAX_HELD_SECONDS, Holdback

WORDS = ["well", "twenty", "five", "dollars", "and", "march", "third", "of", "oh", "."]
PIECES = st.lists(
    st.tuples(st.lists(st.sampled_from(WORDS), max_size=5), st.sampled_from([0.0, 0.36, 1.0])),
    max_size=12,
)


def finals_of(pieces: list[tuple[list[str], float]]) -> list[Final]:
    finals: list[Final] = []
    at = 0.0
    for words, silence in pieces:
        spoken = final(" ".join(words), at)
        at = round(spoken.end + silence, 3)
        finals.append(Final(spoken.start, at, spoken.results))
    return finals


def held_back(finals: list[Final]) -> list[Final]:
    holdback = Holdback(open_words)
    settled = [out for f in finals for out in holdback.final(f, closing=False)]
    return settled + holdback.release()


def results_of(finals: list[Final]) -> list[Result]:
    return [result for f in finals for result in f.results]


@given(PIECES)
def test_finals_tile_as_before_and_say_the_same(pieces: list[tuple[list[str], float]]) -> None:
    finals = finals_of(pieces)
    settled = held_back(finals)
    assert results_of(settled) == results_of(finals)
    edges = [0.0, *(f.end for f in settled)]
    assert [f.start for f in settled] == edges[:-1]
    assert edges[-1] == (finals[-1].end if finals else 0.0)


@given(PIECES)
def test_words_lie_in_their_final(pieces: list[tuple[list[str], float]]) -> None:
    for settled in held_back(finals_of(pieces)):
        starts = [getattr(result, "start", settled.start) for result in settled.results]
        assert all(settled.start <= start <= settled.end for start in starts)


def test_words_that_may_go_on_wait_for_the_next_final() -> None:
    holdback = Holdback(open_words)
    assert holdback.final(final("it is twenty"), closing=False) == [
        Final(0.0, 0.2, said("it is")),
    ]
    assert holdback.final(final("five people", 0.3), closing=False) == [
        Final(0.2, 0.5, said("twenty five people", 0.2)),
    ]


def test_silence_waits_with_them_no_longer_than_its_bound() -> None:
    holdback = Holdback(open_words)
    assert holdback.final(final("twenty"), closing=False) == []
    assert holdback.final(Final(0.1, 1.0), closing=False) == []
    end = 0.1 + MAX_HELD_SECONDS
    assert holdback.final(Final(1.0, end), closing=False) == [Final(0.0, end, said("twenty"))]


def test_nothing_waits_at_the_end_of_an_utterance() -> None:
    whole = final("it is twenty")
    assert Holdback(open_words).final(whole, closing=True) == [whole]


def test_partial_shows_what_is_held() -> None:
    holdback = Holdback(open_words)
    holdback.final(final("it is twenty"), closing=False)
    partial = Partial(0.3, 0.5, said("five", 0.3), forced=True)
    assert holdback.partial(partial) == Partial(0.2, 0.5, said("twenty five", 0.2), forced=True)
    holdback.release()
    assert holdback.partial(partial) == partial
