"""One stream's numbers at one moment, read from its core: nothing is counted beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..session.checkpoint import Checkpoint
from ..session.stream import Stream
from .age import UnsettledAge

CLAIMED = "claimed"
"""The state of a stream that is owned, and whose session core is not made yet."""


class Deliveries(Protocol):
    """What a stream's owner holds of its queue."""

    def unsettled(self) -> tuple[int | None, int]:
        """The oldest delivery tag that is not acknowledged, and the newest that came."""

    def headers_of(self, tag: int) -> Mapping[str, Any] | None:
        """Those of a delivery, as long as it is not acknowledged."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds are of the stream's own clock, except in ages. ``age`` is that of the ownership.

    What a predecessor finalised is not counted again, so ``received`` is ``finalised`` plus
    ``gaps`` when the stream ends.
    """

    stream_id: str
    epoch: int
    state: str
    age: float
    received: float = 0.0
    sent: float = 0.0
    replayed: float = 0.0
    finalised: float = 0.0
    gaps: float = 0.0
    lag: float = 0.0
    unacknowledged: float = 0.0
    unacknowledged_bytes: int = 0
    unacknowledged_age: float = 0.0
    duplicates: int = 0
    retries: int = 0


class Gauge:
    """Reads a stream from ``checkpoint`` on, where its owner began."""

    def __init__(
        self, stream: Stream, checkpoint: Checkpoint | None, deliveries: Deliveries, now: float
    ) -> None:
        began = checkpoint or Checkpoint()
        self.stream = stream
        self._begin = max(began.position, stream.spec.samples(began.watermark))
        self._sent_from = began.position
        self._gaps = began.totals.gap_samples
        self._duplicates = began.totals.duplicates
        self._finalised = 0
        self._deliveries = deliveries
        self._waits = UnsettledAge(now)

    def tick(self, now: float) -> None:
        """To be called now and then: ages are as exact as this is frequent."""
        self._waits.note(self._deliveries.unsettled()[1], now)

    def read(self, stream_id: str, epoch: int, age: float, now: float) -> Reading:
        stream, seconds = self.stream, self.stream.spec.seconds
        timeline, totals = stream.intake.timeline, stream.intake.totals
        received = max(0, timeline.position - self._begin)
        gaps = totals.gap_samples - self._gaps
        unacknowledged = timeline.position - timeline.begin
        watermark = stream.journal.watermark
        return Reading(
            stream_id,
            epoch,
            stream.state.value,
            age,
            received=seconds(received),
            sent=seconds(timeline.sent - self._sent_from + timeline.replayed),
            replayed=seconds(timeline.replayed),
            finalised=seconds(self._read_finalised(watermark, gaps)),
            gaps=seconds(gaps),
            lag=max(0.0, round(seconds(timeline.position) - watermark, 6)),
            unacknowledged=seconds(unacknowledged),
            unacknowledged_bytes=unacknowledged * stream.spec.sample_bytes,
            unacknowledged_age=self._waits.of(self._deliveries.unsettled()[0], now),
            duplicates=totals.duplicates - self._duplicates,
            retries=stream.retries,
        )

    def _read_finalised(self, watermark: float, gaps: int) -> int:
        """A gap ahead of the watermark is taken off early: so it never has to shrink."""
        found = self.stream.spec.samples(watermark) - self._begin - gaps
        self._finalised = max(self._finalised, found)
        return self._finalised

    def close(self) -> None:
        """The stream has ended: everything is final now, also what no final's end reached."""
        intake = self.stream.intake
        gaps = intake.totals.gap_samples - self._gaps
        self._finalised = max(self._finalised, intake.timeline.position - self._begin - gaps)
