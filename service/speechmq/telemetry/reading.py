"""One stream's numbers at one moment, read from its core: nothing is counted beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..core.snapshot import Snapshot
from ..core.stream import Stream
from ..core.values.checkpoint import Checkpoint
from ..core.values.events import Label
from .age import UnsettledAge

CLAIMED = "claimed"
"""The state of a stream that is owned, and whose core is not made yet."""


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


def received_until(stream: Stream, channel: Label) -> float:
    """The end of what came of a channel, in seconds."""
    return stream.spec.seconds(stream.snapshot().channels[channel or None].position)


class Gauge:
    """Reads a stream from ``checkpoint`` on, where its owner began."""

    def __init__(
        self, stream: Stream, checkpoint: Checkpoint | None, deliveries: Deliveries, now: float
    ) -> None:
        began = checkpoint or Checkpoint()
        self.stream = stream
        marks = [began.mark(channel) for channel in stream.spec.channels]
        samples = stream.spec.samples
        self._begin = sum(max(mark.position, samples(mark.watermark)) for mark in marks)
        self._sent_from = sum(mark.position for mark in marks)
        self._gaps = began.totals.gap_samples
        self._duplicates = began.totals.duplicates
        self._finalised = 0
        self._deliveries = deliveries
        self._waits = UnsettledAge(now)

    def tick(self, now: float) -> None:
        """To be called now and then: ages are as exact as this is frequent."""
        self._waits.note(self._deliveries.unsettled()[1], now)

    def read(self, stream_id: str, epoch: int, age: float, now: float) -> Reading:
        spec, core = self.stream.spec, self.stream.snapshot()
        seconds, channels = spec.seconds, core.channels.values()
        replayed = core.replayed * spec.width
        unacknowledged = sum(one.position - one.kept_from for one in channels)
        return Reading(
            stream_id,
            epoch,
            core.state.value,
            age,
            received=seconds(max(0, position_of(core) - self._begin)),
            sent=seconds(sent_of(core) - self._sent_from + replayed),
            replayed=seconds(replayed),
            finalised=seconds(self._read_finalised(core)),
            gaps=seconds(self._gaps_since(core)),
            lag=self._lag(core),
            unacknowledged=seconds(unacknowledged),
            unacknowledged_bytes=unacknowledged * spec.sample_bytes,
            unacknowledged_age=self._waits.of(self._deliveries.unsettled()[0], now),
            duplicates=core.duplicates - self._duplicates,
            retries=core.retries,
        )

    def _gaps_since(self, core: Snapshot) -> int:
        return (core.gap_samples - self._gaps) * self.stream.spec.width

    def _lag(self, core: Snapshot) -> float:
        """Of the channel that is furthest behind."""
        seconds, channels = self.stream.spec.seconds, core.channels.values()
        return max(0.0, *(round(seconds(one.position) - one.watermark, 6) for one in channels))

    def _read_finalised(self, core: Snapshot) -> int:
        """A gap ahead of the watermark is taken off early: so it never has to shrink."""
        covered = sum(self.stream.spec.samples(one.watermark) for one in core.channels.values())
        self._finalised = max(self._finalised, covered - self._begin - self._gaps_since(core))
        return self._finalised

    def close(self) -> None:
        """The stream has ended: everything is final now, also what no final's end reached."""
        core = self.stream.snapshot()
        final = position_of(core) - self._begin - self._gaps_since(core)
        self._finalised = max(self._finalised, final)


def position_of(core: Snapshot) -> int:
    """The samples of all channels that were received."""
    return sum(one.position for one in core.channels.values())


def sent_of(core: Snapshot) -> int:
    """The samples of all channels that went upstream."""
    return sum(one.sent for one in core.channels.values())
