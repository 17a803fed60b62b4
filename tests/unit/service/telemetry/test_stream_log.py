"""A stream's life in the log, without a word of what was said."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.support.deliveries import Nothing
from tests.support.streams import new_stream

from speechmq.core.values import events
from speechmq.core.values.outputs import DeadLetter, Finish, Outcome, Publish
from speechmq.telemetry.observer import Observer

TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
BOUND = {"stream_id": "s", "epoch": 7, "trace_id": TRACE}
RESULTS = msgspec.Raw(b"[]")


def told(*seen: Any) -> list[dict[str, Any]]:
    with capture_logs() as lines:
        observer = Observer(lambda: 0.0).claimed("s")
        observer.began(
            new_stream(),
            epoch=7,
            checkpoint=None,
            headers=HEADERS,
            deliveries=Nothing(),
        )
        for output in seen:
            observer.on_output(output)
    assert (
        dict(lines.pop(0))
        == {
            "event": "stream_claimed",
            "log_level": "info",
            "is_taken_over": False,
        }
        | BOUND
    )
    return [dict(line) for line in lines]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            events.StreamStarted("s", "id"),
            {"event": "session_started", "log_level": "info", "session_id": "id"},
        ),
        (
            events.StreamResumed("s", "id", 1.5, "upstream_lost"),
            {
                "event": "session_resumed",
                "log_level": "info",
                "session_id": "id",
                "origin": 1.5,
                "reason": "upstream_lost",
            },
        ),
        (
            events.StreamWarning("s", "idle", "why"),
            {"event": "stream_warning", "log_level": "warning", "code": "idle", "reason": "why"},
        ),
        (
            events.StreamInfo("s", "suspended", "why"),
            {"event": "stream_info", "log_level": "info", "code": "suspended", "reason": "why"},
        ),
        (
            events.AudioGap("s", 1.0, 2.0, 3, 4),
            {
                "event": "audio_gap",
                "log_level": "warning",
                "start_time": 1.0,
                "end_time": 2.0,
                "first_seq": 3,
                "last_seq": 4,
            },
        ),
        (
            events.StreamFailed("s", "not_authorised", "why", retryable=False),
            {
                "event": "stream_failed",
                "log_level": "error",
                "code": "not_authorised",
                "reason": "why",
                "retryable": False,
            },
        ),
        (
            events.StreamDetached("s", "why"),
            {"event": "stream_detached", "log_level": "info", "reason": "why"},
        ),
        (
            events.StreamEnded("s", "end", 3.0, 2.0, 1.0, 30, 1, 5),
            {
                "event": "stream_ended",
                "log_level": "info",
                "reason": "end",
                "received_seconds": 3.0,
                "finalised_seconds": 2.0,
                "gap_seconds": 1.0,
                "chunks": 30,
                "duplicates": 1,
                "finals": 5,
            },
        ),
    ],
)
def test_life_of_a_stream_is_told(event: events.Event, line: dict[str, Any]) -> None:
    assert told(Publish(event, 1)) == [line | BOUND]


def test_words_are_never_told() -> None:
    said: list[events.Event] = [
        events.PartialTranscript("s", 1, 0.0, 1.0, "secret words", RESULTS),
        events.FinalTranscript("s", 1, 0.0, 1.0, "secret words", RESULTS),
        events.FinalTranslation("s", "de", [{"content": "geheim"}]),
        events.SpeakersResult("s", [{"label": "S1"}]),
        events.UpstreamMessage("s", "New", b"secret words"),
    ]
    assert told(*(Publish(event, 1) for event in said), Finish(Outcome.ENDED)) == []


def test_dead_letter_is_told() -> None:
    assert told(DeadLetter(3, "bad_size", "why")) == [
        {"event": "message_dead_lettered", "log_level": "warning", "code": "bad_size"}
        | {"reason": "why"}
        | BOUND
    ]


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        3,
        "",
        "00-0-0-0",
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
    ],
)
def test_malformed_trace_is_none(traceparent: object) -> None:
    with capture_logs() as lines:
        observer = Observer(lambda: 0.0).claimed("s")
        headers = {"traceparent": traceparent}
        observer.began(
            new_stream(),
            epoch=1,
            checkpoint=None,
            headers=headers,
            deliveries=Nothing(),
        )
    assert "trace_id" not in lines[0]
