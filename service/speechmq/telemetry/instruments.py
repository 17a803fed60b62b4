"""The metrics: their names, units and where each number comes from.

Two kinds. What comes with a final or more seldom is recorded as it happens; what a chunk changes is
read from a snapshot. No label names a stream: the number of series does not grow with that of
streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation

from ..core.states import State
from .codes import Codes
from .reading import CLAIMED
from .snapshot import Snapshot

Read = Callable[[], Snapshot]
Value = Callable[[Snapshot], float | int | None]

# A session is well below a second behind; beyond 10 s it is lost.
LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
LAGS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 4.0)

_COUNTERS: Mapping[str, tuple[Value, str, str]] = MappingProxyType(
    {
        "speechmq.audio.received": (
            lambda now: now.totals.received,
            "s",
            "Audio taken in, gaps included",
        ),
        "speechmq.audio.sent": (
            lambda now: now.totals.sent,
            "s",
            "Audio sent upstream, also what was sent again",
        ),
        "speechmq.audio.replayed": (
            lambda now: now.totals.replayed,
            "s",
            "Audio to be sent once more, because its session was lost or replaced",
        ),
        "speechmq.audio.finalised": (
            lambda now: now.totals.finalised,
            "s",
            "Audio covered by finals, gaps left out",
        ),
        "speechmq.audio.gaps": (
            lambda now: now.totals.gaps,
            "s",
            "Silence in the place of chunks that never came",
        ),
        "speechmq.chunks.duplicates": (
            lambda now: now.totals.duplicates,
            "{chunk}",
            "Chunks that came more than once",
        ),
        "speechmq.session.retries": (
            lambda now: now.totals.retries,
            "{session}",
            "Sessions tried because one had failed",
        ),
    }
)

_GAUGES: Mapping[str, tuple[Value, str, str]] = MappingProxyType(
    {
        "speechmq.worker.ready": (
            lambda now: int(now.is_ready),
            "",
            "1 while the worker consumes from every queue that it should",
        ),
        "speechmq.streams.waiting": (
            lambda now: now.waiting,
            "{stream}",
            "Streams of the fleet that no worker has room for",
        ),
        "speechmq.finalisation.lag": (
            lambda now: now.lag,
            "s",
            "Newest audio received minus newest finalised, of the stream furthest behind",
        ),
        "speechmq.audio.unacknowledged": (
            lambda now: now.unacknowledged_bytes,
            "By",
            "Audio held until finals cover it",
        ),
        "speechmq.audio.unacknowledged.age": (
            lambda now: now.unacknowledged_age,
            "s",
            "Of the oldest message that is not acknowledged",
        ),
    }
)


class Instruments:
    """``read`` gives the newest snapshot, from whatever thread; ``capacity`` is in streams."""

    def __init__(self, meter: Meter, read: Read, *, capacity: int) -> None:
        self._meter = meter
        self._read = read
        self.finals = 0
        for name, (value, unit, description) in _COUNTERS.items():
            meter.create_observable_counter(name, [self._one(value)], unit, description)
        for name, (value, unit, description) in _GAUGES.items():
            meter.create_observable_gauge(name, [self._one(value)], unit, description)
        self._observe_streams(capacity)
        self._observe_quotas()
        self._measure_time()
        self._count_events()

    def _one(self, value: Value) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            found = value(self._read())
            return [] if found is None else [Observation(found)]

        return observe

    def _observe_streams(self, capacity: int) -> None:
        def by_state(_options: CallbackOptions) -> Iterable[Observation]:
            states = self._read().states
            names = [CLAIMED, *(state.value for state in State)]
            return [Observation(states.get(name, 0), {"state": name}) for name in names]

        def of_worker(_options: CallbackOptions) -> Iterable[Observation]:
            return [Observation(capacity)]

        self._meter.create_observable_gauge(
            "speechmq.streams", [by_state], "{stream}", "Streams of this worker, by state"
        )
        self._meter.create_observable_gauge(
            "speechmq.worker.capacity", [of_worker], "{stream}", "Streams that it may have at once"
        )

    def _observe_quotas(self) -> None:
        def observed(which: int) -> Callable[[CallbackOptions], Iterable[Observation]]:
            def observe(_options: CallbackOptions) -> Iterable[Observation]:
                for name, quota in self._read().quotas.items():
                    if (value := quota[which]) is not None:
                        yield Observation(value, {"account": name})

            return observe

        self._meter.create_observable_gauge(
            "speechmq.quota.used",
            [observed(0)],
            "{session}",
            "Of an account, as upstream last reported",
        )
        self._meter.create_observable_gauge(
            "speechmq.quota.limit", [observed(1)], "{session}", "That an account may have at once"
        )

    def _measure_time(self) -> None:
        def create(name: str, description: str, bounds: Sequence[float]) -> Histogram:
            return self._meter.create_histogram(
                name, "s", description, explicit_bucket_boundaries_advisory=bounds
            )

        self.queue_to_upstream = create(
            "speechmq.latency.queue_to_upstream",
            "From a chunk's delivery to its way upstream; one chunk behind each final",
            LATENCIES,
        )
        self.upstream_to_published = create(
            "speechmq.latency.upstream_to_published",
            "From a final of upstream's to the broker's confirm of its event",
            LATENCIES,
        )
        self.speech_end_to_final = create(
            "speechmq.latency.speech_end_to_final",
            "Audio received since the end of a final's words when the broker confirms it",
            LATENCIES,
        )
        self.loop_lag = create(
            "speechmq.event_loop.lag", "How late the event loop is, twice a second", LAGS
        )

    def _count_events(self) -> None:
        create = self._meter.create_counter
        self._meter.create_observable_counter(
            "speechmq.finals",
            [lambda _options: [Observation(self.finals)]],
            "{event}",
            "Finals published",
        )
        self._resumes = create(
            "speechmq.session.resumes", "{session}", "Sessions that took over, by reason"
        )
        self._warnings = create(
            "speechmq.stream.warnings", "{event}", "Warnings to streams, by code"
        )
        self._outcomes = create(
            "speechmq.streams.finished", "{stream}", "Streams let go, by outcome and code"
        )
        self._meter.create_observable_counter(
            "speechmq.dead_letters",
            [self._dead_lettered],
            "{message}",
            "Messages that could not be used, by code",
        )
        self._codes = {one: Codes() for one in ("reason", "warning", "failure", "letter")}

    def resumed(self, reason: str) -> None:
        self._resumes.add(1, {"reason": self._codes["reason"].bounded(reason)})

    def warned(self, code: str) -> None:
        self._warnings.add(1, {"code": self._codes["warning"].bounded(code)})

    def finished(self, outcome: str, code: str = "") -> None:
        """``code`` says why a stream failed."""
        known = self._codes["failure"].bounded(code) if code else ""
        self._outcomes.add(1, {"outcome": outcome, "code": known})

    def _dead_lettered(self, _options: CallbackOptions) -> Iterable[Observation]:
        counts: dict[str, int] = {}
        for code, count in self._read().dead_letters.items():
            known = self._codes["letter"].bounded(code)
            counts[known] = counts.get(known, 0) + count
        return [Observation(count, {"code": code}) for code, count in counts.items()]
