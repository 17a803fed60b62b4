import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.received_events import came, ended, final, foreign, partial

from speechmq.commandline.captions import Captions, Change, Line, Partial, Seen
from speechmq.commandline.received import Received, receive
from speechmq_schemas import (
    AmqpMessage,
    AudioGap,
    EndOfUtterance,
    Event,
    FinalTranscript,
    PartialTranscript,
    StreamAccepted,
    StreamDetached,
    StreamFailed,
    StreamResumed,
    StreamStarted,
    StreamWarning,
)


def shown(*received: Received) -> list[Change]:
    captions = Captions()
    return [change for one in received for change in captions.apply(one)]


def test_partial_is_replaced_by_its_next_and_by_its_final() -> None:
    assert shown(
        came(partial("good"), 1),
        came(partial("good", "morning"), 2),
        came(final("good", "morning", start=1.5), 3),
        came(partial("now", segment=2), 4),
    ) == [
        Partial("s", "good"),
        Partial("s", "good morning"),
        Line("s", "final", "good morning", 1.5),
        Partial("s", ""),
        Partial("s", "now"),
    ]


def test_empty_final_shows_nothing_but_ends_its_partial() -> None:
    assert shown(came(partial("uh"), 1), came(final(), 2), came(final(segment=2), 3)) == [
        Partial("s", "uh"),
        Partial("s", ""),
    ]


def test_duplicate_shows_nothing() -> None:
    event = came(final("once"), 1)
    assert shown(event, event) == [Line("s", "final", "once", 0.0)]


def test_same_words_with_another_message_id_are_shown_again() -> None:
    assert shown(came(final("no"), 1), came(final("no", segment=2), 2)) == [
        Line("s", "final", "no", 0.0),
        Line("s", "final", "no", 0.0),
    ]


def test_message_without_an_id_is_always_new() -> None:
    warning = StreamWarning(stream_id="s", code="late", reason="why")
    message = AmqpMessage("stream.warning.s", "StreamWarning", warning.model_dump_json().encode())
    assert len(shown(receive(message, 0.0), receive(message, 0.0))) == 2


def test_partial_that_comes_behind_its_final_is_left_out() -> None:
    assert shown(came(final("done"), 2), came(partial("do"), 1)) == [
        Line("s", "final", "done", 0.0)
    ]


def test_partial_that_comes_behind_a_newer_one_is_left_out() -> None:
    assert shown(came(partial("one", "two"), 2), came(partial("one"), 1)) == [
        Partial("s", "one two")
    ]


def test_partial_of_a_later_epoch_is_newer() -> None:
    assert shown(came(partial("old"), 7, epoch=1), came(partial("new"), 1, epoch=2)) == [
        Partial("s", "old"),
        Partial("s", "new"),
    ]


def test_late_final_leaves_the_partial_of_a_later_segment() -> None:
    assert shown(came(partial("b", segment=2), 3), came(final("a"), 1)) == [
        Partial("s", "b"),
        Line("s", "final", "a", 0.0),
    ]


def test_streams_are_kept_apart() -> None:
    assert shown(
        came(partial("a", stream="one")),
        came(partial("b", stream="two")),
        came(final("a", stream="one"), 2),
    ) == [
        Partial("one", "a"),
        Partial("two", "b"),
        Line("one", "final", "a", 0.0),
        Partial("one", ""),
    ]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (StreamAccepted(stream_id="s"), Line("s", "news", "accepted")),
        (
            StreamStarted(stream_id="s", session_id="x"),
            Line("s", "news", "recognition has started"),
        ),
        (
            StreamResumed(stream_id="s", session_id="x", origin=1.25, reason="1006"),
            Line("s", "news", "recognition resumed at 1.25 s: 1006"),
        ),
        (
            StreamDetached(stream_id="s", reason="drain"),
            Line("s", "news", "handed over: drain"),
        ),
        (
            StreamWarning(stream_id="s", code="late", reason="chunk 5"),
            Line("s", "trouble", "warning, late: chunk 5"),
        ),
        (
            AudioGap(stream_id="s", start_time=1, end_time=1.5, first_seq=3, last_seq=7),
            Line("s", "trouble", "no audio from 1.00 s to 1.50 s (chunks 3 to 7)"),
        ),
        (ended("s"), Line("s", "news", "ended after 2.0 s of audio")),
        (
            ended("s").model_copy(update={"reason": "idle", "gap_seconds": 0.5}),
            Line("s", "news", "ended (idle) after 2.0 s of audio, 0.5 s of gaps"),
        ),
        (
            StreamFailed(
                stream_id="s",
                code="bad",
                reason="wrong",
                retryable=True,
                fields=[{"path": "a.b", "reason": "too big"}],
            ),
            Line("s", "trouble", "failed, bad: wrong; a.b: too big; it may be tried again"),
        ),
    ],
)
def test_news_of_a_stream_is_one_line(event: Event, line: Line) -> None:
    assert shown(came(event)) == [line]


