"""Finals tile the timeline; the shape is that of the real service's sessions."""

import pytest

from speechmq_emulator.speech.events import Final, Partial, UtteranceEnded, Word
from speechmq_emulator.speech.timeline import Timeline

RATE = 1000
HELLO = Word("hello", 0.1, 0.5)


def test_silence_is_covered_in_steps() -> None:
    timeline = Timeline(RATE, partials=False)
    assert timeline.silence(1000) == [Final(0.0, 0.36), Final(0.36, 0.72)]
    assert timeline.silence(1080) == [Final(0.72, 1.08)]
    assert timeline.silence(1439) == []


def test_silence_shows_an_empty_partial_behind_each_final_when_partials_are_on() -> None:
    timeline = Timeline(RATE, partials=True)
    assert timeline.silence(400) == [Final(0.0, 0.36), Partial(0.36, 0.36)]


def test_final_begins_where_the_last_one_ended() -> None:
    timeline = Timeline(RATE, partials=False)
    timeline.silence(400)
    assert timeline.final([HELLO], 500) == [Final(0.36, 0.5, (HELLO,))]
    assert timeline.final([], 500) == [Final(0.5, 0.5)]


def test_final_never_goes_back() -> None:
    timeline = Timeline(RATE, partials=False)
    timeline.final([], 500)
    with pytest.raises(ValueError, match="final ends at sample 499, but 500 are covered already"):
        timeline.final([], 499)


def test_partial_covers_what_is_not_final() -> None:
    timeline = Timeline(RATE, partials=True)
    timeline.final([], 100)
    assert timeline.partial([HELLO], 600) == [Partial(0.1, 0.6, (HELLO,))]
    assert timeline.partial([], 50) == [Partial(0.1, 0.1)]


def test_partial_is_not_shown_when_partials_are_off() -> None:
    assert Timeline(RATE, partials=False).partial([HELLO], 600) == []


def test_utterance_end_stands_a_little_behind_the_final_that_closes_it() -> None:
    timeline = Timeline(RATE, partials=True)
    assert timeline.utterance_end(1080, [HELLO]) == [
        Final(0.0, 1.0, (HELLO,)),
        Partial(1.0, 1.0),
        UtteranceEnded(1.08),
    ]


def test_utterance_end_needs_no_final_when_all_is_covered() -> None:
    timeline = Timeline(RATE, partials=False)
    timeline.final([HELLO], 1040)
    assert timeline.utterance_end(1080) == [UtteranceEnded(1.08)]


def test_close_covers_the_audio_to_its_end() -> None:
    timeline = Timeline(RATE, partials=False)
    timeline.silence(400)
    assert timeline.close(1.2345) == [Final(0.36, 1.2345)]


def test_close_settles_the_last_words() -> None:
    timeline = Timeline(RATE, partials=False)
    assert timeline.close(0.5, [HELLO]) == [Final(0.0, 0.5, (HELLO,))]


def test_close_says_nothing_when_all_is_covered() -> None:
    timeline = Timeline(RATE, partials=False)
    timeline.final([HELLO], 500)
    assert timeline.close(0.5) == []
    assert Timeline(RATE, partials=False).close(0.0) == []


def test_times_do_not_drift_over_hours_of_silence() -> None:
    timeline = Timeline(RATE, partials=False)
    finals = timeline.silence(4 * 3600 * RATE)
    assert finals[-1] == Final(14399.64, 14400.0)
