from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.schemas.strategies import patient

from speechmq_schemas import (
    AudioGap,
    EndOfUtterance,
    Event,
    FinalTranscript,
    PartialTranscript,
    StreamEnded,
    StreamFailed,
    StreamStarted,
    StreamWarning,
    Transcript,
    Turn,
    Word,
)

Said = tuple[Event, int, int]


def result(content: str, at: float, speaker: str | None = None, **fields: Any) -> dict[str, Any]:
    alternative = {"content": content, "confidence": 1.0}
    if speaker is not None:
        alternative["speaker"] = speaker
    word = {"type": "word", "start_time": at, "end_time": at + 0.4}
    return {**word, "alternatives": [alternative], **fields}


def mark(content: str, at: float, **fields: Any) -> dict[str, Any]:
    return {**result(content, at), "type": "punctuation", "end_time": at, **fields}


def segment(number: int, *results: dict[str, Any], transcript: str = "") -> dict[str, Any]:
    return {
        "stream_id": "s",
        "segment_id": number,
        "start_time": number - 1.0,
        "end_time": float(number),
        "transcript": transcript,
        "results": list(results),
    }


def final(number: int, *contents: str) -> FinalTranscript:
    words = [result(content, number - 1 + n / 2) for n, content in enumerate(contents)]
    return FinalTranscript.model_validate(segment(number, *words))


def partial(number: int, *contents: str) -> PartialTranscript:
    words = [result(content, number - 1 + n / 2) for n, content in enumerate(contents)]
    return PartialTranscript.model_validate(segment(number, *words))


def ended() -> StreamEnded:
    return StreamEnded(
        stream_id="s",
        reason="end",
        received_seconds=1,
        finalised_seconds=1,
        gap_seconds=0,
        chunks=1,
        duplicates=0,
        finals=1,
    )


def failed() -> StreamFailed:
    return StreamFailed(stream_id="s", code="x", reason="y", retryable=False)


def gap(start: float, first: int, last: int) -> AudioGap:
    return AudioGap(
        stream_id="s", start_time=start, end_time=start + 1, first_seq=first, last_seq=last
    )


def pause(at: float) -> EndOfUtterance:
    return EndOfUtterance(stream_id="s", start_time=at, end_time=at)


def started(delimiter: str) -> StreamStarted:
    return StreamStarted(
        stream_id="s", session_id="x", language_pack_info={"word_delimiter": delimiter}
    )


def folded(*said: Said) -> Transcript:
    transcript = Transcript()
    for event, epoch, seq in said:
        transcript.apply(event, epoch=epoch, seq=seq)
    return transcript


def in_order(*events: Event) -> Transcript:
    return folded(*((event, 1, seq) for seq, event in enumerate(events, 1)))


def picture(transcript: Transcript) -> tuple[object, ...]:
    """All that a consumer can see."""
    return (
        transcript.state,
        transcript.text,
        transcript.live_text,
        transcript.segments,
        transcript.finals,
        transcript.partials,
        transcript.words,
        transcript.turns,
        transcript.gaps,
        transcript.utterance_ends,
        transcript.missing,
        transcript.end_time,
        transcript.word_delimiter,
    )


def test_partials_are_replaced_by_newer_ones_and_by_their_final() -> None:
    said = [partial(1, "go"), partial(1, "good"), final(1, "good", "day"), partial(2, "to")]
    transcript = Transcript()
    seen = []
    for seq, event in enumerate(said, 1):
        transcript.apply(event, epoch=1, seq=seq)
        seen.append((transcript.text, transcript.live_text))
    assert seen == [("", "go"), ("", "good"), ("good day", ""), ("good day", "to")]
    assert transcript.segments == [final(1, "good", "day"), partial(2, "to")]


def test_apply_says_whether_anything_changed() -> None:
    transcript = Transcript()
    warning = StreamWarning(stream_id="s", code="x", reason="y")
    said: list[Said] = [
        (partial(1, "a"), 1, 2),
        (partial(1, "a"), 1, 2),
        (partial(1, "old"), 1, 1),
        (warning, 1, 3),
        (final(1, "a"), 1, 4),
        (partial(1, "late"), 1, 3),
        (pause(1), 1, 5),
        (pause(1), 1, 5),
        (ended(), 1, 6),
        (ended(), 1, 6),
    ]
    changes = [transcript.apply(event, epoch=epoch, seq=seq) for event, epoch, seq in said]
    assert changes == [True, False, False, False, True, False, True, False, True, False]


def test_partial_of_an_older_epoch_never_replaces_a_newer_ones() -> None:
    transcript = folded((partial(1, "new"), 2, 1), (partial(1, "old"), 1, 99))
    assert transcript.live_text == "new"