def test_end_of_a_stream_takes_its_partial_away() -> None:
    assert shown(came(partial("half a")), came(ended(), 2)) == [
        Partial("s", "half a"),
        Partial("s", ""),
        Line("s", "news", "ended after 2.0 s of audio"),
    ]


def test_end_of_utterance_and_unknown_events_show_nothing() -> None:
    silence = EndOfUtterance(stream_id="s", start_time=1, end_time=1)
    assert shown(came(silence), foreign()) == []


def test_event_that_breaks_the_contract_is_told_with_its_stream() -> None:
    broken = receive(AmqpMessage("transcript.final.s", "FinalTranscript", b"{"), 0.0)
    (line,) = shown(broken)
    assert line == Line("s", "trouble", broken.problem or "")
    assert (broken.problem or "").startswith("the body of FinalTranscript is not JSON")


def test_text_cannot_drive_the_terminal() -> None:
    assert shown(came(final("\x1b[2J", "a\u202eb\r\n", "c"))) == [
        Line("s", "final", "\ufffd[2J a\ufffdb c", 0.0)
    ]


def test_memory_for_ids_and_streams_is_bounded() -> None:
    captions = Captions()
    for n in range(10_000):
        captions.apply(came(partial("x", stream=f"s{n}"), n))
    assert (len(captions._seen._ids), len(captions._streams)) == (4096, 1024)


def test_oldest_id_is_forgotten_first() -> None:
    seen = Seen(limit=2)
    assert [seen.again(one) for one in ("a", "b", "a", "c", "b", "a")] == [
        False,
        False,
        True,
        False,
        True,
        False,
    ]


# A stream as a worker publishes it: per segment some partials, then a final; the last stays open.
SEGMENTS = st.lists(st.integers(0, 4), min_size=1, max_size=6)


def stream_of(partials_per_segment: list[int], *, last_is_open: bool) -> list[Received]:
    events: list[PartialTranscript | FinalTranscript] = []
    for segment, count in enumerate(partials_per_segment, start=1):
        words = [f"w{segment}-{n}" for n in range(count + 1)]
        events += [partial(*words[: n + 1], segment=segment) for n in range(count)]
        if segment < len(partials_per_segment) or not last_is_open:
            events.append(final(*words, segment=segment))
    half = len(events) // 2
    first = [came(event, n) for n, event in enumerate(events[:half], start=1)]
    return first + [came(event, n, epoch=2) for n, event in enumerate(events[half:], start=1)]


def picture(received: list[Received]) -> tuple[list[str], str]:
    """What stands on the screen at the end: the finals, sorted, and the partial."""
    changes = shown(*received)
    live = [change.text for change in changes if isinstance(change, Partial)]
    finals = sorted(change.text for change in changes if isinstance(change, Line))
    return finals, live[-1] if live else ""


@given(SEGMENTS, st.booleans(), st.randoms(use_true_random=False), st.integers(1, 3))
def test_captions_are_the_same_in_any_order_and_however_often_events_come(
    partials: list[int], last_is_open: bool, rng: random.Random, copies: int
) -> None:
    events = stream_of(partials, last_is_open=last_is_open)
    mixed = events * copies
    rng.shuffle(mixed)
    assert picture(mixed) == picture(events)


def test_each_channel_has_a_live_line() -> None:
    def in_channel(event: Event, channel: str) -> Event:
        return event.model_copy(update={"channel": channel})

    agent = in_channel(partial("good"), "agent")
    customer = in_channel(partial("hello", segment=2), "customer")
    assert shown(
        came(agent, 1),
        came(customer, 2),
        came(in_channel(final("hello", segment=2), "customer"), 3),
        came(ended(), 4),
    ) == [
        Partial("s", "agent: good", "agent"),
        Partial("s", "customer: hello", "customer"),
        Line("s", "final", "customer: hello", 0.0),
        Partial("s", "", "customer"),
        Partial("s", "", "agent"),
        Line("s", "news", "ended after 2.0 s of audio"),
    ]
