from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from speechmq.commandline.cues import LINE_CELLS, LONGEST_MS, Cue, cues_of, settled
from speechmq_schemas import (
    EndOfUtterance,
    FinalTranscript,
    StreamStarted,
    Transcript,
    join_words,
)


def spoken(text: str, start: float = 0.0, speaker: str | None = None, pace: float = 0.4) -> Any:
    """Results of the words of ``text``, one behind the other; a mark at a word's end is one."""
    results = []
    for n, word in enumerate(text.split()):
        at = start + n * pace
        bare = word.rstrip(".,?!")
        results.append(_result("word", bare, at, at + pace, speaker))
        if bare != word:
            mark = _result("punctuation", word[len(bare) :], at + pace, at + pace, speaker)
            results.append({**mark, "attaches_to": "previous", "is_eos": word[-1] in ".?!"})
    return results


def _result(kind: str, content: str, start: float, end: float, speaker: str | None) -> Any:
    alternative = {"content": content, "confidence": 1.0}
    if speaker is not None:
        alternative["speaker"] = speaker
    return {"type": kind, "start_time": start, "end_time": end, "alternatives": [alternative]}


def transcript_of(
    *parts: Any, pauses: tuple[float, ...] = (), delimiter: str = " ", up_to: float | None = None
) -> Transcript:
    """One final a part."""
    transcript = Transcript()
    pack: dict[str, Any] = {"word_delimiter": delimiter}
    begun = StreamStarted(stream_id="s", session_id="x", language_pack_info=pack)
    transcript.apply(begun, epoch=1, seq=1)
    for number, results in enumerate(parts, 1):
        end = results[-1]["end_time"] if up_to is None else up_to
        body = {
            "stream_id": "s",
            "segment_id": number,
            "start_time": 0,
            "end_time": end,
            "transcript": "",
            "results": results,
        }
        final = FinalTranscript.model_validate(body)
        transcript.apply(final, epoch=1, seq=number * 10)
    for n, at in enumerate(pauses):
        pause = EndOfUtterance(stream_id="s", start_time=at, end_time=at)
        transcript.apply(pause, epoch=1, seq=1000 + n)
    return transcript


def test_sentence_that_fits_is_one_cue() -> None:
    assert cues_of(transcript_of(spoken("Good morning, all of you."))) == [
        Cue(0, 2000, ("Good morning, all of you.",))
    ]


def test_every_sentence_has_a_cue_of_its_own() -> None:
    cues = cues_of(transcript_of(spoken("Is it you? It is me, I think.")))
    assert cues == [Cue(0, 1200, ("Is it you?",)), Cue(1200, 3200, ("It is me, I think.",))]


def test_speakers_utterances_and_pauses_begin_a_cue() -> None:
    parts = [
        spoken("one two", 0, "S1"),
        spoken("three", 0.8, "S2"),
        spoken("four", 1.4, "S2"),
        spoken("five", 3.3, "S2"),
    ]
    assert cues_of(transcript_of(*parts, pauses=(1.3,))) == [
        Cue(0, 800, ("one two",), "S1"),
        Cue(800, 1400, ("three",), "S2"),
        Cue(1400, 2400, ("four",), "S2"),
        Cue(3300, 4300, ("five",), "S2"),
    ]


def test_long_sentence_is_cut_behind_a_clause_into_lines_of_one_length() -> None:
    text = (
        "When the quick brown fox has jumped over the lazy dog, it runs on through the wide "
        "green fields until the evening comes"
    )
    assert [cue.lines for cue in cues_of(transcript_of(spoken(text, pace=0.2)))] == [
        ("When the quick brown fox has", "jumped over the lazy dog,"),
        ("it runs on through the wide green", "fields until the evening comes"),
    ]


def test_slow_sentence_is_cut_by_time() -> None:
    cues = cues_of(transcript_of(spoken("so very slow he was", pace=2.5)))
    assert cues == [
        Cue(0, 5000, ("so very",)),
        Cue(5000, 10000, ("slow he",)),
        Cue(10000, 12500, ("was",)),
    ]


def test_word_that_lasts_longer_than_a_cue_may_is_shown_as_long_as_it_may() -> None:
    assert cues_of(transcript_of(spoken("no", pace=9))) == [Cue(0, 7000, ("no",))]


def test_short_cue_stays_a_second_but_never_into_the_next() -> None:
    cues = cues_of(transcript_of(spoken("No. No. No.", pace=0.2)))
    assert [(cue.start, cue.end) for cue in cues] == [(0, 200), (200, 400), (400, 1400)]