def test_final_stands_against_a_partial_of_a_newer_epoch() -> None:
    transcript = folded((final(1, "said"), 1, 5), (partial(1, "sai"), 2, 1))
    assert picture(transcript) == picture(folded((final(1, "said"), 1, 5)))


def test_final_of_a_newer_epoch_supersedes_what_older_ones_said_from_there_on() -> None:
    transcript = folded(
        (final(1, "kept"), 1, 1),
        (final(2, "unconfirmed"), 1, 2),
        (final(3, "words"), 1, 3),
        (partial(4, "unheard"), 1, 4),
        (final(2, "unconfirmed", "words"), 2, 1),
    )
    assert (transcript.text, transcript.live_text) == ("kept unconfirmed words", "")


def test_final_that_a_successor_repeats_is_one() -> None:
    transcript = folded(
        (final(1, "a"), 1, 1), (final(2, "b"), 1, 2), (final(2, "b"), 1, 2), (final(3, "c"), 2, 1)
    )
    assert transcript.text == "a b c"


def test_end_of_a_stream_ends_its_partials_and_its_failure_keeps_them() -> None:
    well = in_order(final(1, "a"), partial(2, "b"), ended())
    ill = in_order(final(1, "a"), partial(2, "b"), failed())
    assert (well.state, well.text, well.live_text) == ("ended", "a", "")
    assert (ill.state, ill.text, ill.live_text) == ("failed", "a", "b")


def test_failure_of_an_older_epoch_is_not_the_end() -> None:
    """A start with the same id was refused, which admission says in epoch 0."""
    assert folded((failed(), 0, 77), (final(1, "a"), 1, 1)).state == "live"
    assert folded((final(1, "a"), 1, 1), (failed(), 0, 77)).state == "live"


def test_event_of_another_stream_is_refused() -> None:
    transcript = in_order(final(1, "a"))
    other = StreamWarning(stream_id="t", code="x", reason="y")
    with pytest.raises(ValueError, match="an event of stream 't', not 's'"):
        transcript.apply(other, epoch=1, seq=9)
    assert transcript.text == "a"


def test_words_have_their_punctuation_across_segments() -> None:
    first = segment(1, mark("¿", 0, attaches_to="next"), result("Qué", 0, "S1"))
    second = segment(
        2,
        mark("?", 1, attaches_to="previous", is_eos=True),
        result("well", 1.5, "S2"),
        mark("-", 1.6, attaches_to="both"),
        result("known", 1.7, "S2"),
    )
    transcript = in_order(*(FinalTranscript.model_validate(one) for one in (first, second)))
    assert transcript.text == "¿Qué? well-known"
    assert transcript.words == [
        Word("Qué", "¿Qué?", 0, 0.4, 1, "S1", 1.0, ends_sentence=True),
        Word("well", "well-", 1.5, 1.9, 2, "S2", 1.0),
        Word("known", "known", 1.7, 2.1, 2, "S2", 1.0, is_attached=True),
    ]
    assert transcript.turns == [
        Turn("S1", 0, 0.4, "¿Qué?", tuple(transcript.words[:1])),
        Turn("S2", 1.5, 2.1, "well-known", tuple(transcript.words[1:])),
    ]


def test_mark_whose_word_was_not_heard_is_left_out() -> None:
    first = segment(7, mark(".", 6, attaches_to="previous"), result("Yes", 6.5))
    assert in_order(FinalTranscript.model_validate(first)).text == "Yes"


def test_result_without_alternatives_says_nothing() -> None:
    empty = {**result("", 0), "alternatives": []}
    one = FinalTranscript.model_validate(segment(1, empty, result("a", 0.5)))
    assert in_order(one).text == "a"


def test_segment_without_results_shares_its_time_out() -> None:
    one = FinalTranscript.model_validate(segment(1, transcript=" abc d "))
    assert in_order(one).words == [Word("abc", "abc", 0, 0.75, 1), Word("d", "d", 0.75, 1, 1)]


def test_words_are_joined_as_the_language_does() -> None:
    assert in_order(started(""), final(1, "今日", "は")).text == "今日は"


def test_gaps_and_pauses_are_in_order_and_single() -> None:
    transcript = folded(
        (gap(5, 50, 59), 1, 4),
        (gap(1, 10, 19), 1, 1),
        (gap(5, 50, 61), 2, 1),
        (pause(3), 1, 3),
        (pause(2), 1, 2),
        (pause(3), 2, 2),
    )
    assert transcript.gaps == [gap(1, 10, 19), gap(5, 50, 61)]
    assert transcript.utterance_ends == [2, 3]


def test_missing_segments_are_told() -> None:
    transcript = in_order(final(3, "c"), final(4, "d"), final(9, "i"), partial(12, "l"))
    assert transcript.missing == [(1, 2), (5, 8)]
    assert in_order(final(1), final(2)).missing == []


EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(final, st.integers(1, 5), st.sampled_from(["a", "b", "c"])),
    st.builds(partial, st.integers(1, 6), st.sampled_from(["x", "y", "z"])),
    st.builds(gap, st.sampled_from([1.0, 2.0]), st.integers(1, 3), st.just(9)),
    st.builds(pause, st.sampled_from([1.0, 2.0, 3.0])),
    st.sampled_from([ended(), failed(), started(""), started(" ")]),
)
# Whatever epochs say, in whatever order they say it; only a position is taken once.
STREAMS = st.dictionaries(
    st.tuples(st.integers(0, 3), st.integers(1, 6)), EVENTS, min_size=1, max_size=14
).map(lambda said: [(event, *position) for position, event in said.items()])


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Said], list[Said]]:
    """What was said, and how it arrives: all of it, in any order, some of it again."""
    said = draw(STREAMS)
    again = draw(st.lists(st.sampled_from(said), max_size=8))
    return said, draw(st.permutations([*said, *again]))


@patient
@given(deliveries())
def test_any_order_and_repetition_give_the_same_transcript(
    streams: tuple[Sequence[Said], Sequence[Said]],
) -> None:
    said, delivered = streams
    assert picture(folded(*delivered)) == picture(folded(*said))


@patient
@given(deliveries())
def test_apply_tells_every_change(streams: tuple[Sequence[Said], Sequence[Said]]) -> None:
    transcript = Transcript()
    for event, epoch, seq in streams[1]:
        before = picture(transcript)
        if not transcript.apply(event, epoch=epoch, seq=seq):
            assert picture(transcript) == before


# -- channels ------------------------------------------------------------------------------------


def of_channel(channel: str, number: int, *contents: str, start: float) -> FinalTranscript:
    words = [result(content, start + n / 2) for n, content in enumerate(contents)]
    body = segment(number, *words) | {
        "start_time": start,
        "end_time": start + 1,
        "channel": channel,
    }
    return FinalTranscript.model_validate(body)


CALL = StreamStarted(stream_id="s", session_id="x", channels=["agent", "customer"])


def test_channels_are_merged_in_order_of_time() -> None:
    call = folded(
        (CALL, 1, 1),
        (of_channel("agent", 1, "good", "day", start=0), 1, 2),
        (of_channel("agent", 3, "and", "you", start=3), 1, 3),
        (of_channel("customer", 2, "fine", start=2), 1, 4),
    )
    assert call.channels == ["agent", "customer"]
    assert [(one.channel, one.text) for one in call.turns] == [
        ("agent", "good day"),
        ("customer", "fine"),
        ("agent", "and you"),
    ]
    assert call.text == "good day\nfine\nand you"
    assert [one.content for one in call.words] == ["good", "day", "fine", "and", "you"]
    assert (call.end_time, call.end_time_of("agent"), call.end_time_of("customer")) == (3, 4, 3)


def test_punctuation_belongs_to_its_channel() -> None:
    def said(channel: str, number: int, at: float, *results: dict[str, Any]) -> FinalTranscript:
        body = segment(number, *results) | {"channel": channel, "start_time": at}
        return FinalTranscript.model_validate(body)

    call = folded(
        (said("agent", 1, 0.0, result("well", 0.0)), 1, 1),
        (said("customer", 2, 0.5, result("yes", 0.5)), 1, 2),
        (said("agent", 3, 1.0, mark(",", 1.0, attaches_to="previous"), result("no", 1.0)), 1, 3),
    )
    assert [(one.channel, one.text) for one in call.words] == [
        ("agent", "well,"),
        ("customer", "yes"),
        ("agent", "no"),
    ]


def test_newer_epoch_supersedes_in_its_channel_only() -> None:
    call = folded(
        (of_channel("agent", 1, "lost", start=0), 1, 2),
        (of_channel("customer", 4, "kept", start=1), 1, 3),
        (of_channel("agent", 1, "said", start=0), 2, 2),
    )
    assert call.text == "said\nkept"


def test_segments_are_missing_in_their_channel() -> None:
    call = folded(
        (CALL, 1, 1),
        (of_channel("agent", 5, "a", start=0), 1, 2),
        (of_channel("customer", 2, "b", start=1), 1, 3),
        (of_channel("customer", 8, "c", start=2), 1, 4),
    )
    assert call.missing == [(1, 3), (4, 6)]


def test_gap_and_pause_are_those_of_a_channel() -> None:
    one, two = (gap(0, 1, 2).model_copy(update={"channel": name}) for name in ("a", "b"))
    paused = pause(3.0).model_copy(update={"channel": "a"})
    call = folded((one, 1, 1), (two, 1, 2), (two, 2, 2), (paused, 1, 3))
    assert call.gaps == [one, two]
    assert call.utterance_ends == [3.0]
    assert (call.utterance_ends_of("a"), call.utterance_ends_of("b")) == ([3.0], [])
