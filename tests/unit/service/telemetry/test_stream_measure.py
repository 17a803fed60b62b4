"""How long things took, on a clock that the test moves, and what is counted."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.support.streams import EMPTY, added, chunk, started_stream

from speechmq.core.values import events
from speechmq.core.values.inputs import Input
from speechmq.core.values.outputs import Publish
from speechmq.telemetry.instruments import Instruments
from speechmq.telemetry.snapshot import Snapshot
from speechmq.telemetry.stream_measure import LONGEST_WAIT, StreamMeasure


class Measured:
    """A stream that has received 0.3 s, and what is measured of it."""

    def __init__(self, snapshot: Snapshot | None = None, **limits: Any) -> None:
        self.now = 10.0
        self._reader = InMemoryMetricReader()
        meter = MeterProvider([self._reader], shutdown_on_exit=False).get_meter("test")
        instruments = Instruments(meter, lambda: snapshot or Snapshot(), capacity=7)
        self._stream = started_stream(**limits)
        for seq in (1, 2, 3):
            self._stream.receive(chunk(seq), 1.0)
        self.measure = StreamMeasure(instruments, self._stream, lambda: self.now)

    def deliver(self, *seqs: int) -> list[tuple[bool, list[float]]]:
        return [self.give(chunk(seq), since=self.now) for seq in seqs]

    def give(self, received: Input, *, since: float) -> tuple[bool, list[float]]:
        """As the runner does: whether a sample is still wanted then, and what was recorded."""
        self._stream.receive(received, since)
        if self.measure.is_sampling:
            self.measure.sample(received, since)
        recorded = [value for _, value in self.points("latency.queue_to_upstream")]
        return self.measure.is_sampling, recorded

    def points(self, name: str) -> list[tuple[dict[str, Any], float]]:
        """The attributes of each series and its value; the sum of a histogram."""
        found = self._reader.get_metrics_data()
        assert found is not None
        metrics = [
            metric
            for resource in found.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
        return [
            (
                dict(point.attributes or {}),
                round(getattr(point, "sum", getattr(point, "value", 0)), 6),
            )
            for metric in metrics
            if metric.name == f"speechmq.{name}"
            for point in metric.data.data_points
        ]


def final(text: str, seq: int = 5) -> Publish:
    return Publish(events.FinalTranscript("s", 1, 0.0, 0.1, text, EMPTY), seq)


def test_final_is_timed_from_upstream_to_the_broker_s_confirm() -> None:
    measured = Measured()
    measured.measure.on_output(final("one"))
    measured.now += 0.25
    measured.measure.published(final("one"))
    assert measured.measure.is_sampling
    assert measured.points("latency.upstream_to_published") == [({}, 0.25)]
    assert measured.points("latency.speech_end_to_final") == [({}, 0.2)]
    assert measured.points("finals") == [({}, 1)]


def test_silence_has_no_end_of_speech() -> None:
    measured = Measured()
    measured.measure.on_output(final(""))
    measured.measure.published(final(""))
    assert measured.points("latency.speech_end_to_final") == []
    assert measured.points("finals") == [({}, 1)]


def test_chunk_after_a_final_is_timed_from_its_delivery_to_its_way_upstream() -> None:
    measured = Measured()
    assert measured.deliver(4) == [(False, [])]
    measured.measure.published(final("one"))
    assert measured.deliver(5, 6) == [(False, [0.0]), (False, [0.0])]


def test_chunk_that_waits_is_timed_when_it_goes_upstream_in_whatever_bytes() -> None:
    """Small chunks go together, and files go decoded."""
    measured = Measured(window_chunks=3)
    measured.measure.published(final("one"))
    assert measured.deliver(4) == [(True, [])]
    measured.now += 0.5
    assert measured.give(added(1), since=10.5) == (False, [0.5])


def test_chunk_that_the_stream_has_no_place_for_yet_is_no_sample() -> None:
    measured = Measured()
    measured.measure.published(final("one"))
    assert measured.deliver(3, 5) == [(True, []), (True, [])]
    measured.now += 0.25
    assert measured.deliver(4) == [(False, [0.0])]


def test_chunk_that_waits_for_long_is_forgotten() -> None:
    measured = Measured(window_chunks=3)
    measured.measure.published(final("one"))
    assert measured.deliver(4) == [(True, [])]
    measured.now += LONGEST_WAIT
    assert measured.deliver(5) == [(False, [])]


def test_events_are_counted_by_what_they_say() -> None:
    measured = Measured()
    for event in (
        events.StreamResumed("s", "u", 0.0, "upstream_lost"),
        events.StreamWarning("s", "idle", "why"),
        events.StreamFailed("s", "not_authorised", "why", retryable=False),
        events.StreamEnded("s", "end", 1.0, 1.0, 0.0, 1, 0, 1),
        events.StreamDetached("s", "why"),
    ):
        measured.measure.on_output(Publish(event, 1))
    assert measured.points("session.resumes") == [({"reason": "upstream_lost"}, 1)]
    assert measured.points("stream.warnings") == [({"code": "idle"}, 1)]
    assert measured.points("streams.finished") == [
        ({"outcome": "failed", "code": "not_authorised"}, 1),
        ({"outcome": "ended", "code": ""}, 1),
        ({"outcome": "detached", "code": ""}, 1),
    ]


def test_what_is_not_known_has_no_series() -> None:
    measured = Measured(Snapshot(waiting=None, quotas={"main": (3.0, None)}, states={"waiting": 2}))
    assert measured.points("streams.waiting") == []
    assert measured.points("quota.used") == [({"account": "main"}, 3.0)]
    assert measured.points("quota.limit") == []
    assert ({"state": "waiting"}, 2) in measured.points("streams")
    assert ({"state": "streaming"}, 0) in measured.points("streams")
    assert measured.points("worker.capacity") == [({}, 7)]


def test_dead_letters_of_unknown_codes_are_one_series() -> None:
    letters = {"bad_size": 2, "Nobody's code": 3, "what?": 4}
    measured = Measured(Snapshot(dead_letters=letters))
    assert measured.points("dead_letters") == [({"code": "bad_size"}, 2), ({"code": "other"}, 7)]