def test_word_wider_than_a_line_is_cut() -> None:
    (cue,) = cues_of(transcript_of(spoken("x" * 70)))
    assert cue.lines == ("x" * 42, "x" * 28)


def test_wide_characters_count_twice() -> None:
    words = spoken(" ".join("今日は天気がいいですね" * 4), pace=0.1)
    cues = cues_of(transcript_of(words, delimiter=""))
    assert [cue.lines for cue in cues] == [
        (
            "今日は天気がいいですね今日は天気がいいです",
            "ね今日は天気がいいですね今日は天気がいいで",
        ),
        ("すね",),
    ]


def test_last_cue_is_settled_when_no_word_can_join_it() -> None:
    talking = transcript_of(spoken("one two"), spoken("three", 0.8))
    silent = transcript_of(spoken("one two"), up_to=2.4)
    assert (
        settled(talking, [(None, 0.0, 0.8), (None, 0.8, 1.2)]),
        settled(silent, [(None, 0.0, 0.8)]),
        settled(silent, []),
    ) == (1, 1, 0)


WORDS = st.lists(
    st.tuples(
        st.sampled_from(["a", "word,", "sentence.", "longer-than-that", "w" * 50, "今日"]),
        st.floats(0, 3).map(lambda pause: round(pause, 2)),
        st.floats(0, 9).map(lambda length: round(length, 2)),
        st.sampled_from(["S1", "S1", "S1", "S2"]),
    ),
    max_size=25,
)


def said(words: list[tuple[str, float, float, str]]) -> list[Any]:
    parts, at = [], 0.0
    for text, pause, length, speaker in words:
        parts.append(spoken(text, at + pause, speaker, pace=length))
        at += pause + length
    return parts


@settings(deadline=None)
@given(WORDS)
def test_cues_keep_the_rules_and_every_word(words: list[tuple[str, float, float, str]]) -> None:
    transcript = transcript_of(*said(words))
    cues = cues_of(transcript)
    assert all(1 <= len(cue.lines) <= 2 for cue in cues)
    assert all(0 < cell_len(line) <= LINE_CELLS for cue in cues for line in cue.lines)
    assert all(0 < cue.end - cue.start <= LONGEST_MS for cue in cues)
    assert all(before.start <= after.start for before, after in pairwise(cues))
    assert all(
        before.end <= after.start for before, after in pairwise(cues) if before.start < after.start
    )
    shown = "".join("".join(cue.lines) for cue in cues).replace(" ", "")
    assert shown == join_words(transcript.words).replace(" ", "")


@settings(deadline=None)
@given(WORDS, st.integers(0, 25))
def test_later_words_change_no_cue_but_the_last(
    words: list[tuple[str, float, float, str]], count: int
) -> None:
    parts = said(words)
    before = cues_of(transcript_of(*parts[:count]))
    after = cues_of(transcript_of(*parts))
    whole = before[:-1]
    assert [cue.lines for cue in after[: len(whole)]] == [cue.lines for cue in whole]
    assert after[: len(whole)] == whole


def two_sides(agent_up_to: float, customer_up_to: float) -> Transcript:
    """The customer talks over the agent."""
    call = Transcript()
    start = StreamStarted(stream_id="s", session_id="x", channels=["agent", "customer"])
    call.apply(start, epoch=1, seq=1)
    sides = [
        ("agent", 1, spoken("May I have your name?"), agent_up_to),
        ("customer", 2, spoken("Of course.", start=1.0, speaker="S1"), customer_up_to),
    ]
    for channel, number, results, end in sides:
        body = {
            "stream_id": "s",
            "segment_id": number,
            "channel": channel,
            "start_time": 0,
            "end_time": end,
            "transcript": "",
            "results": results,
        }
        call.apply(FinalTranscript.model_validate(body), epoch=1, seq=number * 10)
    return call


def test_channels_have_cues_of_their_own() -> None:
    assert [(cue.start, cue.speaker, cue.lines) for cue in cues_of(two_sides(9.0, 9.0))] == [
        (0, "agent", ("May I have your name?",)),
        (1000, "customer S1", ("Of course.",)),
    ]


@pytest.mark.parametrize(
    ("agent", "customer", "count"),
    [(2.0, 9.0, 0), (9.0, 0.0, 1), (9.0, 2.0, 1), (9.0, 9.0, 2), (0.5, 9.0, 0)],
)
def test_cue_of_a_channel_is_settled_when_none_may_come_before_it(
    agent: float, customer: float, count: int
) -> None:
    call = two_sides(agent, customer)
    spans = [(cue.channel, cue.start / 1000, cue.end / 1000) for cue in cues_of(call)]
    assert settled(call, spans) == count
